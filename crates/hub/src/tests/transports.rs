//! The transports of the virtual world: a connection is opened, served when its session is marked,
//! and gone when a line is cut.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tidings_engine::Engine;
use tidings_testkit::Line;
use tidings_wire::{ChannelName, MessageId, Request, StreamCursor};

use super::client::Shape;
use super::world::{Plan, World};
use crate::fanout::{Arrival, Fresh, LinkKey, Said};
use crate::grace::Departure;
use crate::logs::Positions;
use crate::room::{Push, Room};
use crate::{Auth, Identity, StreamRequest};

/// What a client says.
pub(super) enum Up {
    Open {
        after: Option<StreamCursor>,
    },
    Request(Request),
    /// A client closes its framed link in order.
    Close,
}

/// What a transport says.
pub(super) enum Down {
    /// A poll's answer; `start` is for the tests alone.
    Answer {
        start: Start,
        cursor: StreamCursor,
        pushes: Vec<Push>,
        truncated: bool,
    },
    /// A stream begins.
    Opened(Start),
    Pushes(Vec<Push>),
}

/// Where a stream starts, and what it was asked to.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) cursor: StreamCursor,
    pub(super) asked: Option<StreamCursor>,
}

/// A transport's connection; its number is never used again.
pub(super) struct Connection {
    pub(super) client: usize,
    pub(super) shard: usize,
    pub(super) link: Option<LinkKey>,
    pub(super) up: Line,
    pub(super) down: Line,
    /// A request whose cursor is still to be judged.
    pub(super) arrival: Option<Arrival>,
    pub(super) asked: Option<StreamCursor>,
    pub(super) start: Option<Start>,
    /// A poll is answered at the latest at this time, and with at most so many events.
    pub(super) answer_by: u64,
    pub(super) limit: usize,
    /// Streams: bytes that may be unsent, that are, and that a millisecond takes.
    pub(super) high_water: usize,
    pub(super) unsent: usize,
    pub(super) pace: usize,
    /// Framed: channels whose `subscribed` is awaited, by request, with a cursor that means nothing.
    pub(super) subscribes: Vec<(u64, ChannelName, bool)>,
    pub(super) requests: u64,
    pub(super) is_greeted: bool,
}

impl World {
    fn identity(&self, client: usize) -> Identity {
        // Some have more than one client, over more than one transport.
        let token = format!("guest:user-{}", client % 5);
        Auth::Guests
            .verify(Some(&token), SystemTime::UNIX_EPOCH, 0)
            .unwrap()
    }

    fn open(&mut self, number: usize, after: Option<StreamCursor>) {
        let (client, shard) = (
            self.connections[number].client,
            self.connections[number].shard,
        );
        let identity = self.identity(client);
        let moment = self.moment(shard);
        let (shape, session) = (
            self.clients[client].shape,
            self.clients[client].session.clone(),
        );
        if shape == Shape::Framed {
            let fresh = self.fresh(number);
            let link = self.act(shard, |fanout| {
                fanout.connect(Some(identity), fresh, &moment)
            });
            return self.lead_on(number, link);
        }
        let request = StreamRequest {
            channels: self.clients[client].channels(),
            after: after.clone(),
            session,
            presence: shape == Shape::Stream,
        };
        let arrival = self.act(shard, |fanout| {
            fanout.arrive(identity, request, &moment.heads)
        });
        let arrival = arrival.expect("guests may everything");
        let is_beyond = !arrival.beyond.is_empty();
        let connection = &mut self.connections[number];
        connection.arrival = Some(arrival);
        connection.asked = after;
        if is_beyond {
            let is_known = !self.fault(10);
            return self.plan(0..60, Plan::Begin(number, is_known));
        }
        self.begin(number, true);
    }

    /// A stream begins, if its client is still there; or is refused, for nobody knows how far the logs go.
    pub(super) fn begin(&mut self, number: usize, is_known: bool) {
        let Some(arrival) = self.connections[number].arrival.take() else {
            return;
        };
        let shard = self.connections[number].shard;
        if !is_known {
            return self.plan(0..100, Plan::ClientLoses(number));
        }
        if !arrival.beyond.is_empty() {
            self.knows_all(shard);
        }
        let (moment, fresh) = (self.moment(shard), self.fresh(number));
        let link = self.act(shard, |fanout| fanout.stream(arrival, fresh, &moment));
        match link {
            Ok(link) => self.lead_on(number, link),
            // A later request of the same session has begun before.
            Err(_) => self.plan(0..100, Plan::ClientLoses(number)),
        }
    }

    fn fresh(&mut self, number: usize) -> Fresh {
        self.made += 1;
        Fresh {
            id: MessageId::new(&format!("s{}", self.made)).unwrap(),
            connection: number as u64,
        }
    }

    /// A connection's session has begun.
    fn lead_on(&mut self, number: usize, link: LinkKey) {
        let (client, shard) = (
            self.connections[number].client,
            self.connections[number].shard,
        );
        let shape = self.clients[client].shape;
        let wait = if shape == Shape::LongPoll { 300 } else { 0 };
        // Whoever had the session is woken, to find that it has it no more.
        let before = self.lead(link, shard, number);
        let fanout = &self.shards[shard].fanout;
        let start = Start {
            cursor: fanout.cursor(&fanout.session(link).unwrap().positions),
            asked: self.connections[number].asked.clone(),
        };
        let connection = &mut self.connections[number];
        connection.link = Some(link);
        connection.start = Some(start.clone());
        connection.answer_by = self.timeline.now() + wait;
        if shape == Shape::Stream {
            self.send_down(number, Down::Opened(start));
        }
        if let Some(before) = before {
            self.plan(0..3, Plan::Serve(before));
        }
        self.plan(wait..wait + 1, Plan::Serve(number));
        self.plan(0..3, Plan::Serve(number));
    }

    pub(super) fn detach(&mut self, number: usize, departure: Departure) {
        let now = self.timeline.now();
        let connection = &mut self.connections[number];
        let shard = connection.shard;
        connection.arrival = None;
        let Some(link) = connection.link.take() else {
            return;
        };
        if departure == Departure::Lost {
            self.watcher.loses(&self.shards[shard].fanout, link, now);
        }
        let place = &mut self.shards[shard].connections[link.session()];
        if *place == Some(number) {
            *place = None;
        }
        let moment = self.moment(shard);
        self.act(shard, |fanout| fanout.detach(link, departure, &moment));
    }

    /// Moves a framed link's session to the next shard, if it is in step.
    fn try_to_move(&mut self, number: usize) {
        let connection = &self.connections[number];
        let (from, to) = (connection.shard, (connection.shard + 1) % self.shards.len());
        let Some(link) = connection.link.filter(|_| connection.unsent == 0) else {
            return;
        };
        let Some(left) = self.act(from, |fanout| fanout.take(link)) else {
            return;
        };
        self.shards[from].connections[link.session()] = None;
        self.hear_all(to);
        self.share_known(from, to);
        let moment = self.moment(to);
        let link = self.act(to, |fanout| fanout.receive(left, &moment));
        self.lead(link, to, number);
        let connection = &mut self.connections[number];
        connection.link = Some(link);
        connection.shard = to;
        self.plan(0..3, Plan::Serve(number));
    }

    /// Whoever waits for the session of `link` is now this connection; who it was before.
    fn lead(&mut self, link: LinkKey, shard: usize, number: usize) -> Option<usize> {
        let connections = &mut self.shards[shard].connections;
        if connections.len() <= link.session() {
            connections.resize(link.session() + 1, None);
        }
        connections[link.session()].replace(number)
    }

    pub(super) fn serve(&mut self, number: usize) {
        let client = self.connections[number].client;
        if self.clients[client].shape == Shape::Framed && self.shards.len() > 1 && self.chance(8) {
            self.try_to_move(number);
        }
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
        if shape == Shape::Framed && self.chance(2) {
            // As whoever holds many does: those in step are given theirs without a poll, or refuse it.
            let refuses = self.chance(8);
            let in_step = self.act(shard, |fanout| {
                fanout.give_in_step(link.session(), room, |stretch| {
                    let events = stretch.events().iter().cloned();
                    pushes.extend(events.filter(|_| !refuses).map(Push::Event));
                    !refuses
                })
            });
            if in_step && refuses {
                return self.plan(0..3, Plan::Serve(number));
            }
            if !in_step {
                self.act(shard, |fanout| fanout.poll(link, room, &mut pushes));
            }
        } else {
            self.act(shard, |fanout| fanout.poll(link, room, &mut pushes));
        }
        let closed = matches!(pushes.last(), Some(Push::Close { .. }));
        if closed {
            return self.detach(number, Departure::Lost);
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
            start: connection.start.clone().unwrap(),
            cursor: fanout.cursor(&session.positions),
            pushes,
            truncated: session.truncated,
        };
        self.send_down(number, answer);
        self.detach(number, Departure::Lost);
    }

    /// The channels of the main lanes, and where these are.
    fn live_channels(&self, shard: usize, link: LinkKey) -> (Vec<ChannelName>, Positions) {
        let fanout = &self.shards[shard].fanout;
        match fanout.session(link) {
            Some(session) => (fanout.live_channels(session), fanout.positions(link)),
            None => (Vec::new(), Positions::one(0, 0)),
        }
    }

    /// What is live comes in the order of `seq` in each log, behind where its lane was and up to where it is.
    fn check_live(
        &self,
        shard: usize,
        link: LinkKey,
        (live, before): &(Vec<ChannelName>, Positions),
        pushes: &[Push],
    ) {
        let after = self.shards[shard].fanout.positions(link);
        let mut last: BTreeMap<_, _> = before.iter().collect();
        for (log, after) in after.iter() {
            assert!(last[&log] <= after, "a position went back");
        }
        for push in pushes {
            if let Push::Event(event) = push
                && let Some(seq) = event.seq()
                && live.contains(event.event().channel())
            {
                let log = self.engine.log_of(event.event().channel());
                let (last, after) = (last.get_mut(&log).unwrap(), after.of(log));
                assert!(
                    *last < seq && seq <= after,
                    "{seq} after {last}, up to {after}"
                );
                *last = seq;
            }
        }
    }

    pub(super) fn send_down(&mut self, number: usize, down: Down) {
        let (now, weather) = (self.timeline.now(), self.weather());
        let line = &mut self.connections[number].down;
        if let Some(at) = line.send(now, &weather, &mut self.rng) {
            self.timeline.plan(at, Plan::Down(number, down));
        }
    }

    pub(super) fn send_up(&mut self, number: usize, up: Up) {
        let (now, weather) = (self.timeline.now(), self.weather());
        let line = &mut self.connections[number].up;
        if let Some(at) = line.send(now, &weather, &mut self.rng) {
            self.timeline.plan(at, Plan::Up(number, up));
        }
    }

    pub(super) fn arrives_up(&mut self, number: usize, up: Up) {
        match up {
            Up::Open { after } => self.open(number, after),
            Up::Close => self.detach(number, Departure::Meant),
            Up::Request(request) => {
                let connection = &self.connections[number];
                let (shard, link) = (connection.shard, connection.link);
                let moment = self.moment(shard);
                if let Some(link) = link {
                    self.act(shard, |fanout| {
                        fanout.handle(link, Said::Request(request), &moment);
                    });
                }
            }
        }
    }

    /// Cuts some link; both ends find out, each in its time.
    pub(super) fn cut(&mut self) {
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
}

fn weight(push: &Push) -> usize {
    match push {
        Push::Event(event) => event.weight(),
        _ => 200,
    }
}
