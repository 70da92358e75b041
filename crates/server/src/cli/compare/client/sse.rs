//! Following a stream of server-sent events.

use tidings_wire::Format;

use super::super::super::client::Failure;
use super::super::message::read;
use super::{Door, Seat};
use crate::cli::load::event_stream::EventStream;

/// One whose `hello` has come.
pub(in super::super) struct Follower(EventStream);

/// Opens a client.
pub(super) async fn open(door: &Door) -> Result<Follower, Failure> {
    let stream = EventStream::open(door.another(), &door.events()).await?;
    Ok(Follower(stream))
}

impl Follower {
    /// Reads until the stream ends; gives why.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        let take =
            |json: &[u8], now| read(Format::Json, json).and_then(|said| seat.take(&said, now));
        self.0.read(take).await
    }
}
