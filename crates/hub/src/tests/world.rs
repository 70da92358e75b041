//! Shards, an engine and transports in one thread, on virtual time.
//!
//! The shells are played here: effects are carried out late, answers come later, notices are heard in
//! clumps, too late, or not at all. What the pure part asks for is done as `shard.rs` and `link.rs`
//! do it; above all a session is served only when its mark woke it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tidings_engine::{
    Batch, DEDUP_WINDOW, Draft, Engine, EngineError, ManualClock, MemoryEngine, Notice, Page,
    Query, Retention, RetentionPolicies, Watch,
};
use tidings_testkit::{Timeline, Weather};
use tidings_wire::{ChannelName, Data, Heartbeat, MessageId, User};

use super::client::{Client, Shape};
use super::presence::Watcher;
use super::transports::{Connection, Down, Up};
use super::truth::Truth;
use crate::effect::{Answered, Ask, Effect};
use crate::fanout::Fanout;
use crate::grace::Departure;
use crate::logs::{Heads, Logs};
use crate::session::{Moment, Settings};
use crate::{Behind, Limits, NamespacePolicies, NamespacePolicy};

/// What is planned.
pub(super) enum Plan {
    /// A shard hears the engine.
    Hear(usize),
    /// The shell does something for a shard.
    CarryOut(usize, Effect),
    /// The shell brings an answer back.
    Bring(usize, Ask, Answered),
    BringPage(usize, Query, Page),
    /// It is known, or not, how far the logs go that a stream is to read.
    Begin(usize, bool),
    /// A transport was woken, or its poll's wait is over.
    Serve(usize),
    /// A transport has written so many bytes.
    Written(usize, usize),
    /// Bytes arrive.
    Up(usize, Up),
    Down(usize, Down),
    /// The server, or the client, finds out that a link is dead.
    ServerLoses(usize),
    ClientLoses(usize),
    /// A client connects, or polls, if it has no link.
    Reach(usize),
    /// A client does something over its framed link.
    Act(usize),
    /// Somebody publishes or signals by HTTP.
    Publish,
    Signal,
    /// A link is cut.
    Cut,
    /// A shard looks at the clock.
    Tick(usize),
}

/// A shard without its shell.
pub(super) struct ShardPlay {
    pub(super) fanout: Fanout,
    watch: Watch,
    /// By log, what is known to be committed where it is: as if each shard were a node of a cluster.
    known: Vec<u64>,
    /// By session: which connection its link belongs to.
    pub(super) connections: Vec<Option<usize>>,
}

/// See the module.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) timeline: Timeline<Plan>,
    clock: Arc<ManualClock>,
    pub(super) engine: Arc<MemoryEngine>,
    pub(super) shards: Vec<ShardPlay>,
    pub(super) connections: Vec<Connection>,
    pub(super) clients: Vec<Client>,
    pub(super) truth: Truth,
    pub(super) watcher: Watcher,
    channels: Vec<ChannelName>,
    /// While faults happen.
    pub(super) rough: bool,
    pub(super) made: u64,
}

/// Where the engine's clock starts, in milliseconds since the Unix epoch.
const BEGINNING: u64 = 1_700_000_000_000;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Where there are several logs, their order is not that of the names.
        let channels = ["few:c", "few:e", "keep:c", "keep:h", "now:e"]
            .map(|name| ChannelName::new(name).unwrap());
        let few = Retention {
            messages: Some(rng.u64(2..12)),
            age: None,
            bytes: None,
        };
        let retention = RetentionPolicies {
            default: Retention::default(),
            namespaces: [("few".to_owned(), few)].into(),
        };
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let logs = *rng.choice([&1, &3]).unwrap();
        let engine = MemoryEngine::with_logs(logs, clock.clone(), retention, DEDUP_WINDOW);
        let engine = Arc::new(engine);
        let limits = Limits {
            tail_events: *rng.choice([&0, &1, &3, &8, &512]).unwrap(),
            page_messages: rng.usize(4..16),
            passing_events: rng.usize(1..4),
            histories: rng.usize(1..4),
            lease: Duration::from_millis(500),
            presence_grace: Duration::from_millis(*rng.choice([&0, &50, &300, &2000]).unwrap()),
            ..Limits::default()
        };
        let mut world = Self {
            timeline: Timeline::default(),
            shards: Vec::new(),
            connections: Vec::new(),
            clients: Vec::new(),
            truth: Truth::default(),
            watcher: Watcher::new(&engine, &limits),
            channels: channels.to_vec(),
            rough: true,
            made: 0,
            rng,
            clock,
            engine,
        };
        for _ in 0..world.rng.usize(1..3) {
            world.start_shard(&limits);
        }
        world
    }

    fn start_shard(&mut self, limits: &Limits) {
        let watch = self.engine.watch();
        let newest = NamespacePolicy {
            behind: Behind::Newest,
            ..NamespacePolicy::default()
        };
        let engine = self.engine.clone();
        let settings = Settings {
            logs: Logs::new(self.engine.epochs(), move |it| engine.log_of(it)),
            limits: limits.clone(),
            namespaces: NamespacePolicies {
                namespaces: [("now".to_owned(), newest)].into(),
                ..NamespacePolicies::default()
            },
            heartbeat: Heartbeat {
                interval: 20_000,
                timeout: 5_000,
                tries: 2,
            },
        };
        self.timeline.plan(100, Plan::Tick(self.shards.len()));
        self.shards.push(ShardPlay {
            fanout: Fanout::new(settings, &self.heads()),
            watch,
            known: self.heads().all().to_vec(),
            connections: Vec::new(),
        });
    }

    /// One more client, which will connect soon.
    pub(super) fn add_client(&mut self, shape: Shape) {
        let number = self.clients.len();
        let count = self.rng.usize(1..=self.channels.len());
        let channels = self.rng.choose_multiple(self.channels.iter(), count);
        let epochs = channels.into_iter().map(|channel| {
            let log = self.engine.log_of(channel);
            (channel.clone(), self.engine.epochs()[log].clone())
        });
        let epochs = epochs.collect();
        let mut client = Client::new(format!("{shape:?} {number}"), shape, epochs);
        // Leases are a shard's own: over two of them a session's signals may come twice.
        if shape.is_poll() && self.shards.len() == 1 && self.rng.bool() {
            client.session = Some(MessageId::new(&format!("tab-{number}")).unwrap());
        }
        self.clients.push(client);
        self.plan(0..100, Plan::Reach(number));
        if shape == Shape::Framed {
            self.plan(50..150, Plan::Act(number));
        }
    }

    pub(super) fn plan(&mut self, delay: std::ops::Range<u64>, plan: Plan) {
        let at = self.timeline.now() + self.rng.u64(delay);
        self.timeline.plan(at, plan);
    }

    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(0..one_in) == 0
    }

    pub(super) fn fault(&mut self, one_in: u32) -> bool {
        self.rough && self.chance(one_in)
    }

    pub(super) fn weather(&self) -> Weather {
        match self.rough {
            true => Weather::rough(),
            false => Weather::fair(),
        }
    }

    /// Plans faults, signals and messages from outside.
    pub(super) fn plan_traffic(&mut self, until: u64, messages: usize) {
        for _ in 0..messages {
            self.plan(0..until, Plan::Publish);
        }
        for _ in 0..messages / 4 {
            self.plan(0..until, Plan::Signal);
            self.plan(0..until, Plan::Cut);
        }
    }

    /// Whether things go wrong from now on.
    pub(super) fn set_rough(&mut self, rough: bool) {
        self.rough = rough;
    }

    /// Plays for so many milliseconds.
    pub(super) fn play(&mut self, duration: u64) {
        let until = self.timeline.now() + duration;
        while self.timeline.now() < until {
            let Some(plan) = self.timeline.advance() else {
                return;
            };
            self.clock.set(BEGINNING + self.timeline.now());
            self.step(plan);
        }
    }

    pub(super) fn has_all(&self) -> bool {
        let head = |channel: &ChannelName| self.head(channel);
        self.clients
            .iter()
            .all(|client| client.has_all(&self.truth, head))
    }

    /// Every client must have everything now.
    pub(super) fn check_seen(&self) {
        let head = |channel: &ChannelName| self.head(channel);
        let oldest = |channel: &ChannelName| self.read_oldest(channel);
        for client in &self.clients {
            client.check(&self.truth, head, oldest);
        }
    }

    /// When all have gone, nothing is left of them.
    pub(super) fn check_gone(mut self) {
        for connection in 0..self.connections.len() {
            self.detach(connection, Departure::Lost);
        }
        let moment = Moment {
            tick: self.timeline.now() + 1_000_000,
            ..self.moment(0)
        };
        for shard in 0..self.shards.len() {
            self.act(shard, |fanout| fanout.handle_tick(&moment));
            self.shards[shard].fanout.check_empty();
        }
        while let Some(plan) = self.timeline.advance() {
            if let Plan::CarryOut(_, Effect::Leave(entry)) = plan {
                self.engine.leave(entry);
            }
        }
        for channel in &self.channels {
            let present = self.engine.present(channel.clone()).wait().unwrap();
            assert_eq!(present.users, [], "somebody is left in {channel}");
        }
    }

    fn read_oldest(&self, channel: &ChannelName) -> u64 {
        let query = Query {
            channel: channel.clone(),
            after: None,
            before: None,
            limit: 1,
        };
        self.engine.read(query).wait().unwrap().oldest
    }

    fn step(&mut self, plan: Plan) {
        match plan {
            Plan::Hear(shard) => self.hear(shard),
            Plan::CarryOut(shard, effect) => self.carry_out(shard, effect),
            Plan::Bring(shard, ask, answer) => {
                self.act(shard, |fanout| fanout.handle_answer(ask, answer));
            }
            Plan::BringPage(shard, query, page) => {
                self.act(shard, |fanout| fanout.handle_page(&query, Ok(page)));
            }
            Plan::Begin(connection, is_known) => self.begin(connection, is_known),
            Plan::Serve(connection) => self.serve(connection),
            Plan::Written(connection, bytes) => {
                self.connections[connection].unsent -= bytes;
                self.serve(connection);
            }
            Plan::Up(connection, up) => self.arrives_up(connection, up),
            Plan::Down(connection, down) => self.arrives_down(connection, down),
            Plan::ServerLoses(connection) => self.detach(connection, Departure::Lost),
            Plan::ClientLoses(connection) => {
                let client = self.connections[connection].client;
                if self.clients[client].link == Some(connection) {
                    self.clients[client].link = None;
                    self.plan(0..200, Plan::Reach(client));
                }
            }
            Plan::Reach(client) => self.reach(client),
            Plan::Act(client) => self.client_acts(client),
            Plan::Publish => {
                let channel = self.any_channel();
                let id = self.fresh_id();
                let from = User::new("http").unwrap();
                self.store(channel, from, Data::from_text("hi"), id);
            }
            Plan::Signal => {
                let channel = self.any_channel();
                let text = self.fresh_id().to_string();
                let from = User::new("http").unwrap();
                self.engine.signal(channel, from, Data::from_text(&text));
                self.everybody_hears();
            }
            Plan::Cut => self.cut(),
            Plan::Tick(shard) => {
                let moment = self.moment(shard);
                self.act(shard, |fanout| fanout.handle_tick(&moment));
                if shard == 0 {
                    // Between two looks every shard has looked at the clock.
                    self.look_at_presence();
                }
                self.plan(100..101, Plan::Tick(shard));
            }
        }
    }

    pub(super) fn any_channel(&mut self) -> ChannelName {
        let place = self.rng.usize(0..self.channels.len());
        self.channels[place].clone()
    }

    pub(super) fn fresh_id(&mut self) -> MessageId {
        self.made += 1;
        MessageId::new(&format!("m{}", self.made)).unwrap()
    }

    /// What is committed at all.
    fn heads(&self) -> Heads {
        let logs = 0..self.engine.epochs().len();
        Heads::new(logs.map(|log| self.engine.head(log)))
    }

    fn head(&self, channel: &ChannelName) -> u64 {
        self.engine.head(self.engine.log_of(channel))
    }

    /// As it is for a shard, which learns now and then what is committed.
    pub(super) fn moment(&mut self, shard: usize) -> Moment {
        if !self.fault(2) {
            self.knows_all(shard);
        }
        Moment {
            at: BEGINNING + self.timeline.now(),
            tick: self.timeline.now(),
            heads: Heads::new(self.shards[shard].known.iter().copied()),
        }
    }

    /// A shard has learnt everything that is committed.
    pub(super) fn knows_all(&mut self, shard: usize) {
        self.shards[shard].known = self.heads().all().to_vec();
    }

    /// Whatever is told to a shard is known there.
    fn knows(&mut self, shard: usize, log: usize, seq: u64) {
        let known = &mut self.shards[shard].known[log];
        *known = seq.max(*known);
    }

    /// Two shards of one node know the same.
    pub(super) fn share_known(&mut self, from: usize, to: usize) {
        for (log, seq) in self.shards[from].known.clone().into_iter().enumerate() {
            self.knows(to, log, seq);
        }
    }

    // The shells' part.

    fn store(&mut self, channel: ChannelName, from: User, data: Data, id: MessageId) -> Answered {
        if self.fault(10) {
            return Answered::Published(Err(EngineError::Busy));
        }
        let draft = Draft {
            channel: channel.clone(),
            id,
            from,
            data,
            at: None,
        };
        let published = self.engine.publish(draft).wait();
        self.truth.record(&channel, published.as_ref().unwrap());
        self.everybody_hears();
        Answered::Published(published)
    }

    fn everybody_hears(&mut self) {
        self.watch_presence();
        for shard in 0..self.shards.len() {
            self.plan(0..20, Plan::Hear(shard));
        }
    }

    /// A shard hears everything that there is to hear, as it does before it goes on with a session that has
    /// heard it elsewhere.
    pub(super) fn hear_all(&mut self, shard: usize) {
        while let Some(notice) = self.shards[shard].watch.try_next() {
            match notice {
                Notice::Committed(batch) => {
                    self.knows(shard, batch.log, batch.head());
                    self.act(shard, |fanout| fanout.handle_batch(&batch));
                }
                Notice::Passing(event) => self.act(shard, |fanout| fanout.handle_passing(event)),
                Notice::Lagged => panic!("nobody lags by so much"),
            }
        }
    }

    /// As the pump does, with everything that can happen to notices.
    fn hear(&mut self, shard: usize) {
        let mut count = self.rng.usize(1..6);
        while count > 0 {
            count -= 1;
            let Some(notice) = self.shards[shard].watch.try_next() else {
                return;
            };
            match notice {
                _ if self.fault(40) => self.lag(shard),
                Notice::Committed(batch) => {
                    let batch = self.next_batch(shard, batch);
                    self.knows(shard, batch.log, batch.head());
                    self.act(shard, |fanout| fanout.handle_batch(&batch));
                }
                Notice::Passing(event) => self.act(shard, |fanout| fanout.handle_passing(event)),
                Notice::Lagged => self.lag(shard),
            }
        }
        self.plan(0..5, Plan::Hear(shard));
    }

    fn lag(&mut self, shard: usize) {
        self.knows_all(shard);
        let heads = self.heads();
        self.act(shard, |fanout| fanout.handle_lag(&heads));
    }

    /// The batch, or it and the next one in one, or the next one of its log alone.
    fn next_batch(&mut self, shard: usize, batch: Arc<Batch>) -> Arc<Batch> {
        if !self.chance(3) {
            return batch;
        }
        match self.shards[shard].watch.try_next() {
            Some(Notice::Committed(next)) if next.log != batch.log => {
                self.knows(shard, batch.log, batch.head());
                self.act(shard, |fanout| fanout.handle_batch(&batch));
                next
            }
            Some(Notice::Committed(next)) if self.fault(3) => next,
            Some(Notice::Committed(next)) => Arc::new(Batch {
                log: batch.log,
                after: batch.after,
                events: batch.events.iter().chain(&next.events).cloned().collect(),
            }),
            Some(Notice::Passing(_)) | None => batch,
            Some(Notice::Lagged) => panic!("nobody lags by so much"),
        }
    }

    pub(super) fn act<T>(&mut self, shard: usize, act: impl FnOnce(&mut Fanout) -> T) -> T {
        let result = act(&mut self.shards[shard].fanout);
        for effect in self.shards[shard].fanout.take_effects() {
            let delay = match effect {
                // The order of these matters, and the shell keeps it.
                Effect::Enter(_) | Effect::Leave(_) | Effect::Ended | Effect::Signal { .. } => 0..1,
                _ => 0..if self.rough { 60 } else { 3 },
            };
            self.plan(delay, Plan::CarryOut(shard, effect));
        }
        let mut woken = Vec::new();
        self.shards[shard].fanout.take_marked(&mut woken);
        for session in woken {
            let play = &self.shards[shard];
            if let Some(Some(connection)) = play.connections.get(session as usize).copied() {
                self.plan(0..3, Plan::Serve(connection));
            }
        }
        result
    }

    fn carry_out(&mut self, shard: usize, effect: Effect) {
        let (ask, answer) = match effect {
            Effect::Publish {
                ask,
                channel,
                from,
                data,
                id,
            } => {
                let log = self.engine.log_of(&channel);
                let answer = self.store(channel, from, data, id.unwrap());
                self.knows(shard, log, self.engine.head(log));
                (ask, answer)
            }
            Effect::Read { query } if self.fault(10) => {
                // It failed for now: again after a pause, if somebody still wants it.
                if !self.shards[shard].fanout.gives_up(&query) {
                    let again = Plan::CarryOut(shard, Effect::Read { query });
                    self.plan(20..50, again);
                }
                return;
            }
            Effect::Read { query } => {
                let page = self.engine.read(query.clone()).wait().unwrap();
                self.knows(shard, self.engine.log_of(&query.channel), page.head);
                let delay = if self.rough { 0..100 } else { 0..3 };
                return self.plan(delay, Plan::BringPage(shard, query, page));
            }
            Effect::Reach { ask, .. } if self.fault(10) => {
                (ask, Answered::Reached(Err(EngineError::Busy)))
            }
            Effect::Reach { ask, log, .. } => {
                let head = self.engine.head(log);
                self.knows(shard, log, head);
                (ask, Answered::Reached(Ok(head)))
            }
            Effect::History { ask, query } => {
                (ask, Answered::History(self.engine.read(query).wait()))
            }
            Effect::Presence { ask, channel } => {
                (ask, Answered::Present(self.engine.present(channel).wait()))
            }
            Effect::Signal {
                channel,
                from,
                data,
            } => {
                self.engine.signal(channel, from, data);
                return self.everybody_hears();
            }
            Effect::Enter(entry) => {
                self.watcher.enters(&entry);
                self.engine.enter(entry);
                return self.everybody_hears();
            }
            Effect::Leave(entry) => {
                self.watcher.leaves(&entry);
                self.engine.leave(entry);
                return self.everybody_hears();
            }
            Effect::Ended => return,
        };
        let delay = if self.rough { 0..100 } else { 0..3 };
        self.plan(delay, Plan::Bring(shard, ask, answer));
    }
}
