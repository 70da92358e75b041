//! A lane: subscriptions whose messages are sent in one order, behind one position.
//!
//! The main lane of a session holds everything that is live (and on a poll or SSE stream, everything) in one log; a
//! session that follows channels of several logs has one for each, and nothing orders these among one another.
//! A subscription that catches up on a framed link has a lane of its own, never goes beyond the position of its log's main
//! lane, and joins it where it has reached it.
//!
//! Each channel of a lane is complete up to some `seq`: its tail up to the log's watermark, a page
//! up to where it was read. The least of these is the lane's **horizon**. Everything up to the horizon
//! is at hand, so it can be sent in order; nothing beyond it may be, for an earlier message of another
//! channel could still turn up.

use std::sync::Arc;

use tidings_engine::Query;
use tidings_wire::{Encoded, Event};

use crate::Behind;
use crate::limits::PAGE_MESSAGES_MIN;
use crate::room::Offer;
use crate::session::{Session, World};
use crate::subscription::{Begin, Subscription};

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The session's, in this log.
    Main(usize),
    /// That of the subscription in this slot, which catches up.
    Own(usize),
}

impl Lane {
    fn holds(self, slot: usize, subscription: &Subscription) -> bool {
        match self {
            Self::Main(log) => subscription.own.is_none() && subscription.log as usize == log,
            Self::Own(own) => slot == own,
        }
    }
}

/// A channel with messages to merge, and the first of them.
pub(crate) struct Run {
    slot: usize,
    place: usize,
    next: u64,
}

impl Session {
    /// Sends what the room takes of a lane; whether its position moved.
    pub(crate) fn fill(
        &mut self,
        lane: Lane,
        offer: &mut Offer<'_>,
        world: &mut World<'_>,
    ) -> bool {
        let start = self.position_of(lane);
        let mut position = start;
        let cap = self.cap(lane, world);
        let mut runs = std::mem::take(world.runs);
        while !offer.ran_out() {
            let Some(horizon) = self.survey(lane, position, cap, &mut runs, offer, world) else {
                break;
            };
            if horizon <= position {
                break;
            }
            position = self.merge(position, horizon, &mut runs, offer, world);
        }
        *world.runs = runs;
        self.set_position(lane, position);
        let position = self.position_of(lane);
        if !offer.is_full() {
            self.read_on(lane, position, world);
        }
        position > start
    }

    /// How far a lane may go in one go. What catches up does not overtake what is live; and what is
    /// live waits where a subscription that starts further on will join it, so that their messages
    /// come in one order from there.
    fn cap(&self, lane: Lane, world: &World<'_>) -> u64 {
        let log = self.log_of(lane);
        let position = self.positions.of(log);
        if lane != Lane::Main(log) {
            return position;
        }
        self.subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.log as usize == log)
            .filter_map(|(_, subscription)| {
                let own = subscription.own.filter(|own| *own > position)?;
                let channel = world.channels.channel(subscription.channel);
                subscription.is_running_on(channel, own).then_some(own)
            })
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Looks at every channel of the lane: its next message goes into `runs`, and the least `seq` that
    /// all are complete up to is the horizon. Tells of holes on the way; `None` if there is no room to.
    fn survey(
        &mut self,
        lane: Lane,
        position: u64,
        cap: u64,
        runs: &mut Vec<Run>,
        offer: &mut Offer<'_>,
        world: &World<'_>,
    ) -> Option<u64> {
        runs.clear();
        let log = self.log_of(lane);
        let watermark = world.channels.watermark(log);
        let mut horizon = None;
        for (slot, subscription) in &mut self.subscriptions {
            if !lane.holds(slot, subscription) {
                continue;
            }
            let channel = world.channels.channel(subscription.channel);
            if let Some(oldest) = subscription.hole {
                let event = Event::Truncated {
                    channel: channel.name.clone(),
                    oldest,
                };
                let event = Arc::new(Encoded::new(event, world.settings.logs.epoch(log).clone()));
                if !offer.event(event) {
                    return None;
                }
                subscription.hole = None;
                self.truncated = true;
            }
            subscription.pass(position);
            let source = subscription.source(position, channel, watermark);
            horizon = Some(source.complete.min(horizon.unwrap_or(u64::MAX)));
            if let Some(next) = source.next {
                runs.push(Run {
                    slot,
                    place: source.place,
                    next,
                });
            }
        }
        Some(horizon.unwrap_or(watermark).min(cap))
    }

    /// Sends the messages of all runs up to the horizon, least `seq` first; the lane's new position.
    fn merge(
        &mut self,
        mut position: u64,
        horizon: u64,
        runs: &mut [Run],
        offer: &mut Offer<'_>,
        world: &World<'_>,
    ) -> u64 {
        loop {
            let least = runs.iter_mut().min_by_key(|run| run.next);
            let Some(run) = least.filter(|run| run.next <= horizon) else {
                return horizon;
            };
            if offer.is_full() {
                offer.refuse();
                return position;
            }
            let subscription = &mut self.subscriptions[run.slot];
            let channel = world.channels.channel(subscription.channel);
            let (event, next) = subscription.take(run.place, channel);
            if let Some(event) = event {
                offer.event(event);
            }
            position = run.next;
            run.place += 1;
            run.next = next.unwrap_or(u64::MAX);
        }
    }

    /// Asks for the next page of every channel of the lane that has nothing at hand.
    fn read_on(&mut self, lane: Lane, position: u64, world: &mut World<'_>) {
        let limits = &world.settings.limits;
        let mut must_read = false;
        // Those that read, and those that hold a page; of them, those that catch up by themselves.
        let (mut reading, mut catching_up) = (0, 0);
        for (slot, subscription) in &self.subscriptions {
            let channel = world.channels.channel(subscription.channel);
            let at = self.position_in(subscription);
            must_read |= lane.holds(slot, subscription) && subscription.must_read(at, channel);
            reading += usize::from(!subscription.is_running_on(channel, at));
            catching_up += usize::from(subscription.catches_up());
        }
        let must_wait = matches!(lane, Lane::Own(_)) && catching_up >= limits.histories;
        if !must_read || must_wait {
            return;
        }
        let limit = (limits.page_messages / reading.max(1)).max(PAGE_MESSAGES_MIN);
        for (slot, subscription) in &mut self.subscriptions {
            let channel = world.channels.channel(subscription.channel);
            if !lane.holds(slot, subscription) || !subscription.must_read(position, channel) {
                continue;
            }
            let behind = world.settings.namespaces.of(&channel.name).behind;
            let (after, limit) = match (subscription.begin, behind) {
                (Begin::Newest { count, .. }, _) => (None, count),
                (_, Behind::Everything) => (Some(position), limit),
                (_, Behind::Newest) => (None, 1),
            };
            let ask = world.effects.ask(world.key);
            subscription.read = Some(ask.number);
            let query = Query {
                channel: channel.name.clone(),
                after,
                before: None,
                limit,
            };
            world.effects.read(ask, query);
        }
    }

    fn log_of(&self, lane: Lane) -> usize {
        match lane {
            Lane::Main(log) => log,
            Lane::Own(slot) => self.subscriptions[slot].log as usize,
        }
    }

    fn position_of(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Main(log) => self.positions.of(log),
            Lane::Own(slot) => self.position_in(&self.subscriptions[slot]),
        }
    }

    /// How far the client has been given a channel.
    pub(crate) fn position_in(&self, subscription: &Subscription) -> u64 {
        let main = || self.positions.of(subscription.log as usize);
        subscription.own.unwrap_or_else(main)
    }

    /// Moves a lane. Nothing of an empty page can overtake what is live, so that a lane of its own goes
    /// to the end of it at once: it must not hold its turn to read until the shard has heard as much.
    fn set_position(&mut self, lane: Lane, position: u64) {
        match lane {
            Lane::Main(log) => self.positions.set(log, position),
            Lane::Own(slot) => {
                let subscription = &mut self.subscriptions[slot];
                let end = subscription.finish_page().unwrap_or(0);
                subscription.own = Some(position.max(end));
            }
        }
    }

    /// Lets the subscription in `slot` join its main lane, if it has reached it and holds nothing up.
    pub(crate) fn join(&mut self, slot: usize, world: &World<'_>) {
        let subscription = &mut self.subscriptions[slot];
        let position = self.positions.of(subscription.log as usize);
        if subscription.own != Some(position) {
            return;
        }
        subscription.pass(position);
        let channel = world.channels.channel(subscription.channel);
        let free = subscription.page.is_none() && subscription.hole.is_none();
        if free && subscription.is_running_on(channel, position) {
            subscription.own = None;
        }
    }
}
