//! Shards, an engine and transports in one thread, on virtual time.
//!
//! The shells are played here: effects are carried out late, answers come later, notices are heard in
//! clumps, too late, or not at all. What the pure part asks for is done as `shard.rs` and `link.rs`
//! do it; above all a session is served only when its mark woke it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use tidings_engine::{
    Batch, DEDUP_WINDOW, Draft, Engine, EngineError, ManualClock, MemoryEngine, Notice, Page,
    Query, Retention, RetentionPolicies, Watch,
};
use tidings_testkit::{Line, Timeline, Weather};
use tidings_wire::{
    ChannelName, Command, Cursor, Data, Event, Heartbeat, MessageId, Reply, ReplyBody, Request,
    User,
};

use super::client::{Client, Shape};
use super::truth::Truth;
use crate::effect::{Answered, Ask, Effect};
use crate::fanout::{Fanout, Fresh, LinkKey, Said};
use crate::room::{Push, Room};
use crate::session::{Moment, Settings};
use crate::{Auth, Identity, Limits, NamespacePolicies, StreamRequest};

/// What is planned.
pub(super) enum Plan {
    /// A shard hears the engine.
    Hear(usize),
    /// The shell does something for a shard.
    CarryOut(usize, Effect),
    /// The shell brings an answer back.
    Bring(usize, Ask, Answered),
    BringPage(usize, Query, Page),
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

/// What a client says.
pub(super) enum Up {
    Open { after: Option<Cursor>, lost: bool },
    Request(Request),
}

/// What a transport says.
pub(super) enum Down {
    /// A poll's answer; `start` is for the tests alone.
    Answer {
        start: u64,
        lost: bool,
        cursor: Cursor,
        pushes: Vec<Push>,
        truncated: bool,
    },
    /// A stream begins.
    Opened {
        start: u64,
        lost: bool,
    },
    Pushes(Vec<Push>),
}

/// A transport's connection; its number is never used again.
struct Connection {
    client: usize,
    shard: usize,
    link: Option<LinkKey>,
    up: Line,
    down: Line,
    start: u64,
    lost: bool,
    /// A poll is answered at the latest at this time, and with at most so many events.
    answer_by: u64,
    limit: usize,
    /// Streams: bytes that may be unsent, that are, and that a millisecond takes.
    high_water: usize,
    unsent: usize,
    pace: usize,
    /// Framed: channels whose `subscribed` is awaited, by request, with a cursor that means nothing.
    subscribes: Vec<(u64, ChannelName, bool)>,
    requests: u64,
    is_greeted: bool,
}

struct ShardPlay {
    fanout: Fanout,
    watch: Watch,
    /// By session: which connection its link belongs to.
    connections: Vec<Option<usize>>,
}

/// See the module.
pub(super) struct World {
    rng: Rng,
    pub(super) timeline: Timeline<Plan>,
    clock: Arc<ManualClock>,
    engine: Arc<MemoryEngine>,
    shards: Vec<ShardPlay>,
    connections: Vec<Connection>,
    pub(super) clients: Vec<Client>,
    pub(super) truth: Truth,
    channels: Vec<ChannelName>,
    /// While faults happen.
    rough: bool,
    made: u64,
}

/// Where the engine's clock starts, in milliseconds since the Unix epoch.
const BEGINNING: u64 = 1_700_000_000_000;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let channels =
            ["few:a", "few:b", "keep:c", "keep:d"].map(|name| ChannelName::new(name).unwrap());
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
        let engine = MemoryEngine::with_policies(clock.clone(), retention, DEDUP_WINDOW);
        let engine = Arc::new(engine);
        let limits = Limits {
            tail_events: *rng.choice([&0, &1, &3, &8, &512]).unwrap(),
            page_messages: rng.usize(4..16),
            passing_events: rng.usize(1..4),
            histories: rng.usize(1..4),
            lease: Duration::from_millis(500),
            ..Limits::default()
        };
        let mut world = Self {
            timeline: Timeline::default(),
            shards: Vec::new(),
            connections: Vec::new(),
            clients: Vec::new(),
            truth: Truth::default(),
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
        let settings = Settings {
            epoch: self.engine.epoch(),
            limits: limits.clone(),
            namespaces: NamespacePolicies::default(),
            heartbeat: Heartbeat {
                interval: 20_000,
                timeout: 5_000,
                tries: 2,
            },
        };
        self.timeline.plan(100, Plan::Tick(self.shards.len()));
        self.shards.push(ShardPlay {
            fanout: Fanout::new(settings, self.engine.head()),
            watch,
            connections: Vec::new(),
        });
    }

    /// One more client, which will connect soon.
    pub(super) fn add_client(&mut self, shape: Shape) {
        let number = self.clients.len();
        let count = self.rng.usize(1..=self.channels.len());
        let channels = self.rng.choose_multiple(self.channels.iter(), count);
        let channels: Vec<_> = channels.into_iter().cloned().collect();
        let mut client = Client::new(format!("{shape:?} {number}"), shape, &channels);
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

    fn plan(&mut self, delay: std::ops::Range<u64>, plan: Plan) {
        let at = self.timeline.now() + self.rng.u64(delay);
        self.timeline.plan(at, plan);
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(0..one_in) == 0
    }

    fn fault(&mut self, one_in: u32) -> bool {
        self.rough && self.chance(one_in)
    }

    fn weather(&self) -> Weather {
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
        let head = self.engine.head();
        self.clients
            .iter()
            .all(|client| client.has_all(&self.truth, head))
    }

    /// Every client must have everything now.
    pub(super) fn check_seen(&self) {
        let head = self.engine.head();
        let oldest = |channel: &ChannelName| self.read_oldest(channel);
        for client in &self.clients {
            client.check(&self.truth, head, oldest);
        }
    }

    /// When all have gone, nothing is left of them.
    pub(super) fn check_gone(mut self) {
        for connection in 0..self.connections.len() {
            self.detach(connection);
        }
        let moment = Moment {
            tick: self.timeline.now() + 1_000_000,
            ..self.moment()
        };
        for shard in 0..self.shards.len() {
            self.act(shard, |fanout| fanout.handle_tick(moment));
            self.shards[shard].fanout.check_empty();
        }
        while let Some(plan) = self.timeline.advance() {
            if let Plan::CarryOut(_, Effect::Leave(entry)) = plan {
                self.engine.leave(entry);
            }
        }
        for channel in &self.channels {
            let present = self.engine.present(channel.clone()).wait().unwrap();
            assert_eq!(present, [], "somebody is left in {channel}");
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
            Plan::Serve(connection) => self.serve(connection),
            Plan::Written(connection, bytes) => {
                self.connections[connection].unsent -= bytes;
                self.serve(connection);
            }
            Plan::Up(connection, up) => self.arrives_up(connection, up),
            Plan::Down(connection, down) => self.arrives_down(connection, down),
            Plan::ServerLoses(connection) => self.detach(connection),
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
                let moment = self.moment();
                self.act(shard, |fanout| fanout.handle_tick(moment));
                self.plan(100..101, Plan::Tick(shard));
            }
        }
    }

    fn any_channel(&mut self) -> ChannelName {
        let place = self.rng.usize(0..self.channels.len());
        self.channels[place].clone()
    }

    fn fresh_id(&mut self) -> MessageId {
        self.made += 1;
        MessageId::new(&format!("m{}", self.made)).unwrap()
    }

    fn moment(&self) -> Moment {
        Moment {
            at: BEGINNING + self.timeline.now(),
            tick: self.timeline.now(),
            head: self.engine.head(),
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
        };
        let published = self.engine.publish(draft).wait();
        self.truth.record(&channel, published.as_ref().unwrap());
        self.everybody_hears();
        Answered::Published(published)
    }

    fn everybody_hears(&mut self) {
        for shard in 0..self.shards.len() {
            self.plan(0..20, Plan::Hear(shard));
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
            let head = self.engine.head();
            match notice {
                _ if self.fault(40) => self.act(shard, |fanout| fanout.handle_lag(head)),
                Notice::Committed(batch) => {
                    let batch = self.next_batch(shard, batch);
                    self.act(shard, |fanout| fanout.handle_batch(&batch));
                }
                Notice::Passing(event) => self.act(shard, |fanout| fanout.handle_passing(event)),
                Notice::Lagged => self.act(shard, |fanout| fanout.handle_lag(head)),
            }
        }
        self.plan(0..5, Plan::Hear(shard));
    }

    /// The batch, or it and the next one in one, or the next one alone.
    fn next_batch(&mut self, shard: usize, batch: Arc<Batch>) -> Arc<Batch> {
        if !self.chance(3) {
            return batch;
        }
        match self.shards[shard].watch.try_next() {
            Some(Notice::Committed(next)) if self.fault(3) => next,
            Some(Notice::Committed(next)) => Arc::new(Batch {
                after: batch.after,
                events: batch.events.iter().chain(&next.events).cloned().collect(),
            }),
            Some(Notice::Passing(_)) | None => batch,
            Some(Notice::Lagged) => panic!("nobody lags by so much"),
        }
    }

    fn act<T>(&mut self, shard: usize, act: impl FnOnce(&mut Fanout) -> T) -> T {
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
            } => (ask, self.store(channel, from, data, id.unwrap())),
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
                let delay = if self.rough { 0..100 } else { 0..3 };
                return self.plan(delay, Plan::BringPage(shard, query, page));
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
                self.engine.enter(entry);
                return self.everybody_hears();
            }
            Effect::Leave(entry) => {
                self.engine.leave(entry);
                return self.everybody_hears();
            }
            Effect::Ended => return,
        };
        let delay = if self.rough { 0..100 } else { 0..3 };
        self.plan(delay, Plan::Bring(shard, ask, answer));
    }

    // The transports' part.

    fn identity(&self, client: usize) -> Identity {
        let token = format!("guest:user-{client}");
        Auth::Guests
            .verify(Some(&token), SystemTime::UNIX_EPOCH, 0)
            .unwrap()
    }

    fn open(&mut self, number: usize, after: Option<Cursor>, lost: bool) {
        let (client, shard) = (
            self.connections[number].client,
            self.connections[number].shard,
        );
        let identity = self.identity(client);
        let moment = self.moment();
        self.made += 1;
        let fresh = Fresh {
            id: MessageId::new(&format!("s{}", self.made)).unwrap(),
            connection: number as u64,
        };
        let (shape, session) = (
            self.clients[client].shape,
            self.clients[client].session.clone(),
        );
        let channels = self.clients[client].channels();
        let link = self.act(shard, |fanout| match shape {
            Shape::Framed => fanout.connect(Some(identity), fresh, moment),
            _ => {
                let request = StreamRequest {
                    channels,
                    after,
                    session,
                    presence: shape == Shape::Stream,
                };
                let link = fanout.stream(identity, request, fresh, moment);
                link.expect("guests may everything")
            }
        });
        let wait = if shape == Shape::LongPoll { 300 } else { 0 };
        let play = &mut self.shards[shard];
        if play.connections.len() <= link.session() {
            play.connections.resize(link.session() + 1, None);
        }
        // Whoever had the session is woken, to find that it has it no more.
        let before = play.connections[link.session()].replace(number);
        let start = play.fanout.session(link).unwrap().position;
        let connection = &mut self.connections[number];
        connection.link = Some(link);
        connection.start = start;
        connection.lost = lost;
        connection.answer_by = moment.tick + wait;
        if shape == Shape::Stream {
            self.send_down(number, Down::Opened { start, lost });
        }
        if let Some(before) = before {
            self.plan(0..3, Plan::Serve(before));
        }
        self.plan(wait..wait + 1, Plan::Serve(number));
        self.plan(0..3, Plan::Serve(number));
    }

    fn detach(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let shard = connection.shard;
        let Some(link) = connection.link.take() else {
            return;
        };
        let place = &mut self.shards[shard].connections[link.session()];
        if *place == Some(number) {
            *place = None;
        }
        let moment = self.moment();
        self.act(shard, |fanout| fanout.detach(link, moment));
    }

    fn serve(&mut self, number: usize) {
        let connection = &self.connections[number];
        let Some(link) = connection.link else {
            return;
        };
        let (shard, client) = (connection.shard, connection.client);
        let shape = self.clients[client].shape;
        let room = match shape.is_poll() {
            true => Room {
                bytes: 1 << 20,
                events: connection.limit,
            },
            false => Room {
                bytes: connection.high_water.saturating_sub(connection.unsent),
                events: usize::MAX,
            },
        };
        let fanout = &self.shards[shard].fanout;
        let is_due = self.timeline.now() >= connection.answer_by;
        if room.bytes == 0 || !(fanout.is_marked(link) || (shape.is_poll() && is_due)) {
            return;
        }
        let mut pushes = Vec::new();
        let live = self.live_channels(shard, link);
        self.act(shard, |fanout| fanout.poll(link, room, &mut pushes));
        let closed = matches!(pushes.last(), Some(Push::Close { .. }));
        if closed {
            return self.detach(number);
        }
        self.check_live(shard, link, &live, &pushes);
        if shape.is_poll() {
            return self.answer_poll(number, link, pushes, is_due);
        }
        if pushes.is_empty() {
            return;
        }
        let weight: usize = pushes.iter().map(weight).sum();
        let connection = &mut self.connections[number];
        connection.unsent += weight;
        let pace = if self.rough { connection.pace } else { 100 };
        let written = self.timeline.now() + (weight / pace) as u64;
        self.timeline.plan(written, Plan::Written(number, weight));
        self.send_down(number, Down::Pushes(pushes));
    }

    fn answer_poll(&mut self, number: usize, link: LinkKey, pushes: Vec<Push>, is_due: bool) {
        let connection = &self.connections[number];
        let fanout = &self.shards[connection.shard].fanout;
        let wait_is_over = is_due && fanout.is_current(link);
        if pushes.is_empty() && !wait_is_over {
            return;
        }
        let session = fanout.session(link).unwrap();
        let answer = Down::Answer {
            start: connection.start,
            lost: connection.lost,
            cursor: fanout.cursor(session),
            pushes,
            truncated: session.truncated,
        };
        self.send_down(number, answer);
        self.detach(number);
    }

    /// The channels of the main lane, and where it is.
    fn live_channels(&self, shard: usize, link: LinkKey) -> (Vec<ChannelName>, u64) {
        let fanout = &self.shards[shard].fanout;
        match fanout.session(link) {
            Some(session) => (fanout.live_channels(session), session.position),
            None => (Vec::new(), 0),
        }
    }

    /// What is live comes in the order of `seq`, behind where the lane was and up to where it is.
    fn check_live(
        &self,
        shard: usize,
        link: LinkKey,
        (live, before): &(Vec<ChannelName>, u64),
        pushes: &[Push],
    ) {
        let after = self.shards[shard].fanout.session(link).unwrap().position;
        let mut last = *before;
        assert!(last <= after, "a position went back");
        for push in pushes {
            if let Push::Event(event) = push
                && let Some(seq) = event.seq()
                && live.contains(event.event().channel())
            {
                assert!(
                    last < seq && seq <= after,
                    "{seq} after {last}, up to {after}"
                );
                last = seq;
            }
        }
    }

    fn send_down(&mut self, number: usize, down: Down) {
        let (now, weather) = (self.timeline.now(), self.weather());
        let line = &mut self.connections[number].down;
        if let Some(at) = line.send(now, &weather, &mut self.rng) {
            self.timeline.plan(at, Plan::Down(number, down));
        }
    }

    fn send_up(&mut self, number: usize, up: Up) {
        let (now, weather) = (self.timeline.now(), self.weather());
        let line = &mut self.connections[number].up;
        if let Some(at) = line.send(now, &weather, &mut self.rng) {
            self.timeline.plan(at, Plan::Up(number, up));
        }
    }

    fn arrives_up(&mut self, number: usize, up: Up) {
        match up {
            Up::Open { after, lost } => self.open(number, after, lost),
            Up::Request(request) => {
                let connection = &self.connections[number];
                let (shard, moment) = (connection.shard, self.moment());
                if let Some(link) = connection.link {
                    self.act(shard, |fanout| {
                        fanout.handle(link, Said::Request(request), moment);
                    });
                }
            }
        }
    }

    /// Cuts some link; both ends find out, each in its time.
    fn cut(&mut self) {
        if !self.rough || self.connections.is_empty() {
            return;
        }
        // The newest are the ones that live.
        let newest = self
            .connections
            .len()
            .saturating_sub(2 * self.clients.len());
        let number = self.rng.usize(newest..self.connections.len());
        let now = self.timeline.now();
        self.connections[number].up.cut(now);
        self.connections[number].down.cut(now);
        self.plan(0..300, Plan::ServerLoses(number));
        self.plan(0..300, Plan::ClientLoses(number));
    }

    // The clients' part.

    fn connection(&mut self, client: usize) -> usize {
        let rng = &mut self.rng;
        self.connections.push(Connection {
            client,
            shard: rng.usize(0..self.shards.len()),
            link: None,
            up: Line::default(),
            down: Line::default(),
            start: 0,
            lost: false,
            answer_by: 0,
            limit: rng.usize(1..12),
            high_water: rng.usize(1..3000),
            unsent: 0,
            pace: *rng.choice([&1, &5, &50, &1000]).unwrap(),
            subscribes: Vec::new(),
            requests: 0,
            is_greeted: false,
        });
        self.connections.len() - 1
    }

    /// A client without a link makes one.
    fn reach(&mut self, number: usize) {
        if self.clients[number].link.is_some() {
            return;
        }
        let mut after = self.clients[number].cursor.clone();
        // Now and then the cursor is of a log that was there before.
        let lost = after.is_some() && self.fault(30);
        if lost {
            after = Some("before-7".parse().unwrap());
        }
        let connection = self.connection(number);
        // Now and then a request comes twice.
        if self.clients[number].shape.is_poll() && self.fault(8) {
            let twin = self.connection(number);
            let after = after.clone();
            self.send_up(twin, Up::Open { after, lost });
            self.plan(3000..3001, Plan::ServerLoses(twin));
        }
        self.clients[number].link = Some(connection);
        self.send_up(connection, Up::Open { after, lost });
        if self.clients[number].shape.is_poll() {
            // A poll that is not answered is given up.
            self.plan(1500..1501, Plan::ClientLoses(connection));
            self.plan(3000..3001, Plan::ServerLoses(connection));
        }
    }

    fn arrives_down(&mut self, number: usize, down: Down) {
        let client = self.connections[number].client;
        match down {
            Down::Opened { start, lost } => self.stream_starts(number, start, lost),
            Down::Answer {
                start,
                lost,
                cursor,
                pushes,
                truncated,
            } => {
                let told = pushes.iter().any(|push| match push {
                    Push::Event(event) => matches!(event.event(), Event::Truncated { .. }),
                    _ => false,
                });
                assert_eq!(told || lost, truncated, "the answer says what is in it");
                self.stream_starts(number, start, lost);
                self.take(number, pushes);
                if self.clients[client].link == Some(number) {
                    self.clients[client].cursor = Some(cursor);
                    self.clients[client].link = None;
                    self.plan(0..60, Plan::Reach(client));
                }
            }
            Down::Pushes(pushes) => self.take(number, pushes),
        }
    }

    fn stream_starts(&mut self, number: usize, start: u64, lost: bool) {
        let client = &mut self.clients[self.connections[number].client];
        for channel in client.channels() {
            client.starts(number, &channel, start, lost);
        }
        // Who has begun already, and hears this from an old link, knows better.
        let current = client.link == Some(number);
        if current && (client.cursor.is_none() || lost) {
            client.cursor = Some(Cursor {
                epoch: self.engine.epoch(),
                seq: start,
            });
        }
    }

    fn take(&mut self, number: usize, pushes: Vec<Push>) {
        for push in pushes {
            match push {
                Push::Event(event) => {
                    let client = self.connections[number].client;
                    self.clients[client].takes(number, event.event(), &self.truth);
                }
                Push::Reply(reply) => self.take_reply(number, reply),
                Push::Close { .. } => unreachable!("the transport keeps it"),
            }
        }
    }

    fn take_reply(&mut self, number: usize, reply: Reply) {
        let client = self.connections[number].client;
        match reply.body {
            ReplyBody::Hello { .. } if self.clients[client].link == Some(number) => {
                self.connections[number].is_greeted = true;
                for channel in self.clients[client].channels() {
                    self.subscribe(number, channel);
                }
                for (id, channel) in self.clients[client].outbox.clone() {
                    self.publish(number, channel, id);
                }
            }
            ReplyBody::Subscribed {
                channel, cursor, ..
            } => {
                let awaited = &mut self.connections[number].subscribes;
                let place = awaited.iter().position(|(req, ..)| Some(*req) == reply.req);
                let (_, _, lost) = awaited.remove(place.expect("it was asked"));
                self.clients[client].starts(number, &channel, cursor.seq, lost);
            }
            ReplyBody::Published { seq, id, .. } => {
                self.truth.check_ack(&id, seq);
                self.clients[client].outbox.remove(&id);
            }
            ReplyBody::Error { code, .. } => assert!(code.is_transient(), "{code}"),
            _ => {}
        }
    }

    fn request(&mut self, number: usize, command: Command) -> u64 {
        let connection = &mut self.connections[number];
        connection.requests += 1;
        let req = connection.requests;
        let request = Request {
            req: Some(req),
            command,
        };
        self.send_up(number, Up::Request(request));
        req
    }

    fn subscribe(&mut self, number: usize, channel: ChannelName) {
        let client = self.connections[number].client;
        let view = &self.clients[client].views[&channel];
        let last = view.start.map(|_| view.last);
        let lost = last.is_some() && self.fault(30);
        let after = match lost {
            true => Some("before-7".parse().unwrap()),
            false => last.map(|seq| Cursor {
                epoch: self.engine.epoch(),
                seq,
            }),
        };
        let history = (after.is_none() && self.chance(2)).then(|| self.rng.u32(1..6));
        let command = Command::Subscribe {
            channel: channel.clone(),
            after,
            history,
        };
        let req = self.request(number, command);
        let awaited = &mut self.connections[number].subscribes;
        awaited.push((req, channel, lost));
    }

    fn publish(&mut self, number: usize, channel: ChannelName, id: MessageId) {
        let command = Command::Publish {
            channel,
            data: Data::from_text("hi"),
            id: Some(id),
        };
        self.request(number, command);
    }

    /// Publishes, publishes again what is not acknowledged, signals, or follows anew.
    fn client_acts(&mut self, number: usize) {
        self.plan(20..200, Plan::Act(number));
        let Some(link) = self.clients[number].link else {
            return;
        };
        let channel = self.any_channel();
        match self.rng.u32(0..6) {
            0 if self.rough => {
                let id = self.fresh_id();
                let outbox = &mut self.clients[number].outbox;
                outbox.insert(id.clone(), channel.clone());
                self.publish(link, channel, id);
            }
            1 if self.rough => {
                let text = self.fresh_id().to_string();
                let data = Data::from_text(&text);
                self.request(link, Command::Signal { channel, data });
            }
            2 if self.rough
                && self.clients[number].views.contains_key(&channel)
                && self.connections[link].is_greeted
                && self.connections[link].subscribes.is_empty() =>
            {
                let command = Command::Unsubscribe {
                    channel: channel.clone(),
                };
                self.request(link, command);
                self.subscribe(link, channel);
            }
            _ => {
                let first = self.clients[number].outbox.iter().next();
                if let Some((id, channel)) = first.map(|(id, it)| (id.clone(), it.clone())) {
                    self.publish(link, channel, id);
                }
            }
        }
    }
}

fn weight(push: &Push) -> usize {
    match push {
        Push::Event(event) => event.weight(),
        _ => 200,
    }
}
