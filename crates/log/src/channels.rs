//! What the writer keeps in mind of channels: bounded, and taken back when a commit fails.
//!
//! A channel's row on the disk is written late, for a row of a random channel with every message
//! would cost more than the message. Until then the channel is *unsaved*, and cannot be forgotten
//! here. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;

use tidings_wire::ChannelName;

/// Where a channel's chain begins and ends. What is kept are the messages with the numbers
/// `floor_nth + 1` to `head_nth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    /// Its row.
    pub(crate) id: u64,
    /// `seq` of its first message.
    pub(crate) first: u64,
    /// `seq` of its newest message.
    pub(crate) head: u64,
    /// Its newest message is the so manieth.
    pub(crate) head_nth: u64,
    /// `seq` of the newest message that was deleted, or may have been before the channel was made.
    pub(crate) floor: u64,
    /// So many were deleted.
    pub(crate) floor_nth: u64,
}

impl Channel {
    /// How many messages are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.head_nth.saturating_sub(self.floor_nth)
    }
}

#[derive(Clone, Copy, Debug)]
struct Known {
    channel: Channel,
    is_saved: bool,
    /// Looked at since eviction last came by.
    is_used: bool,
}

/// The channels in mind. Changes between two calls of [`Channels::commit`] can be taken back.
#[derive(Debug)]
pub(crate) struct Channels {
    known: HashMap<ChannelName, Known>,
    known_max: usize,
    /// The order in which eviction comes by.
    turns: VecDeque<ChannelName>,
    unsaved: BTreeMap<u64, ChannelName>,
    /// How everything was before its changes, in the order of the changes.
    journal: Vec<(ChannelName, Option<Known>)>,
}

impl Channels {
    pub(crate) fn new(known_max: usize) -> Self {
        Self {
            known: HashMap::new(),
            known_max,
            turns: VecDeque::new(),
            unsaved: BTreeMap::new(),
            journal: Vec::new(),
        }
    }

    /// The channel, if it is in mind.
    pub(crate) fn find(&mut self, name: &ChannelName) -> Option<Channel> {
        let known = self.known.get_mut(name)?;
        known.is_used = true;
        Some(known.channel)
    }

    /// Takes in what was read from the disk.
    pub(crate) fn learn(&mut self, name: &ChannelName, channel: Channel) {
        let known = Known {
            channel,
            is_saved: true,
            is_used: false,
        };
        if self.known.insert(name.clone(), known).is_none() {
            self.turns.push_back(name.clone());
        }
    }

    /// The channel changed, and its row is yet to follow.
    pub(crate) fn change(&mut self, name: &ChannelName, channel: Channel) {
        self.put(name, Some((channel, false)));
    }

    /// The channel changed, and its row with it.
    pub(crate) fn save(&mut self, name: &ChannelName, channel: Channel) {
        self.put(name, Some((channel, true)));
    }

    /// The channel is no more.
    pub(crate) fn remove(&mut self, name: &ChannelName) {
        self.put(name, None);
    }

    fn put(&mut self, name: &ChannelName, channel: Option<(Channel, bool)>) {
        let after = channel.map(|(channel, is_saved)| Known {
            channel,
            is_saved,
            is_used: true,
        });
        let before = self.replace(name, after);
        self.journal.push((name.clone(), before));
    }

    fn replace(&mut self, name: &ChannelName, after: Option<Known>) -> Option<Known> {
        let before = match after {
            Some(known) => self.known.insert(name.clone(), known),
            None => self.known.remove(name),
        };
        if before.is_none() && after.is_some() {
            self.turns.push_back(name.clone());
        }
        let unsaved_id = |known: Option<Known>| {
            let unsaved = known.filter(|known| !known.is_saved);
            unsaved.map(|known| known.channel.id)
        };
        let (was, is) = (unsaved_id(before), unsaved_id(after));
        // A busy channel is unsaved most of the time, and stays where it is.
        if was != is {
            was.map(|id| self.unsaved.remove(&id));
            is.map(|id| self.unsaved.insert(id, name.clone()));
        }
        before
    }

    /// Up to `limit` channels within `ids` whose rows are behind, in the order of their ids, so that
    /// neighbours on a page are written together.
    pub(crate) fn unsaved(
        &self,
        ids: RangeInclusive<u64>,
        limit: usize,
    ) -> Vec<(ChannelName, Channel)> {
        if ids.is_empty() {
            return Vec::new();
        }
        let names = self.unsaved.range(ids).take(limit);
        names
            .filter_map(|(_, name)| Some((name.clone(), self.known.get(name)?.channel)))
            .collect()
    }

    /// The largest id of a channel whose row is behind.
    pub(crate) fn unsaved_last(&self) -> Option<u64> {
        self.unsaved.last_key_value().map(|(id, _)| *id)
    }

    /// The changes are on the disk. Gives the channels that changed, with what is known of those
    /// whose rows are behind; and forgets what is too much.
    pub(crate) fn commit(&mut self) -> Vec<(ChannelName, Option<Channel>)> {
        let journal = std::mem::take(&mut self.journal);
        let changed = journal.into_iter().map(|(name, _)| {
            let known = self.known.get(&name).filter(|known| !known.is_saved);
            let channel = known.map(|known| known.channel);
            (name, channel)
        });
        let changed = changed.collect();
        self.evict();
        changed
    }

    /// The changes are not on the disk: everything is as at the last commit.
    pub(crate) fn rollback(&mut self) {
        while let Some((name, before)) = self.journal.pop() {
            self.replace(&name, before);
        }
    }

    /// Who was looked at since its last turn stays for another; who is unsaved stays in any case.
    fn evict(&mut self) {
        for _ in 0..self.turns.len().min(EVICTION_TURNS) {
            if self.turns.len() <= self.known_max {
                return;
            }
            let Some(name) = self.turns.pop_front() else {
                return;
            };
            match self.known.get_mut(&name) {
                Some(known) if known.is_used || !known.is_saved => {
                    known.is_used = false;
                    self.turns.push_back(name);
                }
                Some(_) => drop(self.known.remove(&name)),
                None => {}
            }
        }
    }
}

/// How many get their turn after a commit: four times what a batch can bring in, so that eviction
/// keeps up when most have been looked at, and takes less than a millisecond.
const EVICTION_TURNS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChannelName {
        ChannelName::new(text).unwrap()
    }

    fn channel(id: u64, head: u64) -> Channel {
        Channel {
            id,
            first: 1,
            head,
            head_nth: head,
            floor: 0,
            floor_nth: 0,
        }
    }

    #[test]
    fn a_rollback_brings_back_what_was() {
        let mut channels = Channels::new(10);
        channels.learn(&name("a"), channel(1, 1));
        channels.change(&name("b"), channel(2, 2));
        channels.commit();
        channels.change(&name("a"), channel(1, 5));
        channels.change(&name("a"), channel(1, 6));
        channels.save(&name("b"), channel(2, 2));
        channels.change(&name("c"), channel(3, 7));
        channels.remove(&name("b"));
        channels.rollback();
        assert_eq!(channels.find(&name("a")), Some(channel(1, 1)));
        assert_eq!(channels.find(&name("c")), None);
        let unsaved = channels.unsaved(0..=u64::MAX, 9);
        assert_eq!(unsaved, [(name("b"), channel(2, 2))]);
    }

    #[test]
    fn the_unsaved_are_never_forgotten() {
        let mut channels = Channels::new(2);
        for id in 1..=5 {
            channels.change(&name(&id.to_string()), channel(id, id));
        }
        channels.commit();
        assert_eq!(channels.known.len(), 5);
        for (name, channel) in channels.unsaved(1..=3, 9) {
            channels.save(&name, channel);
        }
        channels.commit();
        assert_eq!(channels.unsaved_last(), Some(5));
        channels.commit();
        assert_eq!(channels.known.len(), 2);
        assert_eq!(channels.turns.len(), 2);
        assert!(channels.find(&name("5")).is_some());
    }

    #[test]
    fn who_is_used_stays_and_who_is_not_goes() {
        let mut channels = Channels::new(2);
        for id in 1..=2 {
            channels.learn(&name(&id.to_string()), channel(id, id));
        }
        channels.find(&name("1"));
        channels.learn(&name("3"), channel(3, 3));
        channels.commit();
        assert!(channels.find(&name("1")).is_some());
        assert!(channels.find(&name("2")).is_none());
    }

    #[test]
    fn a_commit_tells_the_heads_that_the_disk_does_not_know() {
        let mut channels = Channels::new(10);
        channels.change(&name("a"), channel(1, 1));
        channels.save(&name("b"), channel(2, 2));
        let changed = channels.commit();
        assert_eq!(
            changed,
            [(name("a"), Some(channel(1, 1))), (name("b"), None)]
        );
    }
}
