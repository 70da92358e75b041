//! The events of one read, borrowed from the buffer that they were read into.

use bytes::Bytes;

use super::drive::Phase;
use super::input::View;
use crate::connection::Connection;
use crate::error::{Fault, SendError};
use crate::event::{Event, Received};
use crate::message::MessageKind;

/// The events of one read, from [`WebSocket::recv_batch`](super::WebSocket::recv_batch): nothing
/// is copied, and nothing allocated for a message that came whole.
///
/// It is an iterator of events. They borrow the bytes that were read, not the batch, so each
/// can be answered while it is looked at; the answers of a whole batch go out in one write,
/// when the next batch is waited for.
///
/// An [`Event::Close`] comes as soon as the peer's does, or, with code 1006, when the stream
/// ended without one. It is the last; ask for the next batch all the same, which writes the
/// answer, closes the stream in order, and is `None`.
///
/// A batch may be dropped before its end: the rest comes with the next one. It ends early when
/// more than [`Options::unsent_bytes_max`](super::Options::unsent_bytes_max) is unsent, and when
/// the peer broke the protocol, which the next `recv_batch` says.
#[derive(Debug)]
pub struct Batch<'w> {
    pub(super) connection: &'w mut Connection,
    pub(super) phase: &'w mut Phase,
    pub(super) input: View<'w>,
    /// What each event that is handed out costs of the task's turn.
    pub(super) charge: &'w mut usize,
    pub(super) unsent_bytes_max: usize,
    /// The end of a stream that ended without a Close.
    pub(super) last: Option<Event<'static>>,
}

impl<'w> Iterator for Batch<'w> {
    type Item = Event<'w>;

    #[inline]
    fn next(&mut self) -> Option<Event<'w>> {
        let event = self.receive(Connection::receive, |last| last)?;
        if matches!(event, Event::Close(_)) {
            self.close();
        }
        Some(event)
    }
}

impl<'w> Batch<'w> {
    /// The next of what has come, where messages are too big to be held: parts of them, and control
    /// frames. As [`WebSocket::recv_piece`](super::WebSocket::recv_piece) otherwise.
    pub fn next_piece(&mut self) -> Option<Received<'w>> {
        let received = self.receive(Connection::receive_piece, Received::Event)?;
        if matches!(received, Received::Event(Event::Close(_))) {
            self.close();
        }
        Some(received)
    }

    #[inline]
    fn receive<R>(
        &mut self,
        receive: impl FnOnce(&mut Connection, &mut &'w mut [u8]) -> Result<Option<R>, Fault>,
        last: impl FnOnce(Event<'w>) -> R,
    ) -> Option<R> {
        if let Some(event) = self.last.take() {
            return Some(last(event));
        }
        let has_input = !self.input.is_empty() || self.connection.has_more();
        if !has_input || self.connection.unsent_bytes() > self.unsent_bytes_max {
            return None;
        }
        *self.charge += 1;
        let received = self.input.take(|bytes| receive(self.connection, bytes));
        received.unwrap_or_else(|fault| {
            *self.phase = Phase::ending(Err(fault));
            self.input.forget();
            None
        })
    }

    /// The peer's Close was handed out.
    fn close(&mut self) {
        if matches!(self.phase, Phase::Receiving | Phase::WriteFailed(_)) {
            *self.phase = Phase::ending(Ok(None));
        }
        self.input.forget();
    }

    /// Answers: appends a message or a control frame to what is written when the next batch is
    /// waited for.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn send<'e>(&mut self, event: impl Into<Event<'e>>) -> Result<(), SendError> {
        self.connection.send(event)
    }

    /// [`send`](Self::send) for whole server frames that many connections share; see
    /// [`Connection::send_encoded`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn send_encoded(&mut self, frames: &Bytes) -> Result<(), SendError> {
        self.connection.send_encoded(frames)
    }

    /// [`send`](Self::send) for a message whose payload others hold as well; see
    /// [`Connection::send_shared`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn send_shared(&mut self, kind: MessageKind, payload: &Bytes) -> Result<(), SendError> {
        self.connection.send_shared(kind, payload)
    }

    /// The connection, for whatever else it can send.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }
}
