//! The fan-out: the pure part of a shard, where what the engine says meets the sessions.
//!
//! A notice goes into the tail of its channel and marks the sessions that follow it; that is all a
//! delivery costs until a transport has room and polls. Nothing here knows a clock, a task or the
//! engine: what is to be done outside is taken from [`Fanout::take_effects`], and who is to be woken
//! from [`Fanout::take_marked`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;
use tidings_engine::{Batch, EngineError, Histogram, Page, Query};
use tidings_wire::{
    ChannelName, Code, Encoded, Epoch, MessageId, Request, RequestError, StreamCursor, User,
};

use crate::census::Census;
use crate::channel::{Channels, Follower, Moved};
use crate::effect::{Answered, Ask, Effect, Effects};
use crate::grace::{Departure, Graces};
use crate::lane::Run;
use crate::logs::{Heads, Positions};
use crate::marks::Marks;
use crate::moving::Left;
use crate::room::{Offer, Push, Room};
use crate::session::{Ending, Moment, Session, Settings, World};
use crate::shard::StreamRequest;
use crate::step::{Origin, Steps, Stretch};
use crate::subscription::{Begin, Recovered, Subscription};
use crate::{Identity, Refusal};

/// See the module.
pub(crate) struct Fanout {
    settings: Settings,
    channels: Channels,
    sessions: Slab<Session>,
    marks: Marks,
    steps: Steps,
    /// The one that was last given, which the next in step most likely is given too.
    stretch: Stretch,
    /// Streams whose "now" the watermark of a log has not reached.
    awaiting: Vec<Awaited>,
    /// Pollers by user and session id, attached or not.
    leases: HashMap<(User, MessageId), usize>,
    /// At most one for each connection, at or before its deadline.
    deadlines: BinaryHeap<Reverse<(u64, usize, u64)>>,
    /// Who was lost and is still present.
    graces: Graces,
    effects: Effects,
    moved: Vec<Moved>,
    runs: Vec<Run>,
    /// The number of the newest link. Numbers are never used again, so that a link that another one
    /// has replaced, or whose session is gone, finds nobody.
    links: u64,
}

/// Which session a link is attached to, and which of its links it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkKey {
    session: usize,
    link: u64,
}

/// What a stream waits to be heard.
struct Awaited {
    log: usize,
    seq: u64,
    link: LinkKey,
}

impl LinkKey {
    /// The session's place, dense and reused.
    pub(crate) fn session(self) -> usize {
        self.session
    }
}

/// What the shell gives a new session.
pub(crate) struct Fresh {
    /// An id that nobody else has.
    pub(crate) id: MessageId,
    /// A number that no other connection of the process has.
    pub(crate) connection: u64,
}

/// A stream that is about to begin.
pub(crate) struct Arrival {
    identity: Identity,
    /// Its channels in order, each once.
    request: StreamRequest,
    /// Its place in the order of the links, for a later one may begin before it.
    link: u64,
    /// By log, what its cursor has that is not known here.
    pub(crate) beyond: BTreeMap<usize, u64>,
}

/// Why a link finds nothing.
const TAKEN_OVER: &str = "another request with the same session has taken over; one at a time";

impl Fanout {
    /// No sessions yet; the engine is heard from `heads` on.
    pub(crate) fn new(settings: Settings, heads: &Heads) -> Self {
        let grace = settings.limits.presence_grace.as_millis() as u64;
        Self {
            channels: Channels::new(heads.all()),
            sessions: Slab::new(),
            marks: Marks::default(),
            steps: Steps::default(),
            stretch: Stretch::default(),
            awaiting: Vec::new(),
            leases: HashMap::new(),
            deadlines: BinaryHeap::new(),
            graces: Graces::new(grace, settings.limits.graces),
            effects: Effects::default(),
            moved: Vec::new(),
            runs: Vec::new(),
            links: 0,
            settings,
        }
    }

    // Sessions and their links.

    /// A framed session; with an identity it is greeted at once.
    pub(crate) fn connect(
        &mut self,
        identity: Option<Identity>,
        fresh: Fresh,
        moment: &Moment,
    ) -> LinkKey {
        let position = Positions::one(0, self.channels.watermark(0));
        let mut session = Session::new(fresh.id, fresh.connection, position);
        session.present = true;
        if let Some(identity) = identity {
            session.identify(identity, moment);
            session.greet(None, moment, &self.settings);
        }
        let key = self.sessions.insert(session);
        let link = self.next_link();
        self.attach(key, link)
    }

    /// Takes what is asked for a stream. Before it [begins](Self::stream) it is to be found out whether the logs
    /// go as [far](Arrival::beyond) as its cursor.
    pub(crate) fn arrive(
        &mut self,
        identity: Identity,
        mut request: StreamRequest,
        heads: &Heads,
    ) -> Result<Arrival, Refusal> {
        request.channels.sort_unstable();
        request.channels.dedup();
        self.check_stream(&identity, &request.channels)?;
        let logs = &self.settings.logs;
        let mut beyond = BTreeMap::new();
        if let Some(after) = &request.after {
            for log in request.channels.iter().map(|channel| logs.of(channel)) {
                let seq = after.seq(logs.epoch(log));
                beyond.extend(seq.filter(|seq| *seq > heads.of(log)).map(|seq| (log, seq)));
            }
        }
        Ok(Arrival {
            identity,
            request,
            link: self.next_link(),
            beyond,
        })
    }

    /// Begins a stream; a poller whose lease still runs goes on with it, unless a later request has. `moment` is of
    /// when it was certain how far the logs go.
    pub(crate) fn stream(
        &mut self,
        arrival: Arrival,
        fresh: Fresh,
        moment: &Moment,
    ) -> Result<LinkKey, Refusal> {
        let Arrival {
            identity,
            request,
            link,
            ..
        } = arrival;
        let leased = request.session.is_some();
        let id = request.session.unwrap_or(fresh.id);
        let lease = (identity.user.clone(), id);
        let key = match self.leases.get(&lease).filter(|_| leased) {
            Some(key) => {
                // The one that was counted for this is not needed.
                self.effects.push(Effect::Ended);
                if self.sessions[*key].link > Some(link) {
                    return Err(Refusal::new(Code::Busy, TAKEN_OVER));
                }
                *key
            }
            None => {
                let id = lease.1.clone();
                let nowhere = Positions::one(0, moment.heads.of(0));
                let mut session = Session::new(id, fresh.connection, nowhere);
                session.leased = leased;
                session.present = leased || request.presence;
                let key = self.sessions.insert(session);
                if leased {
                    self.leases.insert(lease, key);
                }
                key
            }
        };
        self.with(key, |session, world| {
            session.identify(identity, moment);
            session.resume(&request.channels, request.after.as_ref(), moment, world);
        });
        let link = self.attach(key, link);
        let session = &mut self.sessions[key];
        for (log, _) in session.positions.iter() {
            let seq = moment.heads.of(log);
            if seq > self.channels.watermark(log) {
                self.awaiting.push(Awaited { log, seq, link });
                session.awaits += 1;
            }
        }
        Ok(link)
    }

    fn check_stream(&self, identity: &Identity, channels: &[ChannelName]) -> Result<(), Refusal> {
        let subscriptions_max = self.settings.limits.subscriptions;
        if channels.len() > subscriptions_max {
            let detail = format!("a stream has at most {subscriptions_max} channels");
            return Err(Refusal::new(Code::LimitReached, detail));
        }
        channels
            .iter()
            .try_for_each(|channel| identity.check_read(channel))
    }

    fn next_link(&mut self) -> u64 {
        self.links += 1;
        self.links
    }

    fn attach(&mut self, key: usize, link: u64) -> LinkKey {
        // Whoever held the session before has to look, and will find that it is not theirs any more.
        self.mark(key);
        self.sessions[key].link = Some(link);
        self.watch_deadline(key);
        LinkKey { session: key, link }
    }

    /// A link is gone. Its session ends, or its lease begins to run out.
    pub(crate) fn detach(&mut self, link: LinkKey, departure: Departure, moment: &Moment) {
        let Some(session) = self.attached(link) else {
            return;
        };
        if !session.leased || session.ending != Ending::No {
            return self.remove(link.session, departure, moment);
        }
        session.link = None;
        let lease = self.settings.limits.lease.as_millis() as u64;
        self.with(link.session, |session, _| {
            session.deadline = Some(moment.tick + lease);
        });
        self.watch_deadline(link.session);
    }

    /// Takes a session away that goes on elsewhere: nobody is told that it ends here. `None` unless it is in
    /// step and nothing of its client's is under way.
    pub(crate) fn take(&mut self, link: LinkKey) -> Option<Left> {
        let session = self.session(link)?;
        let (channel, position) = self.steps.get(link.session)?;
        if !session.pending.is_empty() {
            return None;
        }
        let left = Left {
            id: session.id.clone(),
            identity: session.identity.clone()?,
            connection: session.connection,
            present: session.present,
            channel: self.channels.channel(channel).name.clone(),
            position,
        };
        self.with(link.session, |session, world| {
            session.stay_present(world.channels);
            session.unfollow_all(world);
        });
        self.sessions.remove(link.session);
        Some(left)
    }

    /// Goes on with a session that was taken from elsewhere.
    pub(crate) fn receive(&mut self, left: Left, moment: &Moment) -> LinkKey {
        let log = self.settings.logs.of(&left.channel);
        let position = Positions::one(log, left.position);
        let mut session = Session::new(left.id, left.connection, position);
        session.present = left.present;
        session.identify(left.identity, moment);
        let key = self.sessions.insert(session);
        self.with(key, |session, world| {
            // It is in the channel already, and to enter twice is to enter once.
            session.follow(&left.channel, None, Begin::Running, world);
        });
        let link = self.next_link();
        self.attach(key, link)
    }

    fn remove(&mut self, key: usize, departure: Departure, moment: &Moment) {
        if departure == Departure::Lost {
            let lost = self.with(key, |session, world| session.stay_present(world.channels));
            for entry in lost {
                if let Some(leaving) = self.graces.begin(entry, moment.tick) {
                    self.effects.push(Effect::Leave(leaving));
                }
            }
        }
        self.with(key, Session::unfollow_all);
        let session = self.sessions.remove(key);
        if session.leased
            && let Some(user) = session.user()
        {
            self.leases.remove(&(user.clone(), session.id));
        }
        self.effects.push(Effect::Ended);
    }

    fn attached(&mut self, link: LinkKey) -> Option<&mut Session> {
        self.sessions
            .get_mut(link.session)
            .filter(|session| session.link == Some(link.link))
    }

    /// Runs `act` on a session, and then tells those whose places it changed.
    fn with<T>(&mut self, key: usize, act: impl FnOnce(&mut Session, &mut World<'_>) -> T) -> T {
        self.fall_out(key);
        let mut world = World {
            key,
            settings: &self.settings,
            channels: &mut self.channels,
            effects: &mut self.effects,
            moved: &mut self.moved,
            runs: &mut self.runs,
        };
        let result = act(&mut self.sessions[key], &mut world);
        for Moved { follower, place } in self.moved.drain(..) {
            let Follower {
                session,
                subscription,
            } = follower;
            self.sessions[session as usize].subscriptions[subscription as usize].place = place;
        }
        result
    }

    // What the client says, and what it is given.

    /// Something from a framed link. What is said over a link that was replaced is not heard.
    pub(crate) fn handle(&mut self, link: LinkKey, said: Said, moment: &Moment) {
        if self.attached(link).is_none() {
            return;
        }
        self.with(link.session, |session, world| match said {
            Said::Request(request) => session.handle(request, moment, world),
            Said::Hello(req, proof) => session.handle_hello(req, proof, moment, world),
            Said::Refresh(req, proof) => session.handle_refresh(req, proof, moment, world),
            Said::Nonsense(error) => session.handle_bad_frame(error, &world.settings.limits),
        });
        self.mark(link.session);
        self.watch_deadline(link.session);
    }

    /// Fills `room`.
    pub(crate) fn poll(&mut self, link: LinkKey, room: Room, out: &mut Vec<Push>) {
        let mut offer = Offer::new(room, out);
        if self.attached(link).is_none() {
            return offer.close(Code::Busy, TAKEN_OVER.to_owned());
        }
        let (more, step) = self.with(link.session, |session, world| {
            session.poll(&mut offer, world);
            (session.more, session.step(world.channels))
        });
        self.marks.handle_polled(link.session, more);
        if let Some((channel, position)) = step {
            self.steps.begin(link.session, channel, position);
        }
    }

    /// Gives a session that is in step what comes next, by `give`, which says whether it could be given.
    /// `false` if the session is not in step, or has fallen behind the tail: it must be polled.
    #[inline] // once for each follower of a batch
    pub(crate) fn give_in_step(
        &mut self,
        session: usize,
        room: Room,
        give: impl FnOnce(&Stretch) -> bool,
    ) -> bool {
        let Some((channel, after)) = self.steps.get(session) else {
            return false;
        };
        let of = self.channels.channel(channel);
        if !of.tail.covers(after) {
            return false;
        }
        let origin = Origin {
            channel,
            after,
            watermark: self.channels.watermark(of.log),
            room,
        };
        self.stretch.become_that(origin, &of.tail);
        if self.stretch.events().is_empty() || give(&self.stretch) {
            self.steps.advance(session, self.stretch.end());
            self.marks.handle_polled(session, self.stretch.has_more());
        }
        true
    }

    /// Everybody who is in step has been given what there was: lets go of it.
    pub(crate) fn forget_stretch(&mut self) {
        self.stretch.clear();
    }

    /// A session is no longer in step.
    fn fall_out(&mut self, key: usize) {
        if let Some(position) = self.steps.end(key) {
            self.sessions[key].positions.set_only(position);
        }
    }

    /// Whether a poll may find something.
    pub(crate) fn is_marked(&self, link: LinkKey) -> bool {
        match self.session(link) {
            Some(_) => self.marks.is_set(link.session),
            None => true,
        }
    }

    /// Whether everything up to now was given and nothing is being read.
    pub(crate) fn is_current(&self, link: LinkKey) -> bool {
        !self.is_marked(link) && self.session(link).is_some_and(Session::is_current)
    }

    /// The session of a link that is still its own.
    pub(crate) fn session(&self, link: LinkKey) -> Option<&Session> {
        self.sessions
            .get(link.session)
            .filter(|session| session.link == Some(link.link))
    }

    /// How far everything was given to a stream that is there.
    pub(crate) fn cursor(&self, positions: &Positions) -> StreamCursor {
        self.settings.logs.stream_cursor(positions.iter())
    }

    /// Which logs the channels of a stream are in, if they are in several.
    pub(crate) fn epochs(&self, session: &Session) -> Option<BTreeMap<ChannelName, Epoch>> {
        let epoch = |(_, subscription): (usize, &Subscription)| {
            let channel = self.channels.channel(subscription.channel);
            let epoch = self.settings.logs.epoch(channel.log);
            (channel.name.clone(), epoch.clone())
        };
        let are_several = session.positions.len() > 1;
        are_several.then(|| session.subscriptions.iter().map(epoch).collect())
    }

    // What the engine says.

    /// Messages were committed; whether somebody follows their channels.
    pub(crate) fn handle_batch(&mut self, batch: &Batch) -> bool {
        let mark = |follower: Follower| self.marks.set(follower.session as usize);
        let limits = &self.settings.limits;
        let heard = self.channels.handle_batch(batch, limits, mark);
        if heard.missed {
            self.mark_all();
        }
        self.release();
        heard.has_followers
    }

    /// A signal, a join or a leave.
    pub(crate) fn handle_passing(&mut self, event: Arc<Encoded>) {
        let Self {
            marks,
            steps,
            sessions,
            ..
        } = self;
        let mark = |follower: Follower| {
            let key = follower.session as usize;
            if let Some(position) = steps.end(key) {
                sessions[key].positions.set_only(position);
            }
            marks.set(key);
        };
        let limits = &self.settings.limits;
        self.channels.handle_passing(event, limits, mark);
    }

    /// Notices were missed; `heads` are the engine's, read after that was known.
    pub(crate) fn handle_lag(&mut self, heads: &Heads) {
        for (log, head) in heads.iter() {
            self.channels.forget(log, head);
        }
        self.mark_all();
        self.release();
    }

    /// The answer to a command; whoever does not wait for it any more is not told.
    pub(crate) fn handle_answer(&mut self, ask: Ask, answer: Answered) {
        let Some(session) = self.sessions.get_mut(ask.session) else {
            return;
        };
        let was_waited_for = match answer {
            Answered::Reached(head) => self.with(ask.session, |session, world| {
                session.handle_reached(ask, head, world)
            }),
            answer => session.handle_answer(ask, answer),
        };
        if was_waited_for {
            self.mark(ask.session);
        }
    }

    /// A page was read, for whoever still waits for it.
    pub(crate) fn handle_page(&mut self, query: &Query, page: Result<Page, EngineError>) {
        let logs = &self.settings.logs;
        let epoch = logs.epoch(logs.of(&query.channel));
        let page = page.map(|page| Rc::new(Recovered::new(query, page, epoch)));
        if let (Ok(page), Some(after)) = (&page, query.after) {
            let limits = &self.settings.limits;
            self.channels.keep(&query.channel, after, page, limits);
        }
        for ask in self.effects.end_read(query) {
            if self.sessions.contains(ask.session)
                && self.with(ask.session, |session, world| {
                    session.handle_page(ask, &page, world)
                })
            {
                self.mark(ask.session);
            }
        }
    }

    /// Whether nobody waits for a read any longer, which then is over.
    pub(crate) fn gives_up(&mut self, query: &Query) -> bool {
        let asks = self.effects.waiting(query);
        let wanted = asks.iter().any(|ask| {
            let session = self.sessions.get(ask.session);
            session.is_some_and(|session| session.waiting(*ask).is_some())
        });
        if !wanted {
            self.effects.end_read(query);
        }
        !wanted
    }

    /// Marks the streams whose "now" has been heard of.
    fn release(&mut self) {
        let mut awaiting = std::mem::take(&mut self.awaiting);
        awaiting.retain(|Awaited { log, seq, link }| {
            let is_heard = *seq <= self.channels.watermark(*log);
            if is_heard && let Some(session) = self.attached(*link) {
                session.awaits -= 1;
                self.mark(link.session);
            }
            !is_heard
        });
        self.awaiting = awaiting;
    }

    fn mark(&mut self, key: usize) {
        self.fall_out(key);
        self.marks.set(key);
    }

    fn mark_all(&mut self) {
        let keys: Vec<_> = self.sessions.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.mark(key));
    }

    // Time, and what the shell takes.

    /// Ends the sessions whose token, and the leases and graces whose time, is over.
    pub(crate) fn handle_tick(&mut self, moment: &Moment) {
        while let Some(entry) = self.graces.next_over(moment.tick) {
            self.effects.push(Effect::Leave(entry));
        }
        while let Some(Reverse((at, key, connection))) = self.deadlines.peek().copied() {
            if at > moment.tick {
                return;
            }
            self.deadlines.pop();
            let session = self.sessions.get_mut(key);
            let Some(session) = session.filter(|session| session.connection == connection) else {
                continue;
            };
            session.watched = false;
            if session
                .deadline
                .is_none_or(|deadline| deadline > moment.tick)
            {
                self.watch_deadline(key);
            } else if session.link.is_none() {
                // The lease was its time to come back.
                self.remove(key, Departure::Meant, moment);
            } else {
                let reason = "the token is too old; connect again with a new one".to_owned();
                session.ending = Ending::Soon(Code::TokenExpired, reason);
                self.mark(key);
            }
        }
    }

    fn watch_deadline(&mut self, key: usize) {
        let session = &mut self.sessions[key];
        let (Some(deadline), false) = (session.deadline, session.watched) else {
            return;
        };
        session.watched = true;
        self.deadlines
            .push(Reverse((deadline, key, session.connection)));
    }

    /// Ends all sessions, and all graces.
    pub(crate) fn end(&mut self, moment: &Moment) {
        let keys: Vec<_> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.remove(key, Departure::Meant, moment);
        }
        while let Some(entry) = self.graces.next_over(u64::MAX) {
            self.effects.push(Effect::Leave(entry));
        }
    }

    /// Walks through everything, and adds what the shell has counted.
    pub(crate) fn census(&self, lags: Histogram, missed: u64) -> Census {
        let sessions = self.sessions.iter();
        let is_behind = |(key, session): &(usize, &Session)| {
            let waits = self.marks.is_set(*key) && session.link.is_some();
            let follows = !session.subscriptions.is_empty();
            follows && (waits || session.has_more_to_give())
        };
        let subscriptions = sessions.clone().map(|(_, it)| it.subscriptions.len());
        Census {
            sessions: self.sessions.len(),
            subscriptions: subscriptions.sum(),
            channels: self.channels.len(),
            followers_behind: sessions.filter(is_behind).count(),
            tail_bytes: self.channels.tail_bytes(),
            lags,
            missed,
        }
    }

    /// What the shell is to do, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.take()
    }

    /// The places of the sessions that are to be woken, each once; into `woken`.
    pub(crate) fn take_marked(&mut self, woken: &mut Vec<u32>) {
        self.marks.take_woken(woken);
    }
}

#[cfg(test)]
impl Fanout {
    /// The channels of a session's main lanes.
    pub(crate) fn live_channels(&self, session: &Session) -> Vec<ChannelName> {
        let subscriptions = session.subscriptions.iter().map(|(_, it)| it);
        subscriptions
            .filter(|subscription| subscription.own.is_none())
            .map(|subscription| self.channels.channel(subscription.channel).name.clone())
            .collect()
    }

    /// Up to where the client of a link has been given its main lanes.
    pub(crate) fn positions(&self, link: LinkKey) -> Positions {
        let session = self.session(link).expect("it is attached");
        let mut positions = session.positions.clone();
        if let Some((_, position)) = self.steps.get(link.session) {
            positions.set_only(position);
        }
        positions
    }

    /// Where a session is seen, and as whom.
    pub(crate) fn present(&self, session: &Session) -> Vec<(ChannelName, User)> {
        let entered = session.subscriptions.iter().filter(|(_, it)| it.entered);
        let name = |channel: usize| self.channels.channel(channel).name.clone();
        let user = session.user();
        entered
            .filter_map(|(_, it)| Some((name(it.channel), user?.clone())))
            .collect()
    }

    /// The connections by which a user is there now, leases apart.
    pub(crate) fn connections_in(&self, channel: &ChannelName, user: &User) -> Vec<u64> {
        let attached = self.sessions.iter().map(|(_, it)| it);
        let attached = attached.filter(|it| it.link.is_some() && it.user() == Some(user));
        let is_in = |session: &&Session| {
            let mut places = self.present(session).into_iter();
            places.any(|(place, _)| place == *channel)
        };
        attached.filter(is_in).map(|it| it.connection).collect()
    }

    /// Nothing is left of anybody.
    pub(crate) fn check_empty(&self) {
        assert_eq!(self.sessions.len(), 0, "sessions are left");
        assert!(self.channels.is_empty(), "channels are left");
        assert_eq!(self.leases.len(), 0, "leases are left");
        assert_eq!(self.graces.len(), 0, "graces are left");
    }
}

/// What came over a framed link.
pub(crate) enum Said {
    /// A command that needs nothing but the session.
    Request(Request),
    /// The first one, and what its token proves.
    Hello(Option<u64>, Result<Identity, Refusal>),
    /// A new token, and what it proves.
    Refresh(Option<u64>, Result<Identity, Refusal>),
    /// No command.
    Nonsense(RequestError),
}
