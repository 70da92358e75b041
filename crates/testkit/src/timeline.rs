//! Virtual time: a queue of what is planned, and a clock that jumps to the next of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

/// What is planned, and what time it is. Events planned for the same millisecond happen in the order
/// in which they were planned.
#[derive(Debug)]
pub struct Timeline<E> {
    now: u64,
    planned: u64,
    /// When, in which order, and which event.
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Slab<E>,
}

impl<E> Default for Timeline<E> {
    fn default() -> Self {
        Self {
            now: 0,
            planned: 0,
            order: BinaryHeap::new(),
            events: Slab::new(),
        }
    }
}

impl<E> Timeline<E> {
    /// The time, in milliseconds since it began.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Plans `event` for the time `at`, or for now if that has passed.
    pub fn plan(&mut self, at: u64, event: E) {
        self.planned += 1;
        let at = at.max(self.now);
        let event = self.events.insert(event);
        self.order.push(Reverse((at, self.planned, event)));
    }

    /// Moves on to the next event; `None`: nothing is planned any more.
    pub fn advance(&mut self) -> Option<E> {
        let Reverse((at, _, event)) = self.order.pop()?;
        self.now = at;
        Some(self.events.remove(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_from_event_to_event_in_order() {
        let mut timeline = Timeline::default();
        timeline.plan(5, "b");
        timeline.plan(5, "c");
        timeline.plan(1, "a");
        assert_eq!(timeline.advance(), Some("a"));
        assert_eq!(timeline.now(), 1);
        timeline.plan(0, "late");
        for expected in ["late", "b", "c"] {
            assert_eq!(timeline.advance(), Some(expected));
        }
        assert_eq!(timeline.now(), 5);
        assert_eq!(timeline.advance(), None);
    }
}
