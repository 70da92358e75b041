//! Who is seen, and until when: a watcher of joins and leaves that knows what was really there.

use std::collections::{BTreeMap, BTreeSet};

use tidings_engine::{Engine, Entry, MemoryEngine, Notice, Watch};
use tidings_wire::{ChannelName, Event, MessageId, User};

use super::play::*;
use super::world::World;
use crate::effect::Effect;
use crate::fanout::{Fanout, LinkKey};
use crate::grace::Departure;
use crate::session::Moment;
use crate::{Limits, StreamRequest};

/// Hears who is told to come and go, and holds that against when connections began and were lost.
pub(super) struct Watcher {
    watch: Watch,
    /// How long who loses a connection is to be seen, in ticks.
    grace: u64,
    lease: u64,
    /// What the engine was told.
    entered: BTreeSet<(ChannelName, User, u64)>,
    seen: BTreeMap<(ChannelName, User), Seen>,
}

#[derive(Default)]
struct Seen {
    is_told: bool,
    /// Until when they are to be seen at least, because of what was lost.
    due: u64,
    /// Whether they were not there any more when it was looked the last time.
    is_overdue: bool,
}

impl Watcher {
    pub(super) fn new(engine: &MemoryEngine, limits: &Limits) -> Self {
        Self {
            watch: engine.watch(),
            grace: limits.presence_grace.as_millis() as u64,
            lease: limits.lease.as_millis() as u64,
            entered: BTreeSet::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(super) fn enters(&mut self, entry: &Entry) {
        self.entered.insert(place_of(entry));
    }

    pub(super) fn leaves(&mut self, entry: &Entry) {
        self.entered.remove(&place_of(entry));
    }

    /// The server loses the link of a session.
    pub(super) fn loses(&mut self, fanout: &Fanout, link: LinkKey, now: u64) {
        let Some(session) = fanout.session(link) else {
            return; // another link has it
        };
        let due = match session.leased {
            true => now + self.lease,
            false => now + self.grace,
        };
        for (channel, user) in fanout.present(session) {
            let seen = self.seen.entry((channel, user)).or_default();
            seen.due = seen.due.max(due);
        }
    }

    /// Takes what the engine has told, at the time `now`.
    pub(super) fn hear(&mut self, shards: &[&Fanout], now: u64) {
        while let Some(notice) = self.watch.try_next() {
            let Notice::Passing(event) = notice else {
                continue;
            };
            match event.event() {
                Event::Join { channel, user, .. } => {
                    let seen = self
                        .seen
                        .entry((channel.clone(), user.clone()))
                        .or_default();
                    assert!(!seen.is_told, "{user} is told to come twice");
                    seen.is_told = true;
                }
                Event::Leave { channel, user, .. } => {
                    let is_there = self.is_there(shards, channel, user);
                    assert!(!is_there, "{user} is told to leave {channel} and is there");
                    let seen = self
                        .seen
                        .entry((channel.clone(), user.clone()))
                        .or_default();
                    assert!(seen.is_told, "{user} is told to leave twice");
                    assert!(seen.due <= now, "{user} is not given the grace");
                    (seen.is_told, seen.is_overdue) = (false, false);
                }
                _ => {}
            }
        }
    }

    /// Whoever is not there any longer, and was not when it was looked before, must have been told to leave.
    pub(super) fn look(&mut self, shards: &[&Fanout], now: u64) {
        let overdue: BTreeSet<_> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.is_told && seen.due < now)
            .filter(|((channel, user), _)| !self.is_there(shards, channel, user))
            .map(|(place, _)| place.clone())
            .collect();
        for (place, seen) in &mut self.seen {
            let is_overdue = overdue.contains(place);
            assert!(
                !(is_overdue && seen.is_overdue),
                "{place:?} has not left by {now}, and was to by {}",
                seen.due
            );
            seen.is_overdue = is_overdue;
        }
    }

    fn is_there(&self, shards: &[&Fanout], channel: &ChannelName, user: &User) -> bool {
        let connections = shards
            .iter()
            .flat_map(|it| it.connections_in(channel, user));
        let mut known = connections.map(|it| (channel.clone(), user.clone(), it));
        known.any(|entry| self.entered.contains(&entry))
    }
}

fn place_of(entry: &Entry) -> (ChannelName, User, u64) {
    let Entry {
        channel,
        user,
        connection,
    } = entry.clone();
    (channel, user, connection)
}

impl World {
    pub(super) fn watch_presence(&mut self) {
        let now = self.timeline.now();
        let shards: Vec<_> = self.shards.iter().map(|shard| &shard.fanout).collect();
        self.watcher.hear(&shards, now);
    }

    pub(super) fn look_at_presence(&mut self) {
        let now = self.timeline.now();
        let shards: Vec<_> = self.shards.iter().map(|shard| &shard.fanout).collect();
        self.watcher.look(&shards, now);
    }
}

fn at(tick: u64) -> Moment {
    Moment { tick, ..moment() }
}

/// Whether somebody leaves, and how many sessions have ended.
fn left(fanout: &mut Fanout) -> (usize, usize) {
    let effects = fanout.take_effects();
    let leaves = effects.iter().filter(|it| matches!(it, Effect::Leave(_)));
    let ends = effects.iter().filter(|it| matches!(it, Effect::Ended));
    (leaves.count(), ends.count())
}

#[test]
fn who_is_lost_leaves_after_the_grace_and_who_says_so_at_once() {
    for (departure, leaves) in [(Departure::Lost, 0), (Departure::Meant, 1)] {
        let mut play = Play::new(Limits::default());
        play.refused(subscribe("a", None));
        play.fanout.take_effects();
        play.fanout.detach(play.link, departure, &at(1));
        assert_eq!(left(&mut play.fanout), (leaves, 1));
        play.fanout.handle_tick(&at(5000));
        assert_eq!(left(&mut play.fanout), (0, 0));
        play.fanout.handle_tick(&at(5001));
        assert_eq!(left(&mut play.fanout), (1 - leaves, 0));
        play.fanout.check_empty();
    }
}

#[test]
fn what_is_not_followed_any_longer_is_left_at_once() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", None));
    play.fanout.take_effects();
    play.command(tidings_wire::Command::Unsubscribe {
        channel: channel("a"),
    });
    assert_eq!(left(&mut play.fanout), (1, 0));
    // A poller that names fewer channels than before.
    let mut fanout = fanout(Limits::default());
    let request = |names: &[&str]| StreamRequest {
        channels: names.iter().map(|name| channel(name)).collect(),
        after: None,
        session: Some(MessageId::new("tab").unwrap()),
        presence: false,
    };
    let both = stream(&mut fanout, request(&["a", "b"]), &at(0));
    fanout.detach(both.unwrap(), Departure::Lost, &at(0));
    fanout.take_effects();
    let one = stream(&mut fanout, request(&["a"]), &at(1));
    assert_eq!(left(&mut fanout).0, 1);
    assert!(one.is_ok());
}

#[test]
fn nobody_is_left_when_the_shard_ends() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", None));
    play.fanout.take_effects();
    play.fanout.detach(play.link, Departure::Lost, &at(1));
    play.fanout.end(&at(2));
    assert_eq!(left(&mut play.fanout), (1, 1));
    play.fanout.check_empty();
}
