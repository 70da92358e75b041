//! The idempotency keys of late: which ids a channel has seen, and what became of them.
//!
//! Pure. A key is kept as 128 bits of a hash keyed at random, for the keys of a busy five minutes are
//! many and two of them never meet by chance or by design.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

use tidings_wire::{ChannelName, MessageId};

/// How long an id is remembered unless set otherwise: longer than a client tries again for.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(5 * 60);

/// How many ids are remembered at most, the newest: some 70 MB when all are there, which takes 3,500
/// messages a second over the whole of [`DEDUP_WINDOW`]. Above that the window is shorter.
pub const DEDUP_KEYS_MAX: usize = 1 << 20;

/// The ids that were published within the window.
#[derive(Debug)]
pub struct Recent {
    window: u64,
    keys_max: usize,
    hashers: [RandomState; 2],
    places: HashMap<u128, Place>,
    /// In the order of `seq`.
    order: VecDeque<(u128, u64)>,
}

/// An id in its channel, as a [`Recent`] knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentKey(u128);

/// What became of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the message is in the log.
    pub seq: u64,
    /// When the log took it, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl Recent {
    /// Remembers ids for `window`, and at most `keys_max` of them.
    pub fn new(window: Duration, keys_max: usize) -> Self {
        Self {
            window: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
            keys_max,
            hashers: [RandomState::new(), RandomState::new()],
            places: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether what was stored `at` is within the window still.
    pub fn covers(&self, at: u64, now: u64) -> bool {
        // A time to come is a clock that was set back: such keys go by their number alone.
        now.saturating_sub(at) < self.window
    }

    /// What stands for `id` in `channel` here, and nowhere else.
    pub fn key(&self, channel: &ChannelName, id: &MessageId) -> RecentKey {
        let [high, low] = &self.hashers;
        let pair = (channel.as_str(), id.as_str());
        RecentKey(u128::from(high.hash_one(pair)) << 64 | u128::from(low.hash_one(pair)))
    }

    /// What became of an id, if it came within the window.
    pub fn find(&self, key: RecentKey, now: u64) -> Option<Place> {
        let place = self.places.get(&key.0)?;
        self.covers(place.at, now).then_some(*place)
    }

    /// Remembers what became of an id. Calls come in the order of `seq`.
    pub fn remember(&mut self, RecentKey(key): RecentKey, place: Place) {
        self.places.insert(key, place);
        self.order.push_back((key, place.seq));
        if self.order.len() > self.keys_max {
            self.forget_first();
        }
    }

    /// Takes back what was remembered of all after `seq`, which were not stored after all.
    pub fn forget_after(&mut self, seq: u64) {
        while let Some((key, last)) = self.order.pop_back_if(|(_, last)| *last > seq) {
            self.remove(key, last);
        }
    }

    /// Forgets a bounded number of ids that the window has left behind.
    pub fn forget_expired(&mut self, now: u64) {
        for _ in 0..FORGET_STEP {
            let Some((key, seq)) = self.order.front() else {
                return;
            };
            match self.places.get(key) {
                Some(place) if place.seq == *seq && self.covers(place.at, now) => return,
                _ => self.forget_first(),
            }
        }
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_first(&mut self) {
        if let Some((key, seq)) = self.order.pop_front() {
            self.remove(key, seq);
        }
    }

    /// Removes the key unless a later message took it over.
    fn remove(&mut self, key: u128, seq: u64) {
        if self.places.get(&key).is_some_and(|place| place.seq == seq) {
            self.places.remove(&key);
        }
    }
}

/// How many expired ids go at a time: more than come in one batch, few enough to cost nothing.
const FORGET_STEP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(keys_max: usize) -> Recent {
        Recent::new(Duration::from_millis(100), keys_max)
    }

    fn channel() -> ChannelName {
        ChannelName::new("a").unwrap()
    }

    fn remember(recent: &mut Recent, text: &str, place: Place) {
        recent.remember(recent.key(&channel(), &id(text)), place);
    }

    fn find(recent: &Recent, text: &str, now: u64) -> Option<Place> {
        recent.find(recent.key(&channel(), &id(text)), now)
    }

    fn id(text: &str) -> MessageId {
        MessageId::new(text).unwrap()
    }

    #[test]
    fn an_id_is_known_in_its_channel_until_the_window_ends() {
        let mut recent = recent(10);
        let place = Place { seq: 1, at: 1000 };
        remember(&mut recent, "x", place);
        assert_eq!(find(&recent, "x", 1099), Some(place));
        assert_eq!(find(&recent, "x", 1100), None);
        assert_eq!(find(&recent, "y", 1000), None);
        let other = ChannelName::new("b").unwrap();
        assert_eq!(recent.find(recent.key(&other, &id("x")), 1000), None);
    }

    #[test]
    fn the_oldest_id_goes_when_there_are_too_many() {
        let mut recent = recent(2);
        for (seq, text) in [(1, "x"), (2, "y"), (3, "z")] {
            remember(&mut recent, text, Place { seq, at: 0 });
        }
        assert_eq!(recent.len(), 2);
        assert_eq!(find(&recent, "x", 0), None);
        assert!(find(&recent, "y", 0).is_some());
    }

    #[test]
    fn an_id_used_again_after_the_window_is_kept_for_its_second_time() {
        let mut recent = recent(10);
        remember(&mut recent, "x", Place { seq: 1, at: 0 });
        remember(&mut recent, "x", Place { seq: 2, at: 150 });
        recent.forget_expired(160);
        assert_eq!(recent.len(), 1);
        assert_eq!(find(&recent, "x", 160).unwrap().seq, 2);
        recent.forget_expired(250);
        assert!(recent.is_empty() && recent.places.is_empty());
    }

    #[test]
    fn what_was_not_stored_is_taken_back() {
        let mut recent = recent(10);
        remember(&mut recent, "x", Place { seq: 1, at: 0 });
        remember(&mut recent, "y", Place { seq: 2, at: 0 });
        recent.forget_after(1);
        assert!(find(&recent, "x", 0).is_some());
        assert_eq!(find(&recent, "y", 0), None);
    }

    #[test]
    fn a_clock_set_back_forgets_nothing() {
        let mut recent = recent(10);
        remember(&mut recent, "x", Place { seq: 1, at: 5000 });
        recent.forget_expired(10);
        assert!(find(&recent, "x", 10).is_some());
    }
}
