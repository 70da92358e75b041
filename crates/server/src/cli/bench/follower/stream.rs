//! Following a stream of server-sent events.

use super::super::super::client::{Client, Failure};
use super::Seat;
use crate::cli::load::event_stream::EventStream;

/// One whose `hello` has come.
pub(in super::super) struct Follower(EventStream);

/// Opens a client of `channel`.
pub(super) async fn follow(client: Client, channel: &str) -> Result<Follower, Failure> {
    let path = format!("/v1/events?channel={}", Client::encode(channel));
    Ok(Follower(EventStream::open(client, &path).await?))
}

impl Follower {
    /// Reads until the stream ends; gives why.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        self.0.read(|json, now| seat.take(json, now)).await
    }
}
