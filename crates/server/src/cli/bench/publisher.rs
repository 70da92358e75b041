//! A publisher: sends its messages when they are due, whatever has become of those before.

use serde::Deserialize;
use std::collections::HashMap;
use std::rc::Rc;
use tidings_websocket::Event;
use tokio::time::Instant;

use super::super::client::{ANSWER_WITHIN, Client, Failure};
use super::channels::Channels;
use super::follower::{Socket, Transport, open_websocket};
use super::payload::{Payload, Said};
use super::plan::{Plan, Slot};
use super::tally::SharedTally;
use crate::cli::load::alarm::Alarm;
use crate::fault::Fault;

/// How many messages a WebSocket has under way at most: half of what a server takes before it says `busy`
/// (256). One that is due beyond that waits, and the wait counts.
const IN_FLIGHT_MAX: usize = 128;

/// An open connection of a publisher.
pub(super) enum Way {
    /// Many messages under way.
    Websocket(Box<Socket>),
    /// One request under way.
    Http(Box<Client>),
}

impl Way {
    /// Opens one. With HTTP, the question how the server is opens the connection.
    pub(super) async fn open(transport: Transport, mut client: Client) -> Result<Self, Failure> {
        if transport == Transport::Websocket {
            return Ok(Self::Websocket(open_websocket(&client).await?));
        }
        let answer = client
            .get("/v1/info", "application/json", ANSWER_WITHIN)
            .await?;
        super::super::client::body(answer).await?;
        Ok(Self::Http(Box::new(client)))
    }
}

/// Which messages are whose.
#[derive(Debug)]
pub(super) struct Publisher {
    /// Which of the plan's publishers it is.
    pub(super) number: u32,
    pub(super) plan: Plan,
    pub(super) payload: Rc<Payload>,
    pub(super) channels: Rc<Channels>,
    pub(super) tally: SharedTally,
    /// How many of its messages it has sent.
    pub(super) turn: u64,
}

impl Publisher {
    /// Publishes until the run ends it. A fault is what would fail every message alike.
    pub(super) async fn publish(mut self, way: Way) -> Result<(), Fault> {
        let mut alarm = Alarm::new().map_err(no_timer)?;
        match way {
            Way::Websocket(websocket) => self.publish_frames(*websocket, &mut alarm).await,
            Way::Http(client) => self.publish_requests(*client, &mut alarm).await,
        }
    }

    /// The next message; `None` when publishing is over.
    fn next(&self) -> Option<Slot> {
        let slot = self.plan.slot(self.number, self.turn);
        (slot.at_us < self.tally.borrow().recorder.window().end).then_some(slot)
    }

    /// The next message, if it is its time.
    fn next_due(&self, now: Instant) -> Option<Slot> {
        self.next()
            .filter(|slot| self.tally.borrow().moment(*slot) <= now)
    }

    fn send(&mut self, slot: Slot, now: Instant) {
        self.turn += 1;
        self.tally.borrow_mut().send(slot, now);
    }

    async fn publish_requests(
        &mut self,
        mut client: Client,
        alarm: &mut Alarm,
    ) -> Result<(), Fault> {
        let paths: Vec<_> = (0..self.plan.channels)
            .map(|channel| Client::encode(self.channels.name(channel)))
            .map(|name| format!("/v1/channels/{name}/messages"))
            .collect();
        while let Some(slot) = self.next() {
            let at = self.tally.borrow().moment(slot);
            alarm.until(at).await.map_err(no_timer)?;
            if self.next().is_none() {
                break;
            }
            self.send(slot, Instant::now());
            let body = format!("{{\"data\":{}}}", self.payload.data(slot));
            let answer = client.post(&paths[slot.channel as usize], body).await;
            let now = Instant::now();
            let mut tally = self.tally.borrow_mut();
            match answer.map(|bytes| serde_json::from_slice::<Stored>(&bytes)) {
                Ok(Ok(Stored { seq })) => tally.acknowledge(slot, seq, now),
                Ok(Err(error)) => tally.refuse("no answer", error.to_string()),
                Err(Failure::Passing { message, .. }) => tally.refuse("later", message),
                Err(Failure::Lasting(fault)) => return Err(fault),
            }
        }
        Ok(())
    }

    async fn publish_frames(
        &mut self,
        mut websocket: Socket,
        alarm: &mut Alarm,
    ) -> Result<(), Fault> {
        let mut in_flight: HashMap<u64, Slot> = HashMap::new();
        loop {
            let next = self.next().filter(|_| in_flight.len() < IN_FLIGHT_MAX);
            let at = next.map_or_else(Instant::now, |slot| self.tally.borrow().moment(slot));
            tokio::select! {
                batch = websocket.recv_batch() => {
                    let now = Instant::now();
                    let Some(batch) = batch.map_err(Fault::failure)? else {
                        return Err(Fault::failure("the server closed a publisher's connection"));
                    };
                    for event in batch {
                        match event {
                            Event::Text(text) => self.hear(text.as_bytes(), &mut in_flight, now)?,
                            Event::Close(close) => {
                                let (code, reason) = (u16::from(close.code), close.reason);
                                return Err(Fault::failure(format!(
                                    "the server closed a publisher's connection ({code}) {reason}"
                                )));
                            }
                            _ => {}
                        }
                    }
                }
                rung = alarm.until(at), if next.is_some() => {
                    rung.map_err(no_timer)?;
                    let now = Instant::now();
                    // All that is due leaves in one write, which the read that waits for answers does.
                    while let Some(slot) = self.next_due(now).filter(|_| in_flight.len() < IN_FLIGHT_MAX) {
                        let data = self.payload.data(slot);
                        let frame = json_frame(self.turn, self.channels.name(slot.channel), &data);
                        websocket.feed(frame).map_err(Fault::failure)?;
                        in_flight.insert(self.turn, slot);
                        self.send(slot, now);
                    }
                }
            }
        }
    }

    fn hear(
        &self,
        json: &[u8],
        in_flight: &mut HashMap<u64, Slot>,
        now: Instant,
    ) -> Result<(), Fault> {
        let said = Said::parse(json).map_err(Fault::failure)?;
        let slot = said.req.and_then(|req| in_flight.remove(&req));
        match (slot, said.seq, said.complaint()) {
            (Some(slot), Some(seq), None) => self.tally.borrow_mut().acknowledge(slot, seq, now),
            (Some(_), _, Some(complaint)) if complaint.is_passing() => {
                let mut tally = self.tally.borrow_mut();
                tally.refuse(complaint.code, complaint.to_string());
            }
            (_, _, Some(complaint)) => return Err(complaint.into_failure().into_fault()),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Stored {
    seq: u64,
}

fn no_timer(error: std::io::Error) -> Fault {
    Fault::failure(format!("cannot set a timer: {error}"))
}

/// `data` is JSON, and the channel's name needs no escapes.
fn json_frame(req: u64, channel: &str, data: &str) -> String {
    format!(r#"{{"type":"publish","req":{req},"channel":"{channel}","data":{data}}}"#)
}
