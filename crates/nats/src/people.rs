//! Who is present anywhere, and what passes without being stored: how nodes tell each other, over plain NATS.
//!
//! What is lost on the way is a signal, which may be, or a move, whose number is then missed (`crowd`).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tidings_engine::{Entry, Notice};
use tidings_wire::{ChannelName, Data, Event, Presence, User};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{interval, timeout};

use crate::crowd::{BEAT_EVERY, Crowd, Move, NodeId};
use crate::error::NatsError;
use crate::shared::{Shared, lock};

/// How many moves are told at a time, and how many people a part of a list has: within NATS' usual bound of 1 MiB a
/// message even where all names are as long as they can be.
const MOVES_MAX: usize = 1500;

/// How many moves wait to be told; more are left out, and the others ask for the list.
const OUTBOX_MAX: usize = 100_000;

/// How many signals wait to be told, which may be lost.
const SIGNALS_WAITING_MAX: usize = 8192;

/// How long the next part of a list is waited for.
const PART_WITHIN: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct People {
    shared: Arc<Shared>,
    me: NodeId,
    started: Instant,
    state: Mutex<State>,
    is_to_tell: Notify,
    signals: mpsc::Sender<Vec<u8>>,
}

struct State {
    crowd: Crowd,
    /// Moves that are not told yet, and the number of the first.
    outbox: Vec<Move>,
    first: u64,
}

/// Everything is listened to, and nobody is told of anything yet.
pub(crate) struct Opened {
    people: Arc<People>,
    heard: [Subscriber; 4],
    signals: mpsc::Receiver<Vec<u8>>,
}

/// Somebody's signal.
#[derive(Serialize, Deserialize)]
struct Signal {
    node: NodeId,
    channel: ChannelName,
    from: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

/// Moves of a node's people.
#[derive(Serialize, Deserialize)]
struct Moves {
    node: NodeId,
    first: u64,
    moves: Vec<Move>,
}

/// A node is there, or ends.
#[derive(Serialize, Deserialize)]
struct Beat {
    node: NodeId,
    /// The number of its last move.
    moves: u64,
    #[serde(default)]
    ends: bool,
}

/// A part of a node's list.
#[derive(Serialize, Deserialize)]
struct Part {
    upto: u64,
    people: Vec<Move>,
    is_last: bool,
}

impl Opened {
    pub(crate) async fn new(shared: Arc<Shared>) -> Result<Self, NatsError> {
        let me = NodeId(fastrand::u64(..));
        let client = shared.api.client();
        let subjects = ["signals", "moves", "beats"].map(|what| shared.layout.passing(what));
        let [signals, moves, beats] = subjects;
        let subjects = [signals, moves, beats, list_of(&shared, me)];
        let mut heard = Vec::new();
        for subject in subjects {
            let subscribed = client.subscribe(subject.clone()).await;
            heard.push(subscribed.map_err(|error| NatsError::NoJetStream {
                reason: format!("{subject}: {error}"),
            })?);
        }
        let heard = heard
            .try_into()
            .map_err(|_| NatsError::Settings("four subjects are heard".to_owned()))?;
        let (sender, signals) = mpsc::channel(SIGNALS_WAITING_MAX);
        let people = Arc::new(People {
            me,
            started: Instant::now(),
            state: Mutex::new(State {
                crowd: Crowd::new(me),
                outbox: Vec::new(),
                first: 1,
            }),
            is_to_tell: Notify::new(),
            signals: sender,
            shared,
        });
        Ok(Self {
            people,
            heard,
            signals,
        })
    }

    /// From now on the others are heard, and hear.
    pub(crate) fn start(self, runtime: &Handle) -> Arc<People> {
        let Self {
            people,
            heard: [signals, moves, beats, asked],
            signals: own,
        } = self;
        runtime.spawn(people.clone().hear_signals(signals));
        runtime.spawn(people.clone().hear_moves(moves));
        runtime.spawn(people.clone().hear_beats(beats));
        runtime.spawn(people.clone().give_list(asked));
        runtime.spawn(people.clone().tell_signals(own));
        runtime.spawn(people.clone().tell_moves());
        runtime.spawn(people.clone().beat());
        people
    }
}

impl People {
    pub(crate) fn signal(&self, channel: ChannelName, from: User, data: Data) {
        let told = Event::Signal {
            channel: channel.clone(),
            from: from.clone(),
            data: data.clone(),
        };
        self.tell_watchers([told]);
        self.shared.count(|it| it.signals += 1);
        if self.shared.link.is_away() {
            // When it is back nobody types any more.
            return;
        }
        let (data, bytes) = match data {
            Data::Bytes(bytes) => (None, Some(STANDARD.encode(bytes))),
            json => (Some(json), None),
        };
        let signal = Signal {
            node: self.me,
            channel,
            from,
            data,
            bytes,
        };
        // A signal may be lost; where so many wait, NATS is away.
        let _ = self.signals.try_send(json(&signal));
    }

    pub(crate) fn enter(&self, entry: Entry) {
        self.change(|crowd, now| crowd.enter(entry, now));
    }

    pub(crate) fn leave(&self, entry: Entry) {
        self.change(|crowd, now| crowd.leave(&entry, now));
    }

    pub(crate) fn present(&self, channel: &ChannelName) -> Presence {
        lock(&self.state).crowd.present(channel)
    }

    /// How many other nodes there are.
    pub(crate) fn neighbours(&self) -> usize {
        lock(&self.state).crowd.neighbours()
    }

    /// Tells the others that this node has ended, so that nobody waits for it.
    pub(crate) async fn end(&self) {
        let moves = lock(&self.state).crowd.moves();
        self.send(
            "beats",
            json(&Beat {
                node: self.me,
                moves,
                ends: true,
            }),
        )
        .await;
        let _ = self.shared.api.client().flush().await;
    }

    fn change(&self, change: impl FnOnce(&mut Crowd, u64) -> (Option<Event>, Option<Move>)) {
        let now = self.shared.clock.now();
        let mut state = lock(&self.state);
        let (event, told) = change(&mut state.crowd, now);
        // Under the lock, so that all watchers hear in the order of what happened.
        self.tell_watchers(event);
        if let Some(told) = told {
            state.outbox.push(told);
            if state.outbox.len() > OUTBOX_MAX {
                state.outbox.clear();
                state.first = state.crowd.moves() + 1;
            }
            self.is_to_tell.notify_one();
        }
    }

    fn tell_watchers(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let event = self.shared.encoded(event, 0);
            self.shared.notifier.tell(Notice::Passing(event));
        }
    }

    /// Milliseconds that only grow.
    fn tick(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    async fn send(&self, what: &str, payload: Vec<u8>) {
        let subject = self.shared.layout.passing(what);
        if let Err(error) = self
            .shared
            .api
            .client()
            .publish(subject, payload.into())
            .await
        {
            tracing::debug!(%error, what, "the other nodes cannot be told");
        }
    }

    async fn tell_signals(self: Arc<Self>, mut signals: mpsc::Receiver<Vec<u8>>) {
        while let Some(signal) = signals.recv().await {
            self.send("signals", signal).await;
        }
    }

    async fn hear_signals(self: Arc<Self>, mut signals: Subscriber) {
        while let Some(message) = signals.next().await {
            let Some(Signal {
                node,
                channel,
                from,
                data,
                bytes,
            }) = parse::<Signal>(&message)
            else {
                continue;
            };
            let data = match bytes.map(|bytes| Data::from_base64(&bytes)) {
                Some(Ok(bytes)) => bytes,
                Some(Err(_)) => continue,
                None => data.unwrap_or_else(|| Data::Json("null".into())),
            };
            if node != self.me {
                self.tell_watchers([Event::Signal {
                    channel,
                    from,
                    data,
                }]);
            }
        }
    }

    async fn tell_moves(self: Arc<Self>) {
        loop {
            self.is_to_tell.notified().await;
            while let Some(moves) = self.take_moves() {
                self.send("moves", json(&moves)).await;
            }
        }
    }

    fn take_moves(&self) -> Option<Moves> {
        let state = &mut *lock(&self.state);
        let count = state.outbox.len().min(MOVES_MAX);
        let moves: Vec<_> = state.outbox.drain(..count).collect();
        let first = state.first;
        state.first += count as u64;
        (count > 0).then_some(Moves {
            node: self.me,
            first,
            moves,
        })
    }

    async fn hear_moves(self: Arc<Self>, mut moves: Subscriber) {
        while let Some(message) = moves.next().await {
            let Some(Moves { node, first, moves }) = parse(&message) else {
                continue;
            };
            let tick = self.tick();
            let is_well =
                self.hear(|crowd, events| crowd.hear_moves(node, first, moves, tick, events));
            if !is_well {
                tokio::spawn(self.clone().ask_for_list(node));
            }
        }
    }

    async fn hear_beats(self: Arc<Self>, mut beats: Subscriber) {
        while let Some(message) = beats.next().await {
            let Some(Beat { node, moves, ends }) = parse(&message) else {
                continue;
            };
            let (tick, now) = (self.tick(), self.shared.clock.now());
            if ends {
                self.hear(|crowd, events| crowd.hear_end(node, now, events));
                continue;
            }
            let is_new = !lock(&self.state).crowd.knows(node);
            if !self.hear(|crowd, _| crowd.hear_beat(node, moves, tick)) {
                tokio::spawn(self.clone().ask_for_list(node));
            }
            if is_new {
                tracing::info!(node = node.0, "another node is there");
                // It does not know us either, and need not wait.
                self.send_beat().await;
            }
        }
    }

    async fn send_beat(&self) {
        let moves = {
            let state = lock(&self.state);
            // What waits to be told was not told.
            state.crowd.moves() - state.outbox.len() as u64
        };
        self.send(
            "beats",
            json(&Beat {
                node: self.me,
                moves,
                ends: false,
            }),
        )
        .await;
    }

    async fn beat(self: Arc<Self>) {
        let mut every = interval(BEAT_EVERY);
        let mut breaks = self.shared.link.breaks();
        loop {
            every.tick().await;
            if self.shared.link.is_away() || breaks.has_changed().unwrap_or(false) {
                breaks.mark_unchanged();
                lock(&self.state).crowd.excuse_silence(self.tick());
            }
            self.send_beat().await;
            let (tick, now) = (self.tick(), self.shared.clock.now());
            let gone = self.hear(|crowd, events| crowd.expire(tick, now, events));
            if gone > 0 {
                tracing::warn!(
                    gone,
                    "nodes are not heard of any more; their people have left"
                );
            }
        }
    }

    async fn ask_for_list(self: Arc<Self>, node: NodeId) {
        let client = self.shared.api.client();
        let inbox = client.new_inbox();
        let Ok(mut parts) = client.subscribe(inbox.clone()).await else {
            return;
        };
        if client
            .publish_with_reply(list_of(&self.shared, node), inbox, Vec::new().into())
            .await
            .is_err()
        {
            return;
        }
        let mut list = Vec::new();
        // Where nothing comes, its next beat has us ask again.
        while let Ok(Some(message)) = timeout(PART_WITHIN, parts.next()).await {
            let Some(Part {
                upto,
                people,
                is_last,
            }) = parse(&message)
            else {
                return;
            };
            list.extend(people);
            if is_last {
                let tick = self.tick();
                self.hear(|crowd, events| crowd.hear_list(node, upto, list, tick, events));
                return;
            }
        }
    }

    async fn give_list(self: Arc<Self>, mut asked: Subscriber) {
        while let Some(Message { reply, .. }) = asked.next().await {
            let Some(reply) = reply else { continue };
            let (upto, mut people) = {
                let state = lock(&self.state);
                (state.crowd.moves(), state.crowd.mine())
            };
            loop {
                let rest = people.split_off(people.len().min(MOVES_MAX));
                let is_last = rest.is_empty();
                let part = json(&Part {
                    upto,
                    people,
                    is_last,
                });
                if is_last || self.shared.link.is_away() {
                    let _ = self.shared.api.client().publish(reply, part.into()).await;
                    break;
                }
                let _ = self
                    .shared
                    .api
                    .client()
                    .publish(reply.clone(), part.into())
                    .await;
                people = rest;
            }
        }
    }

    /// Has the crowd hear something, and the watchers what it means to them.
    fn hear<T>(&self, hear: impl FnOnce(&mut Crowd, &mut Vec<Event>) -> T) -> T {
        let mut events = Vec::new();
        let mut state = lock(&self.state);
        let result = hear(&mut state.crowd, &mut events);
        self.tell_watchers(events);
        result
    }
}

/// Where a node is asked for its list.
fn list_of(shared: &Shared, node: NodeId) -> String {
    format!("{}.{:016x}", shared.layout.passing("list"), node.0)
}

fn json(told: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(told).expect("names and JSON are JSON")
}

fn parse<T: for<'a> Deserialize<'a>>(message: &Message) -> Option<T> {
    let parsed = serde_json::from_slice(&message.payload);
    parsed.inspect_err(|error| tracing::warn!(subject = %message.subject, %error, "what another node says is not understood; is it of another version?")).ok()
}
