//! A client that follows the channel of its cell in one way: opened, then read until it breaks.

mod poll;
mod quic;
mod sse;
mod websocket;
mod webtransport;

use std::cell::Cell as StdCell;
use std::rc::Rc;

use tidings_wire::Format;
use tokio::time::Instant;

use super::super::client::{Client, Failure};
use super::message::Said;
use super::tally::SharedTally;
use super::way::Way;

pub(super) use quic::Quic;
pub(super) use websocket::{Socket, open as open_websocket};

/// What the clients of one cell have in common.
pub(super) struct Door {
    pub(super) way: Way,
    pub(super) format: Format,
    /// What each client's own is made of; all count their bytes in the same place.
    pub(super) client: Client,
    /// Where QUIC's are connected from.
    pub(super) quic: Option<Quic>,
    pub(super) channel: String,
    /// Of so many clients.
    pub(super) clients: u32,
}

/// An open client that nothing has come to yet.
pub(super) enum Follower {
    Poll(poll::Follower),
    Sse(sse::Follower),
    WebSocket(websocket::Follower),
    WebTransport(Box<webtransport::Follower>),
}

/// Which client it is, and what it writes down.
pub(super) struct Seat {
    /// Its number in the tally.
    pub(super) number: usize,
    pub(super) tally: SharedTally,
    /// When those who ask by the clock begin; set when the last of them is open.
    pub(super) start: Rc<StdCell<Option<Instant>>>,
}

/// Reading goes on until something breaks.
#[derive(Debug)]
enum Never {}

impl Follower {
    /// Opens number `number`: when it returns, whatever is published from then on comes.
    pub(super) async fn open(door: &Door, number: u32) -> Result<Self, Failure> {
        Ok(match door.way {
            Way::Sse => Self::Sse(sse::open(door).await?),
            Way::Webtransport | Way::WebtransportDatagram => {
                Self::WebTransport(Box::new(webtransport::open(door).await?))
            }
            way => match way.websocket() {
                Some(how) => Self::WebSocket(websocket::follow(door, how).await?),
                None => Self::Poll(poll::open(door, number).await?),
            },
        })
    }

    /// Reads until the connection breaks, and writes that down as well.
    pub(super) async fn read(self, seat: Seat) {
        let broken = match self {
            Self::Poll(follower) => follower.read(&seat).await,
            Self::Sse(follower) => follower.read(&seat).await,
            Self::WebSocket(follower) => follower.read(&seat).await,
            Self::WebTransport(follower) => follower.read(&seat).await,
        };
        let words = format!("a connection ended: {broken}");
        seat.tally.borrow_mut().trouble(words);
    }
}

impl Door {
    /// The path by which events are asked for.
    fn events(&self) -> String {
        format!("/v1/events?channel={}", Client::encode(&self.channel))
    }

    /// A client of its own connection.
    fn another(&self) -> Client {
        self.client.another(self.client.traffic())
    }
}

impl Seat {
    /// Takes what the server said; anything that ends this client is an error.
    fn take(&self, said: &Said, now: Instant) -> Result<(), String> {
        if let Some(complaint) = said.complaint() {
            return Err(complaint);
        }
        if let Some(data) = &said.data {
            self.tally.borrow_mut().deliver(self.number, data.n, now);
        }
        Ok(())
    }
}
