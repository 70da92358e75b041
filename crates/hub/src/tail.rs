//! A tail: the newest events of a followed channel, in memory, encoded once for all followers.
//!
//! It is complete behind its floor: every message of the channel with a `seq` above the floor and up
//! to the shard's watermark is here. Whoever has read up to the floor or further goes on from the
//! tail; everybody else reads the log until they have.

use std::collections::VecDeque;
use std::sync::Arc;

use tidings_wire::Encoded;

use crate::Limits;

/// See the module.
pub(crate) struct Tail {
    floor: u64,
    bytes: usize,
    events: VecDeque<Arc<Encoded>>,
}

impl Tail {
    /// Nothing is known up to `floor`, and nothing has happened since.
    pub(crate) fn new(floor: u64) -> Self {
        Self {
            floor,
            bytes: 0,
            events: VecDeque::new(),
        }
    }

    /// What it holds, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether somebody who has everything up to `position` can go on from here.
    pub(crate) fn covers(&self, position: u64) -> bool {
        self.floor <= position
    }

    /// Takes the channel's next message, and lets go of the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, event: Arc<Encoded>, limits: &Limits) {
        self.bytes += event.weight();
        self.events.push_back(event);
        while self.events.len() > limits.tail_events || self.bytes > limits.tail_bytes {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.weight();
            self.floor = seq(&oldest);
        }
    }

    /// Takes what was read from the log: all messages of the channel behind `after` and up to `complete`. If
    /// they reach up to the floor, those below it are kept, as far as there is room, so that others who are
    /// as far behind need not read as well.
    pub(crate) fn extend_back(
        &mut self,
        after: u64,
        complete: u64,
        events: &[Arc<Encoded>],
        limits: &Limits,
    ) {
        if complete < self.floor || after >= self.floor {
            return;
        }
        let below = events.partition_point(|event| seq(event) <= self.floor);
        for event in events[..below].iter().rev() {
            let bytes = self.bytes + event.weight();
            if self.events.len() == limits.tail_events || bytes > limits.tail_bytes {
                self.floor = seq(event);
                return;
            }
            self.bytes = bytes;
            self.events.push_front(event.clone());
        }
        self.floor = after;
    }

    /// Something up to `floor` was missed: forgets everything, so that it stays complete.
    pub(crate) fn forget(&mut self, floor: u64) {
        *self = Self::new(floor);
    }

    /// Where the first message behind `position` is, or will be.
    pub(crate) fn place_after(&self, position: u64) -> usize {
        self.events.partition_point(|event| seq(event) <= position)
    }

    /// The message at a place, if it is there yet.
    pub(crate) fn at(&self, place: usize) -> Option<&Arc<Encoded>> {
        self.events.get(place)
    }
}

/// A message's `seq`; only messages get into tails and pages.
pub(crate) fn seq(event: &Encoded) -> u64 {
    event.seq().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::message;

    fn limits(tail_events: usize, tail_bytes: usize) -> Limits {
        Limits {
            tail_events,
            tail_bytes,
            ..Limits::default()
        }
    }

    #[test]
    fn a_tail_is_complete_behind_its_floor() {
        let mut tail = Tail::new(10);
        assert!(tail.covers(10) && tail.covers(11) && !tail.covers(9));
        for seq in [12, 15, 20] {
            tail.push(message("a", seq), &limits(3, usize::MAX));
        }
        assert!(tail.covers(10));
        assert_eq!(tail.at(tail.place_after(12)).map(|e| seq(e)), Some(15));
        assert_eq!(tail.at(tail.place_after(20)).map(|e| seq(e)), None);
    }

    #[test]
    fn one_event_above_the_bound_lets_go_of_the_oldest() {
        let mut tail = Tail::new(0);
        for seq in 1..=4 {
            tail.push(message("a", seq), &limits(3, usize::MAX));
        }
        assert!(!tail.covers(0) && tail.covers(1));
        assert_eq!(tail.at(0).map(|e| seq(e)), Some(2));
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let weight = message("a", 1).weight();
        let mut tail = Tail::new(0);
        tail.push(message("a", 1), &limits(9, 2 * weight));
        tail.push(message("a", 2), &limits(9, 2 * weight));
        assert!(tail.covers(0));
        tail.push(message("a", 3), &limits(9, 2 * weight));
        assert!(!tail.covers(0) && tail.covers(1));
    }

    #[test]
    fn what_was_read_up_to_the_floor_is_kept_as_far_as_there_is_room() {
        let page: Vec<_> = [11, 12, 15, 20, 21].map(|seq| message("a", seq)).into();
        let all = |tail: &Tail| -> Vec<u64> { tail.events.iter().map(|e| seq(e)).collect() };
        let extended = |after, complete, events: usize| {
            let mut tail = Tail::new(20);
            tail.push(message("a", 21), &limits(9, usize::MAX));
            tail.extend_back(after, complete, &page, &limits(events, usize::MAX));
            (tail.floor, all(&tail))
        };
        assert_eq!(extended(10, 25, 9), (10, vec![11, 12, 15, 20, 21]));
        assert_eq!(extended(10, 20, 5), (10, vec![11, 12, 15, 20, 21]));
        assert_eq!(extended(10, 25, 4), (11, vec![12, 15, 20, 21]));
        assert_eq!(extended(10, 25, 1), (20, vec![21]));
        // It does not reach the floor, or begins behind it.
        assert_eq!(extended(10, 19, 9), (20, vec![21]));
        assert_eq!(extended(20, 25, 9), (20, vec![21]));
    }

    #[test]
    fn a_tail_that_missed_something_starts_anew() {
        let mut tail = Tail::new(0);
        tail.push(message("a", 1), &limits(9, usize::MAX));
        tail.forget(7);
        assert!(!tail.covers(6) && tail.covers(7));
        assert!(tail.at(0).is_none());
    }
}
