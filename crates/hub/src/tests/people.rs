//! The clients' side of the virtual world: they reach for a link, hear what comes, and command.

use tidings_testkit::Line;
use tidings_wire::{
    ChannelName, Command, Cursor, Data, Event, MessageId, Reply, ReplyBody, Request, StreamCursor,
};

use super::transports::{Connection, Down, Start, Up};
use super::world::{Plan, World};
use crate::room::Push;

impl World {
    fn connection(&mut self, client: usize) -> usize {
        let rng = &mut self.rng;
        self.connections.push(Connection {
            client,
            shard: rng.usize(0..self.shards.len()),
            link: None,
            up: Line::default(),
            down: Line::default(),
            arrival: None,
            asked: None,
            start: None,
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
    pub(super) fn reach(&mut self, number: usize) {
        if self.clients[number].link.is_some() {
            return;
        }
        let mut after = self.clients[number].cursor.clone();
        // Now and then a log is another one than there was before, or the cursor says nothing of it.
        if let Some(after) = &mut after
            && self.fault(30)
        {
            *after = self.misread(after);
        }
        let connection = self.connection(number);
        // Now and then a request comes twice.
        if self.clients[number].shape.is_poll() && self.fault(8) {
            let twin = self.connection(number);
            let after = after.clone();
            self.send_up(twin, Up::Open { after });
            self.plan(3000..3001, Plan::ServerLoses(twin));
        }
        self.clients[number].link = Some(connection);
        self.send_up(connection, Up::Open { after });
        if self.clients[number].shape.is_poll() {
            // A poll that is not answered is given up.
            self.plan(1500..1501, Plan::ClientLoses(connection));
            self.plan(3000..3001, Plan::ServerLoses(connection));
        }
    }

    /// The cursor with a part that means nothing, or with one part less.
    fn misread(&mut self, cursor: &StreamCursor) -> StreamCursor {
        let mut parts = cursor.parts().to_vec();
        let place = self.rng.usize(0..parts.len());
        if parts.len() > 1 && self.rng.bool() {
            parts.remove(place);
        } else {
            parts[place] = "before-7".parse().unwrap();
        }
        StreamCursor::new(parts).unwrap()
    }

    pub(super) fn arrives_down(&mut self, number: usize, down: Down) {
        let client = self.connections[number].client;
        match down {
            Down::Opened(start) => {
                self.stream_starts(number, &start);
            }
            Down::Answer {
                start,
                cursor,
                pushes,
                truncated,
            } => {
                let told = pushes.iter().any(|push| match push {
                    Push::Event(event) => matches!(event.event(), Event::Truncated { .. }),
                    _ => false,
                });
                let lost = self.stream_starts(number, &start);
                assert_eq!(told || lost, truncated, "the answer says what is in it");
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

    /// A stream starts; whether a channel's part of the cursor meant nothing.
    fn stream_starts(&mut self, number: usize, Start { cursor, asked }: &Start) -> bool {
        let client = &mut self.clients[self.connections[number].client];
        let mut are_lost = false;
        for channel in client.channels() {
            let epoch = client.epoch(&channel);
            let lost = asked.as_ref().is_some_and(|it| it.seq(epoch).is_none());
            are_lost |= lost;
            let seq = cursor
                .seq(epoch)
                .expect("a stream's cursor has each of its logs");
            let asked = asked.as_ref().and_then(|it| it.seq(epoch));
            assert_eq!(seq, asked.unwrap_or(seq), "a stream goes on where it was");
            client.starts(number, &channel, seq, lost);
        }
        // Who has begun already, and hears this from an old link, knows better.
        let current = client.link == Some(number);
        if current && (client.cursor.is_none() || are_lost) {
            client.cursor = Some(cursor.clone());
        }
        are_lost
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
            ReplyBody::Error { code, .. } => {
                assert!(code.is_transient(), "{code}");
                let awaited = &mut self.connections[number].subscribes;
                let place = awaited.iter().position(|(req, ..)| Some(*req) == reply.req);
                if let Some(place) = place {
                    let (_, channel, _) = awaited.remove(place);
                    self.subscribe(number, channel);
                }
            }
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
            false => last.map(|seq| {
                let epoch = self.clients[client].epoch(&channel).clone();
                Cursor { epoch, seq }.into()
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
    pub(super) fn client_acts(&mut self, number: usize) {
        self.plan(20..200, Plan::Act(number));
        let Some(link) = self.clients[number].link else {
            return;
        };
        let channel = self.any_channel();
        match self.rng.u32(0..7) {
            3 if self.rough => {
                self.send_up(link, Up::Close);
                self.plan(0..100, Plan::ClientLoses(link));
            }
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
