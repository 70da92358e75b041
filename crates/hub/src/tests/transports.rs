//! The transports of the virtual world: a connection is opened, served when its session is marked,
//! and gone when a line is cut.

use std::time::SystemTime;

use tidings_testkit::Line;
use tidings_wire::{ChannelName, Cursor, MessageId, Request};

use super::client::Shape;
use super::world::{Plan, World};
use crate::fanout::{Fresh, LinkKey, Said};
use crate::grace::Departure;
use crate::room::{Push, Room};
use crate::{Auth, Identity, StreamRequest};

/// What a client says.
pub(super) enum Up {
    Open {
        after: Option<Cursor>,
        lost: bool,
    },
    Request(Request),
    /// A client closes its framed link in order.
    Close,
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
pub(super) struct Connection {
    pub(super) client: usize,
    pub(super) shard: usize,
    pub(super) link: Option<LinkKey>,
    pub(super) up: Line,
    pub(super) down: Line,
    pub(super) start: u64,
    pub(super) lost: bool,
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
        // Whoever had the session is woken, to find that it has it no more.
        let before = self.lead(link, shard, number);
        let start = self.shards[shard].fanout.session(link).unwrap().position;
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

    pub(super) fn detach(&mut self, number: usize, departure: Departure) {
        let now = self.timeline.now();
        let connection = &mut self.connections[number];
        let shard = connection.shard;
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
        let moment = self.moment();
        self.act(shard, |fanout| fanout.detach(link, departure, moment));
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
        let moment = self.moment();
        let link = self.act(to, |fanout| fanout.receive(left, moment));
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
            start: connection.start,
            lost: connection.lost,
            cursor: fanout.cursor(session),
            pushes,
            truncated: session.truncated,
        };
        self.send_down(number, answer);
        self.detach(number, Departure::Lost);
    }

    /// The channels of the main lane, and where it is.
    fn live_channels(&self, shard: usize, link: LinkKey) -> (Vec<ChannelName>, u64) {
        let fanout = &self.shards[shard].fanout;
        match fanout.session(link) {
            Some(session) => (fanout.live_channels(session), fanout.position(link)),
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
        let after = self.shards[shard].fanout.position(link);
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
            Up::Open { after, lost } => self.open(number, after, lost),
            Up::Close => self.detach(number, Departure::Meant),
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
