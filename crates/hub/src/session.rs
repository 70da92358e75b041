//! A session: one client's cursors over its channels. Pure: no clock, socket, task or engine.
//!
//! What comes in is `handle_*`ed (commands.rs), what goes out is `poll`ed into the room that a
//! transport has, and what only the shell can do is left as an [`Effect`]. A session is not a queue:
//! but for the answers to its own commands it holds no more than positions, and of the log no more
//! than a bounded page a channel while it catches up (lane.rs).

use std::collections::VecDeque;
use std::rc::Rc;

use slab::Slab;
use tidings_engine::{EngineError, Entry};
use tidings_wire::{
    ChannelName, Code, Heartbeat, MessageId, PROTOCOL_VERSION, Reply, ReplyBody, StreamCursor, User,
};

use crate::channel::{Channels, Follower, Moved};
use crate::effect::{Ask, Effect, Effects};
use crate::lane::{Lane, Run};
use crate::logs::{Heads, Logs, Positions};
use crate::room::Offer;
use crate::subscription::{Begin, Kept, Recovered, Subscription};
use crate::{Behind, Identity, Limits, NamespacePolicies, auth};

/// What never changes while a shard runs.
pub(crate) struct Settings {
    pub(crate) logs: Logs,
    pub(crate) limits: Limits,
    pub(crate) namespaces: NamespacePolicies,
    pub(crate) heartbeat: Heartbeat,
}

/// The time, and the logs' heads, as the shell read them.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Milliseconds since the Unix epoch: what clients are told.
    pub(crate) at: u64,
    /// Milliseconds that only ever grow: what deadlines are measured by.
    pub(crate) tick: u64,
    /// The engine's.
    pub(crate) heads: Heads,
}

/// What a session works on besides itself.
pub(crate) struct World<'a> {
    /// The session's own key, by which followers and questions name it.
    pub(crate) key: usize,
    pub(crate) settings: &'a Settings,
    pub(crate) channels: &'a mut Channels,
    pub(crate) effects: &'a mut Effects,
    /// Followers of others whose place changed; the owner of the sessions tells them.
    pub(crate) moved: &'a mut Vec<Moved>,
    /// Of no meaning between two lanes; kept for its room.
    pub(crate) runs: &'a mut Vec<Run>,
}

/// See the module.
pub(crate) struct Session {
    pub(crate) id: MessageId,
    pub(crate) identity: Option<Identity>,
    /// The number of the link that it is attached to; `None` while only its lease holds it.
    pub(crate) link: Option<u64>,
    /// Which of its user's connections it is, for presence.
    pub(crate) connection: u64,
    /// Whether it is seen in the channels that it follows.
    pub(crate) present: bool,
    /// Whether it outlives its link for a while.
    pub(crate) leased: bool,
    /// When its token or its lease ends, in ticks.
    pub(crate) deadline: Option<u64>,
    /// Whether somebody is to look at the deadline.
    pub(crate) watched: bool,

    /// The main lanes': the client has been sent everything up to here.
    pub(crate) positions: Positions,
    pub(crate) subscriptions: Slab<Subscription>,
    /// Whether a hole was told.
    pub(crate) truncated: bool,

    pub(crate) replies: VecDeque<Reply>,
    pub(crate) pending: Vec<(u64, Pending)>,
    pub(crate) bad_frames: u32,
    pub(crate) ending: Ending,

    /// Whether the last poll left something for want of room.
    pub(crate) more: bool,
    /// Whether, after the last poll, something was still to be read.
    behind: bool,
    /// Moves on with each poll, so that no lane starves another.
    turn: u8,
    /// A stream's: in how many logs it has not been heard yet what they had as it began. What was acknowledged to
    /// somebody before was among that, so "now" is not before it.
    pub(crate) awaits: u8,
}

/// A command whose answer the engine is still to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    Publish { req: Option<u64> },
    History { req: Option<u64> },
    Presence { req: Option<u64> },
    Subscribe { req: Option<u64> },
}

/// Whether and why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on.
    No,
    /// When everything that was answered has been sent.
    Soon(Code, String),
    /// It has: nothing comes in or goes out any more.
    Done,
}

impl Session {
    /// A session without channels, of somebody who may not be known yet.
    pub(crate) fn new(id: MessageId, connection: u64, positions: Positions) -> Self {
        Self {
            id,
            identity: None,
            link: None,
            connection,
            present: false,
            leased: false,
            deadline: None,
            watched: false,
            positions,
            subscriptions: Slab::new(),
            truncated: false,
            replies: VecDeque::new(),
            pending: Vec::new(),
            bad_frames: 0,
            ending: Ending::No,
            more: false,
            behind: true,
            turn: 0,
            awaits: 0,
        }
    }

    /// Who is there, once known.
    pub(crate) fn user(&self) -> Option<&User> {
        self.identity.as_ref().map(|identity| &identity.user)
    }

    /// Knows from now on who is there; when that ends, in milliseconds since the Unix epoch.
    pub(crate) fn identify(&mut self, identity: Identity, moment: &Moment) -> Option<u64> {
        let expires = identity.expires.map(auth::unix_millis);
        self.deadline = expires.map(|expires| moment.tick + expires.saturating_sub(moment.at));
        self.identity = Some(identity);
        expires
    }

    /// The first answer on a framed link.
    pub(crate) fn greet(&mut self, req: Option<u64>, moment: &Moment, settings: &Settings) {
        let Some(identity) = &self.identity else {
            return;
        };
        self.replies.push_back(Reply {
            req,
            body: ReplyBody::Hello {
                session: self.id.clone(),
                user: identity.user.clone(),
                cursor: settings.logs.stream_cursor(moment.heads.iter()),
                newest: None,
                epochs: None,
                heartbeat: settings.heartbeat,
                version: PROTOCOL_VERSION,
            },
        });
    }

    /// Begins a stream of `channels` behind `after`. A poller does so with each poll, and keeps its
    /// place in what passes through the channels that it had before.
    pub(crate) fn resume(
        &mut self,
        channels: &[ChannelName],
        after: Option<&StreamCursor>,
        moment: &Moment,
        world: &mut World<'_>,
    ) {
        let slots: Vec<_> = self.subscriptions.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let channel = self.subscriptions[slot].channel;
            if !channels.contains(&world.channels.channel(channel).name) {
                self.unfollow(slot, world);
            }
        }
        let logs = &world.settings.logs;
        let head = |log| moment.heads.of(log);
        let known = |log| after?.seq(logs.epoch(log)).filter(|seq| *seq <= head(log));
        let is_lost = |log| after.is_some() && known(log).is_none();
        let start = |log| known(log).unwrap_or(head(log));
        let first = channels.first().map_or(0, |channel| logs.of(channel));
        self.positions = Positions::one(first, start(first));
        for channel in channels {
            let log = logs.of(channel);
            self.positions.add(log, start(log));
        }
        self.truncated = self.positions.iter().any(|(log, _)| is_lost(log));
        self.awaits = 0;
        self.ending = Ending::No;
        self.behind = true;
        for channel in channels {
            let begin = Begin::of(is_lost(logs.of(channel)));
            if let Some(slot) = self.subscription_to(channel, world.channels) {
                self.subscriptions[slot].restart(begin);
            } else {
                self.follow(channel, None, begin, world);
            }
        }
    }

    /// Follows `name`, and enters it if the session is to be seen there; the subscription's slot.
    pub(crate) fn follow(
        &mut self,
        name: &ChannelName,
        own: Option<u64>,
        begin: Begin,
        world: &mut World<'_>,
    ) -> usize {
        if self.subscriptions.capacity() == 0 {
            // Many follow one channel, and a slab begins with room for four.
            self.subscriptions.reserve_exact(1);
        }
        let log = world.settings.logs.of(name);
        let watermark = world.channels.watermark(log);
        if self.subscriptions.is_empty()
            && self.positions.len() == 1
            && self.positions.log(0) != log
        {
            self.positions = Positions::one(log, watermark);
        }
        // Nothing that came before is live.
        self.positions.add(log, watermark);
        let entry = self.subscriptions.vacant_entry();
        let slot = entry.key();
        let follower = Follower {
            session: world.key as u32,
            subscription: slot as u32,
        };
        let (channel, place) = world.channels.follow(name, log, follower);
        let entered = self.present && world.settings.namespaces.of(name).presence;
        entry.insert(Subscription {
            channel,
            place,
            log: log as u32,
            passing: world.channels.channel(channel).passing.next(),
            own,
            begin,
            page: None,
            read: None,
            hole: None,
            entered,
        });
        if entered && let Some(entry) = self.entry(name) {
            world.effects.push(Effect::Enter(entry));
        }
        slot
    }

    /// Follows the channel of `slot` no longer.
    pub(crate) fn unfollow(&mut self, slot: usize, world: &mut World<'_>) {
        let subscription = self.subscriptions.remove(slot);
        let mut others = self.subscriptions.iter();
        if self.positions.len() > 1 && others.all(|(_, it)| it.log != subscription.log) {
            self.positions.remove(subscription.log as usize);
        }
        let name = world.channels.channel(subscription.channel).name.clone();
        if subscription.entered
            && let Some(entry) = self.entry(&name)
        {
            world.effects.push(Effect::Leave(entry));
        }
        let moved = world
            .channels
            .unfollow(subscription.channel, subscription.place);
        world.moved.extend(moved);
    }

    /// Goes on elsewhere, or may come back: it leaves no channel when it follows it no longer. Where it is.
    pub(crate) fn stay_present(&mut self, channels: &Channels) -> Vec<Entry> {
        let left = |(_, it): (usize, &mut Subscription)| {
            let was_entered = std::mem::take(&mut it.entered);
            was_entered.then_some(it.channel)
        };
        let keys: Vec<_> = self.subscriptions.iter_mut().filter_map(left).collect();
        let names = keys.iter().map(|key| &channels.channel(*key).name);
        names.filter_map(|name| self.entry(name)).collect()
    }

    /// Follows nothing any longer.
    pub(crate) fn unfollow_all(&mut self, world: &mut World<'_>) {
        let slots: Vec<_> = self.subscriptions.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.unfollow(slot, world);
        }
    }

    /// The slot of the subscription to `name`, if there is one.
    pub(crate) fn subscription_to(&self, name: &ChannelName, channels: &Channels) -> Option<usize> {
        let channel = channels.find(name)?;
        self.subscriptions
            .iter()
            .find(|(_, subscription)| subscription.channel == channel)
            .map(|(slot, _)| slot)
    }

    fn entry(&self, channel: &ChannelName) -> Option<Entry> {
        Some(Entry {
            channel: channel.clone(),
            user: self.user()?.clone(),
            connection: self.connection,
        })
    }

    /// Fills a transport's room: answers, then what passes, then messages. Whether anything is left
    /// that was refused for want of room is [`more`](Self::more).
    pub(crate) fn poll(&mut self, offer: &mut Offer<'_>, world: &mut World<'_>) {
        if self.ending == Ending::Done {
            return;
        }
        while !self.replies.is_empty() && offer.reply(|| self.replies.pop_front()) {}
        if self.replies.is_empty() {
            self.replies.shrink_to_fit(); // who only listens keeps no memory for answers
        }
        if self.replies.is_empty()
            && let Ending::Soon(code, reason) = &mut self.ending
        {
            offer.close(*code, std::mem::take(reason));
            self.ending = Ending::Done;
            return;
        }
        self.give_passing(offer, world);
        self.fill_lanes(offer, world);
        self.behind = self.is_behind(world);
        self.more = offer.ran_out() || (self.behind && offer.is_full());
    }

    /// Whether everything up to now was given. Of use only while nothing has marked it since the
    /// last poll.
    pub(crate) fn is_current(&self) -> bool {
        !self.more && !self.behind && self.awaits == 0
    }

    /// The channel and the position of a session that is to be given nothing, after a poll, but what comes
    /// next in one channel.
    pub(crate) fn step(&self, channels: &Channels) -> Option<(usize, u64)> {
        let has_all = self.ending == Ending::No && self.replies.is_empty() && !self.more;
        if !has_all || self.behind || self.subscriptions.len() != 1 {
            return None;
        }
        let (_, subscription) = self.subscriptions.iter().next()?;
        let channel = channels.channel(subscription.channel);
        let position = self.positions.of(channel.log);
        let runs = subscription.own.is_none() && subscription.is_running_on(channel, position);
        runs.then_some((subscription.channel, position))
    }

    /// Whether, as far as the last poll found, something is still to be given to the client that is there.
    pub(crate) fn has_more_to_give(&self) -> bool {
        self.link.is_some() && (self.more || self.behind)
    }

    fn give_passing(&mut self, offer: &mut Offer<'_>, world: &World<'_>) {
        for (_, subscription) in &mut self.subscriptions {
            let passing = &world.channels.channel(subscription.channel).passing;
            while let Some((number, event)) = passing.at(subscription.passing) {
                if !offer.event(event.clone()) {
                    return;
                }
                subscription.passing = number + 1;
            }
        }
    }

    /// Fills all lanes in turn for as long as one of them gets on.
    fn fill_lanes(&mut self, offer: &mut Offer<'_>, world: &mut World<'_>) {
        self.join_all(world);
        self.turn = self.turn.wrapping_add(1);
        if self.turn % 2 == 1 {
            self.fill_own_lanes(offer, world);
        }
        loop {
            let main = self.fill_main_lanes(offer, world);
            let own = self.fill_own_lanes(offer, world);
            if !(main || own) || offer.ran_out() {
                return;
            }
        }
    }

    fn fill_main_lanes(&mut self, offer: &mut Offer<'_>, world: &mut World<'_>) -> bool {
        let count = self.positions.len();
        // Not worth a division where there is one.
        let first = match count {
            1 => 0,
            _ => usize::from(self.turn / 2) % count,
        };
        let mut moved = false;
        for lane in (first..count).chain(0..first) {
            let log = self.positions.log(lane);
            moved |= self.fill(Lane::Main(log), offer, world);
        }
        moved
    }

    fn fill_own_lanes(&mut self, offer: &mut Offer<'_>, world: &mut World<'_>) -> bool {
        let mut moved = false;
        for slot in self.own_lanes() {
            moved |= self.fill(Lane::Own(slot), offer, world);
            self.join(slot, world);
        }
        moved
    }

    fn join_all(&mut self, world: &World<'_>) {
        for slot in self.own_lanes() {
            self.join(slot, world);
        }
    }

    /// The slots of the subscriptions that catch up.
    fn own_lanes(&self) -> Vec<usize> {
        let own = |(slot, subscription): (usize, &Subscription)| subscription.own.map(|_| slot);
        self.subscriptions.iter().filter_map(own).collect()
    }

    fn is_behind(&self, world: &World<'_>) -> bool {
        self.subscriptions.iter().any(|(_, subscription)| {
            let watermark = world.channels.watermark(subscription.log as usize);
            subscription.begin != Begin::Running
                || subscription.page.is_some()
                || subscription.hole.is_some()
                || subscription.read.is_some()
                || self.position_in(subscription) < watermark
        })
    }

    /// Takes the page that a subscription has waited for; whether one has.
    pub(crate) fn handle_page(
        &mut self,
        ask: Ask,
        page: &Result<Rc<Recovered>, EngineError>,
        world: &World<'_>,
    ) -> bool {
        let Some(slot) = self.waiting(ask) else {
            return false;
        };
        let position = self.position_in(&self.subscriptions[slot]);
        let subscription = &mut self.subscriptions[slot];
        subscription.read = None;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                self.ending = Ending::Soon(error.code(), error.to_string());
                return true;
            }
        };
        let channel = world.channels.channel(subscription.channel);
        if subscription.is_running_on(channel, position) || page.is_stale(position) {
            return true; // what others have read has brought it back to the tail
        }
        subscription.page = Some(Kept::new(page.clone()));
        let channel = &channel.name;
        let behind = world.settings.namespaces.of(channel).behind;
        match std::mem::replace(&mut subscription.begin, Begin::Running) {
            Begin::Running => {
                subscription.hole = match behind {
                    Behind::Everything => page.truncated.then_some(page.oldest),
                    Behind::Newest => page.hole_before_newest(position),
                };
            }
            Begin::Lost => {
                subscription.hole = Some(match behind {
                    Behind::Everything => page.oldest,
                    Behind::Newest => page.first().unwrap_or(0),
                });
            }
            // Nothing is read before it is judged.
            Begin::Beyond { .. } => {}
            Begin::Newest { req, .. } => {
                let start = page.first().map_or(page.head, |first| first - 1);
                subscription.own = Some(start);
                let body = ReplyBody::Subscribed {
                    channel: channel.clone(),
                    cursor: world.settings.logs.cursor(subscription.log as usize, start),
                    truncated: false,
                };
                self.replies.push_back(Reply { req, body });
            }
        }
        true
    }

    /// The slot of the subscription that waits for this answer.
    pub(crate) fn waiting(&self, ask: Ask) -> Option<usize> {
        self.subscriptions
            .iter()
            .find(|(_, subscription)| subscription.read == Some(ask.number))
            .map(|(slot, _)| slot)
    }
}
