//! Messages too big to be held: received as they come, and sent as they are made.
//!
//! ```
//! use tidings_websocket::tokio::{Error, WebSocket};
//! use tidings_websocket::{Fragment, MessageKind, Received};
//! use tokio::net::TcpStream;
//!
//! /// Sends whatever messages come on to another connection, however big they are.
//! async fn relay(
//!     from: &mut WebSocket<TcpStream>,
//!     to: &mut WebSocket<TcpStream>,
//! ) -> Result<(), Error> {
//!     while let Some(received) = from.recv_piece().await? {
//!         if let Received::Piece(piece) = received {
//!             to.send_fragment(piece.kind, &piece.payload, piece.fragment).await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```

use std::borrow::Cow;
use std::future::poll_fn;

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::drive::{Next, Phase};
use super::websocket::{Error, WebSocket};
use crate::error::SendError;
use crate::event::{Event, Fragment, Piece, Received};
use crate::message::MessageKind;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// [`recv`](Self::recv) for messages too big to be held: whatever has come of a message, at
    /// most a read's 64 KiB, and control frames. Nothing is copied, and the rest is not waited for.
    ///
    /// The limits are those of whole messages, so raise
    /// [`Config::message_bytes_max`](crate::Config::message_bytes_max) and
    /// [`frame_bytes_max`](crate::Config::frame_bytes_max) for big ones. While the application is
    /// busy with a piece nothing is read, so a peer that sends faster has to wait.
    ///
    /// It may be used in turn with the other ways to receive; see
    /// [`Connection::receive_piece`](crate::Connection::receive_piece) for what they bring of a
    /// message that was begun.
    ///
    /// **Cancel safe**: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// As `recv`'s.
    pub async fn recv_piece(&mut self) -> Result<Option<Received<'_>>, Error> {
        let found = loop {
            if let Next::End(last) = poll_fn(|context| self.poll_input(context)).await? {
                return Ok(last.map(Received::Event));
            }
            let mut input = self.input.view();
            match input.take(|bytes| self.connection.receive_piece(bytes)) {
                Ok(Some(Received::Event(close @ Event::Close(_)))) => {
                    self.phase = Phase::ending(Ok(Some(close.into_owned())));
                }
                Ok(Some(received)) => {
                    let found = Found::of(received, |bytes| input.position(bytes));
                    self.charge += 1;
                    break found;
                }
                Ok(None) => {}
                Err(fault) => self.phase = Phase::ending(Err(fault)),
            }
        };
        Ok(Some(match found {
            Found::Owned(received) => received,
            Found::Borrowed {
                kind,
                begin,
                end,
                fragment,
            } => Received::Piece(Piece {
                kind,
                payload: Cow::Borrowed(self.input.handled(begin, end)),
                fragment,
            }),
        }))
    }

    /// Sends a part of a message whose length need not be known. Control frames may be sent in
    /// between, other messages not.
    ///
    /// It waits until all is written, so a fast sender has to wait for a slow peer, and holds one
    /// fragment. The parts are frames of their own; some 64 KiB each cost little. A text may be
    /// cut anywhere, even within a character; that the whole is UTF-8 is the caller's promise.
    ///
    /// **Cancel safe** once polled: the fragment is sent whole, by a later `flush` or `recv`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if nothing was sent: [`SendError::MessageUnfinished`] if the fragments
    /// before were of the other kind, or [`SendError::Closed`]. [`Error::Io`] when the stream
    /// failed.
    pub async fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fragment: Fragment,
    ) -> Result<(), Error> {
        self.feed_fragment(kind, payload, fragment)?;
        Ok(self.flush().await?)
    }

    /// [`send_fragment`](Self::send_fragment) without writing: that is done by the next
    /// [`flush`](Self::flush) or [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn feed_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.connection.send_fragment(kind, payload, fragment)
    }
}

/// What was received, without borrowing where it lies: nothing can be borrowed for the caller
/// from within a loop.
enum Found {
    Owned(Received<'static>),
    /// A piece that lies in the input.
    Borrowed {
        kind: MessageKind,
        begin: usize,
        end: usize,
        fragment: Fragment,
    },
}

impl Found {
    fn of<'i>(received: Received<'i>, position: impl FnOnce(&'i [u8]) -> usize) -> Self {
        match received {
            Received::Piece(Piece {
                kind,
                payload: Cow::Borrowed(payload),
                fragment,
            }) => {
                let begin = position(payload);
                Self::Borrowed {
                    kind,
                    begin,
                    end: begin + payload.len(),
                    fragment,
                }
            }
            received => Self::Owned(received.into_owned()),
        }
    }
}
