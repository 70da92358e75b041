//! Grace: who loses a connection stays present for a while, so that a quick return is no leave and no join.
//!
//! A leave just waits. Whoever comes back meanwhile, over whichever transport and on whichever shard, has
//! entered with a new connection when the old one leaves at last, which then is not their last one. As
//! everybody is given the same time, those who wait stand in the order in which they leave: one queue, and no
//! timer for each.

use std::collections::VecDeque;

use tidings_engine::Entry;

/// How a session ends, as far as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Its client's connection is gone, and the client may come back.
    Lost,
    /// Its client has said that it goes.
    Meant,
}

/// Who is still to leave.
pub(crate) struct Graces {
    /// For how long, in ticks.
    grace: u64,
    waiting_max: usize,
    /// With the tick at which each leaves.
    waiting: VecDeque<(u64, Entry)>,
}

impl Graces {
    /// Nobody waits. Everybody is given `grace` ticks, and of more than `waiting_max` the first leave early.
    pub(crate) fn new(grace: u64, waiting_max: usize) -> Self {
        Self {
            grace,
            waiting_max,
            waiting: VecDeque::new(),
        }
    }

    /// A connection is lost; who leaves now because of it, if anybody does.
    pub(crate) fn begin(&mut self, entry: Entry, now: u64) -> Option<Entry> {
        if self.grace == 0 {
            return Some(entry);
        }
        self.waiting.push_back((now + self.grace, entry));
        if self.waiting.len() <= self.waiting_max {
            return None;
        }
        self.waiting.pop_front().map(|(_, entry)| entry)
    }

    /// The next one whose time is over. Ask until there is none.
    pub(crate) fn next_over(&mut self, now: u64) -> Option<Entry> {
        let (_, entry) = self.waiting.pop_front_if(|(at, _)| *at <= now)?;
        if self.waiting.is_empty() {
            self.waiting.shrink_to_fit(); // thousands may have been lost at once
        }
        Some(entry)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use tidings_wire::{ChannelName, User};

    use super::*;

    fn entry(connection: u64) -> Entry {
        Entry {
            channel: ChannelName::new("a").unwrap(),
            user: User::new("alice").unwrap(),
            connection,
        }
    }

    #[test]
    fn one_leaves_when_the_grace_is_over_and_not_before() {
        let mut graces = Graces::new(10, 9);
        assert_eq!(graces.begin(entry(1), 5), None);
        assert_eq!(graces.begin(entry(2), 6), None);
        assert_eq!(graces.next_over(14), None);
        assert_eq!(graces.next_over(15), Some(entry(1)));
        assert_eq!(graces.next_over(15), None);
        assert_eq!(graces.next_over(99), Some(entry(2)));
        assert_eq!(graces.waiting.capacity(), 0);
    }

    #[test]
    fn without_a_grace_one_leaves_at_once() {
        assert_eq!(Graces::new(0, 9).begin(entry(1), 5), Some(entry(1)));
    }

    #[test]
    fn of_more_than_may_wait_the_first_leave_early() {
        let mut graces = Graces::new(10, 2);
        assert_eq!(graces.begin(entry(1), 0), None);
        assert_eq!(graces.begin(entry(2), 0), None);
        assert_eq!(graces.begin(entry(3), 0), Some(entry(1)));
        assert_eq!(graces.len(), 2);
    }
}
