//! The channels that somebody on this shard follows. A channel that nobody follows costs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use tidings_engine::Batch;
use tidings_wire::{ChannelName, Encoded};

use crate::Limits;
use crate::logs::Watermarks;
use crate::passing::Passing;
use crate::subscription::Recovered;
use crate::tail::{Tail, seq};

/// A followed channel.
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    /// The one that it is in.
    pub(crate) log: usize,
    pub(crate) tail: Tail,
    pub(crate) passing: Passing,
    followers: Vec<Follower>,
}

/// One session's subscription: a place in a dense list, for the fan-out walks it from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Follower {
    pub(crate) session: u32,
    pub(crate) subscription: u32,
}

/// A follower whose place in its channel's list has changed, because another one left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) follower: Follower,
    pub(crate) place: usize,
}

/// What a batch meant to the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Something before it was missed, which concerns everybody.
    pub(crate) missed: bool,
    /// Somebody follows a channel that has something new.
    pub(crate) has_followers: bool,
}

/// All followed channels, and how far the shard has heard the engine.
pub(crate) struct Channels {
    watermarks: Watermarks,
    by_name: HashMap<ChannelName, usize>,
    channels: Slab<Channel>,
}

impl Channels {
    /// None yet; the engine is heard from these places on, by log.
    pub(crate) fn new(watermarks: &[u64]) -> Self {
        Self {
            watermarks: Watermarks::new(watermarks),
            by_name: HashMap::new(),
            channels: Slab::new(),
        }
    }

    /// Every message of a log up to here has been heard, and is in the tail of its channel or behind its floor.
    pub(crate) fn watermark(&self, log: usize) -> u64 {
        self.watermarks.of(log)
    }

    /// The channel under `key`, which its followers hold.
    pub(crate) fn channel(&self, key: usize) -> &Channel {
        &self.channels[key]
    }

    /// How many channels are followed.
    pub(crate) fn len(&self) -> usize {
        self.channels.len()
    }

    /// What all tails hold, about, in bytes.
    pub(crate) fn tail_bytes(&self) -> usize {
        let channels = self.channels.iter();
        channels.map(|(_, channel)| channel.tail.bytes()).sum()
    }

    /// Whether nobody follows anything.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.by_name.is_empty()
    }

    /// The key of a channel that somebody follows.
    pub(crate) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Adds a follower of a channel, which is in `log`; the channel's key and the follower's place there.
    pub(crate) fn follow(
        &mut self,
        name: &ChannelName,
        log: usize,
        follower: Follower,
    ) -> (usize, usize) {
        let key = match self.find(name) {
            Some(key) => key,
            None => {
                let key = self.channels.insert(Channel {
                    name: name.clone(),
                    log,
                    tail: Tail::new(self.watermarks.of(log)),
                    passing: Passing::default(),
                    followers: Vec::new(),
                });
                self.by_name.insert(name.clone(), key);
                key
            }
        };
        let followers = &mut self.channels[key].followers;
        followers.push(follower);
        (key, followers.len() - 1)
    }

    /// Removes the follower at `place`; the one that took its place, if any, must be told.
    pub(crate) fn unfollow(&mut self, key: usize, place: usize) -> Option<Moved> {
        let channel = &mut self.channels[key];
        channel.followers.swap_remove(place);
        if channel.followers.is_empty() {
            let channel = self.channels.remove(key);
            self.by_name.remove(&channel.name);
            return None;
        }
        let follower = *channel.followers.get(place)?;
        Some(Moved { follower, place })
    }

    /// Takes what was committed, each message into the tail of its channel, and calls `mark` for
    /// every follower of a channel that has something new.
    pub(crate) fn handle_batch(
        &mut self,
        batch: &Batch,
        limits: &Limits,
        mut mark: impl FnMut(Follower),
    ) -> Heard {
        let missed = batch.after > self.watermarks.of(batch.log);
        if missed {
            self.forget(batch.log, batch.after);
        }
        let watermark = self.watermarks.of_mut(batch.log);
        let mut touched = Vec::new();
        for event in &batch.events {
            // Heard already: what the engine told between `watch` and `head`, or before a lag.
            if seq(event) <= *watermark {
                continue;
            }
            *watermark = seq(event);
            if let Some(&key) = self.by_name.get(event.event().channel()) {
                self.channels[key].tail.push(event.clone(), limits);
                if touched.last() != Some(&key) {
                    touched.push(key);
                }
            }
        }
        let has_followers = !touched.is_empty();
        for key in touched {
            self.channels[key]
                .followers
                .iter()
                .copied()
                .for_each(&mut mark);
        }
        Heard {
            missed,
            has_followers,
        }
    }

    /// Takes a passing event, and calls `mark` for every follower of its channel.
    pub(crate) fn handle_passing(
        &mut self,
        event: Arc<Encoded>,
        limits: &Limits,
        mark: impl FnMut(Follower),
    ) {
        let Some(key) = self.find(event.event().channel()) else {
            return;
        };
        let channel = &mut self.channels[key];
        channel.passing.push(event, limits.passing_events);
        channel.followers.iter().copied().for_each(mark);
    }

    /// Takes a page of `name`'s that has everything behind `after` as far as it goes, for others who are as
    /// far behind.
    pub(crate) fn keep(
        &mut self,
        name: &ChannelName,
        after: u64,
        page: &Recovered,
        limits: &Limits,
    ) {
        if let Some(key) = self.find(name).filter(|_| !page.truncated) {
            let tail = &mut self.channels[key].tail;
            tail.extend_back(after, page.complete, &page.events, limits);
        }
    }

    /// Something of a log up to `head` was missed: its tails forget, and the followers will read.
    pub(crate) fn forget(&mut self, log: usize, head: u64) {
        let watermark = self.watermarks.of_mut(log);
        *watermark = head.max(*watermark);
        for (_, channel) in &mut self.channels {
            if channel.log == log {
                channel.tail.forget(*watermark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::message;

    fn name(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn follower(session: u32) -> Follower {
        Follower {
            session,
            subscription: 0,
        }
    }

    fn batch(after: u64, seqs: &[u64]) -> Batch {
        let events = seqs.iter().map(|seq| message("a", *seq)).collect();
        Batch {
            log: 0,
            after,
            events,
        }
    }

    /// Who is marked by a batch, and whether something was missed.
    fn hear(channels: &mut Channels, batch: &Batch) -> (Vec<u32>, bool) {
        let mut marked = Vec::new();
        let mark = |follower: Follower| marked.push(follower.session);
        let heard = channels.handle_batch(batch, &Limits::default(), mark);
        assert_eq!(heard.has_followers, !marked.is_empty());
        (marked, heard.missed)
    }

    #[test]
    fn what_was_heard_already_is_not_heard_again() {
        let mut channels = Channels::new(&[100]);
        let (key, _) = channels.follow(&name("a"), 0, follower(1));
        assert_eq!(hear(&mut channels, &batch(98, &[99, 100])), (vec![], false));
        assert_eq!(channels.watermark(0), 100);
        // The engine's head was read in the middle of what it told.
        assert_eq!(
            hear(&mut channels, &batch(99, &[100, 101])),
            (vec![1], false)
        );
        assert_eq!(channels.watermark(0), 101);
        let tail = &channels.channel(key).tail;
        assert!(tail.covers(100));
        assert_eq!(tail.at(0).map(|event| seq(event)), Some(101));
        assert_eq!(hear(&mut channels, &batch(100, &[101])), (vec![], false));
    }

    #[test]
    fn a_gap_makes_all_tails_forget() {
        let mut channels = Channels::new(&[100]);
        let (a, _) = channels.follow(&name("a"), 0, follower(1));
        let (b, _) = channels.follow(&name("b"), 0, follower(2));
        hear(&mut channels, &batch(100, &[101]));
        assert_eq!(hear(&mut channels, &batch(102, &[103])), (vec![1], true));
        for key in [a, b] {
            let tail = &channels.channel(key).tail;
            assert!(tail.covers(102) && !tail.covers(101));
        }
        assert_eq!(channels.watermark(0), 103);
    }

    #[test]
    fn a_gap_in_one_log_does_not_concern_another() {
        let mut channels = Channels::new(&[100, 7]);
        let (a, _) = channels.follow(&name("a"), 0, follower(1));
        let (b, _) = channels.follow(&name("b"), 1, follower(2));
        assert_eq!(hear(&mut channels, &batch(102, &[103])), (vec![1], true));
        assert!(!channels.channel(a).tail.covers(101));
        assert!(channels.channel(b).tail.covers(7));
        assert_eq!((channels.watermark(0), channels.watermark(1)), (103, 7));
    }

    #[test]
    fn a_new_tail_knows_nothing_of_the_past() {
        let mut channels = Channels::new(&[0]);
        hear(&mut channels, &batch(0, &[1, 2]));
        let (key, _) = channels.follow(&name("a"), 0, follower(1));
        let tail = &channels.channel(key).tail;
        assert!(tail.covers(2) && !tail.covers(1));
    }

    #[test]
    fn followers_stay_dense_and_the_last_takes_the_channel_along() {
        let mut channels = Channels::new(&[0]);
        for session in 0..3 {
            let (_, place) = channels.follow(&name("a"), 0, follower(session));
            assert_eq!(place, session as usize);
        }
        let key = channels.find(&name("a")).unwrap();
        let moved = channels.unfollow(key, 0).unwrap();
        assert_eq!((moved.follower, moved.place), (follower(2), 0));
        assert!(channels.unfollow(key, 1).is_none());
        assert_eq!(hear(&mut channels, &batch(0, &[1])), (vec![2], false));
        assert!(channels.unfollow(key, 0).is_none());
        assert!(channels.is_empty());
    }
}
