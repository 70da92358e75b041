//! What passes through a channel without being stored: signals, joins, leaves.
//!
//! Like the tail it is kept once for all followers, each of whom has a place in it. Whoever is too far
//! behind has lost the oldest, for these are sent at most once.

use std::collections::VecDeque;
use std::sync::Arc;

use tidings_wire::Encoded;

/// The newest passing events of a channel.
#[derive(Default)]
pub(crate) struct Passing {
    /// The number of the first event kept; they count from 0 for as long as the channel is followed.
    first: u64,
    events: VecDeque<Arc<Encoded>>,
}

impl Passing {
    /// The number of the next event to come: where a new follower starts.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Takes an event, and lets go of the oldest beyond `kept_max`.
    pub(crate) fn push(&mut self, event: Arc<Encoded>, kept_max: usize) {
        self.events.push_back(event);
        while self.events.len() > kept_max {
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// The event with this number or, where it is lost, the oldest kept; with its number.
    pub(crate) fn at(&self, number: u64) -> Option<(u64, &Arc<Encoded>)> {
        let number = number.max(self.first);
        let event = self.events.get((number - self.first) as usize)?;
        Some((number, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::message;

    #[test]
    fn the_oldest_are_lost_to_those_who_are_too_far_behind() {
        let mut passing = Passing::default();
        let follower = passing.next();
        for seq in 1..=3 {
            passing.push(message("a", seq), 3);
        }
        assert_eq!(passing.at(follower).map(|(number, _)| number), Some(0));
        passing.push(message("a", 4), 3);
        assert_eq!(passing.at(follower).map(|(number, _)| number), Some(1));
        assert_eq!(passing.next(), 4);
        assert!(passing.at(4).is_none());
    }
}
