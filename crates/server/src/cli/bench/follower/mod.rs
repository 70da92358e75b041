//! A client that follows one channel over one transport: opened, then read until it breaks.

mod polls;
mod stream;
mod websocket;

use std::rc::Rc;

use clap::ValueEnum;
use serde::Serialize;
use tokio::time::Instant;

use super::super::client::{Client, Failure};
use super::channels::Channels;
use super::payload::Said;
use super::tally::SharedTally;

pub(super) use websocket::{Socket, open as open_websocket};

/// How messages come to the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Transport {
    /// WebSocket; publishers speak it as well.
    Websocket,
    /// Server-sent events; publishers POST.
    Sse,
    /// A request is answered when something happens; publishers POST.
    LongPoll,
    /// A request a second; publishers POST.
    ShortPoll,
}

/// An open client that nothing has come to yet.
pub(super) enum Follower {
    Websocket(websocket::Follower),
    Stream(stream::Follower),
    Polls(polls::Follower),
}

/// Reading goes on until something breaks.
#[derive(Debug)]
enum Never {}

/// Which client it is, and what it writes down.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its number in the ledger.
    pub(super) number: usize,
    /// Its channel's number.
    pub(super) channel: u32,
    pub(super) channels: Rc<Channels>,
    pub(super) tally: SharedTally,
}

impl Follower {
    /// Opens one: when it returns, whatever is published to `channel` from then on comes.
    pub(super) async fn open(
        transport: Transport,
        client: Client,
        channel: &str,
    ) -> Result<Self, Failure> {
        Ok(match transport {
            Transport::Websocket => Self::Websocket(websocket::follow(&client, channel).await?),
            Transport::Sse => Self::Stream(stream::follow(client, channel).await?),
            Transport::LongPoll => Self::Polls(polls::follow(client, channel, polls::LONG).await?),
            Transport::ShortPoll => {
                Self::Polls(polls::follow(client, channel, polls::SHORT).await?)
            }
        })
    }

    /// Reads until the connection breaks, and writes that down as well.
    pub(super) async fn read(self, seat: Seat) {
        let broken = match self {
            Self::Websocket(follower) => follower.read(&seat).await,
            Self::Stream(follower) => follower.read(&seat).await,
            Self::Polls(follower) => follower.read(&seat).await,
        };
        seat.tally.borrow_mut().break_off(broken);
    }
}

impl Seat {
    /// Takes what the server said; anything that ends this client is an error.
    fn take(&self, json: &[u8], now: Instant) -> Result<(), String> {
        let said = Said::parse(json)?;
        self.take_said(&said, now)
    }

    fn take_said(&self, said: &Said<'_>, now: Instant) -> Result<(), String> {
        let channel = (self.channel, self.channels.name(self.channel));
        if let Some(delivery) = said.delivery(channel)? {
            self.tally.borrow_mut().deliver(self.number, delivery, now);
        } else if let Some(complaint) = said.complaint() {
            return Err(complaint.to_string());
        }
        Ok(())
    }
}
