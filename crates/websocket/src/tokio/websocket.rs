//! A connection on a stream: the core, driven by one task.
//!
//! Reading drives everything. [`WebSocket::recv`] hands out all events of what was read before
//! it waits, and before it waits it writes whatever was fed in the meantime, in one write. So
//! the plainest loop is the fast one.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::Bytes;

use super::Options;
use super::batch::Batch;
use super::drive::{Next, Phase};
use super::input::Input;
use super::timers::Timers;
use super::waiting::Waiting;
use crate::close::Close;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Agreement;
use crate::error::{Fault, SendError};
use crate::event::Event;
use crate::mask::MaskKey;
use crate::message::MessageKind;
use crate::prepared::Prepared;

/// An open WebSocket on the stream `S`.
///
/// ```
/// use tidings_websocket::tokio::{Error, WebSocket};
/// use tokio::net::TcpStream;
///
/// async fn echo(mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
///     while let Some(event) = websocket.recv().await? {
///         if event.is_message() {
///             websocket.feed(event)?; // written when `recv` has to wait
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// Dropping it drops the stream: the peer sees an end without a Close. [`close`](Self::close)
/// first.
///
/// The runtime's timers must be enabled: a closing connection has a deadline.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) stream: S,
    pub(super) connection: Connection,
    pub(super) input: Input,
    pub(super) received_bytes: u64,
    /// The stream took bytes that it may hold back until it is flushed.
    pub(super) unflushed: bool,
    /// The stream took nothing when it was last asked.
    pub(super) write_blocked: bool,
    /// The connection ended, or writing failed, before everything was written.
    pub(super) output_lost: bool,
    pub(super) phase: Phase,
    pub(super) timers: Timers,
    pub(super) waiting: Waiting,
    /// What was handed out since the last read, in units of the task's turn.
    pub(super) charge: usize,
    pub(super) unsent_bytes_max: usize,
    /// Whether it was closed for its silence.
    pub(super) silent: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's end, after its handshake. `read_ahead` is what was already read after the
    /// request.
    pub fn server(stream: S, read_ahead: impl Into<Vec<u8>>, options: Options) -> Self {
        let connection = Connection::server(options.shared_config());
        Self::from_connection(stream, read_ahead, connection, options)
    }

    /// The client's end, after its handshake. `read_ahead` is what was already read after the
    /// response.
    pub fn client(stream: S, read_ahead: impl Into<Vec<u8>>, options: Options) -> Self {
        let connection = Connection::client(options.shared_config(), random_mask_keys());
        Self::from_connection(stream, read_ahead, connection, options)
    }

    /// Either end, after a handshake of any kind, from a connection made for it: with a
    /// configuration that many share, or with what the handshake agreed on.
    ///
    /// `read_ahead` is what was already read after the handshake; it is taken for the peer's
    /// first bytes. [`Options::config`] is not looked at: the connection has its own.
    pub fn from_connection(
        stream: S,
        read_ahead: impl Into<Vec<u8>>,
        connection: Connection,
        options: Options,
    ) -> Self {
        let read_ahead = read_ahead.into();
        Self {
            stream,
            connection,
            received_bytes: read_ahead.len() as u64,
            input: Input::new(read_ahead),
            unflushed: false,
            write_blocked: false,
            output_lost: false,
            phase: Phase::Receiving,
            timers: Timers::new(options.keepalive),
            waiting: Waiting::default(),
            charge: 0,
            unsent_bytes_max: options.unsent_bytes_max,
            silent: false,
        }
    }

    /// The same, with the compression that its handshake agreed on, for one that was just made; see
    /// [`Connection::with_deflate`].
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreement: Agreement) -> Self {
        self.connection = self.connection.with_deflate(agreement);
        self
    }

    /// The next event. Writes whatever was fed before it waits.
    ///
    /// The last one is an [`Event::Close`], with code 1006 where the stream ended without a Close;
    /// it comes when the closing handshake is done and the stream can be dropped. Then `None`.
    ///
    /// Pings have been answered when they come; they and pongs are brought as signs of life.
    ///
    /// **Cancel safe**: nothing is lost when the future is dropped, as in `tokio::select!`.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] when the peer broke the protocol and has been told so; [`Error::Io`]
    /// when the stream failed. Either is the end.
    pub async fn recv(&mut self) -> Result<Option<Event<'static>>, Error> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The events of one read, without copying them. Writes whatever was fed before it waits.
    ///
    /// The fast way to answer: what [`recv`](Self::recv) brings one by one and owned comes
    /// here as a [`Batch`] that borrows the bytes read. `None` is the end.
    ///
    /// ```
    /// use tidings_websocket::tokio::{Error, WebSocket};
    /// use tokio::net::TcpStream;
    ///
    /// async fn echo(mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
    ///     while let Some(mut batch) = websocket.recv_batch().await? {
    ///         while let Some(event) = batch.next() {
    ///             if event.is_message() {
    ///                 batch.send(event)?; // one write for the whole batch
    ///             }
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// A batch may be empty: a read need not end a message.
    ///
    /// **Cancel safe**: nothing is lost when the future is dropped, nor with a batch that was
    /// not looked at to its end.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv)'s.
    pub async fn recv_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        match poll_fn(|context| self.poll_input(context)).await? {
            Next::Bytes => Ok(Some(self.batch(None))),
            Next::End(Some(last)) => Ok(Some(self.batch(Some(last)))),
            Next::End(None) => Ok(None),
        }
    }

    fn batch(&mut self, last: Option<Event<'static>>) -> Batch<'_> {
        Batch {
            connection: &mut self.connection,
            phase: &mut self.phase,
            input: self.input.view(),
            charge: &mut self.charge,
            unsent_bytes_max: self.unsent_bytes_max,
            last,
        }
    }

    /// Appends a message or a control frame to what will be written by the next
    /// [`flush`](Self::flush) or [`recv`](Self::recv). Feed many, and they go out in one write.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn feed<'e>(&mut self, event: impl Into<Event<'e>>) -> Result<(), SendError> {
        self.connection.send(event)
    }

    /// [`feed`](Self::feed) for whole server frames that many connections share, not copied when
    /// they are big; see [`Connection::send_encoded`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn feed_encoded(&mut self, frames: &Bytes) -> Result<(), SendError> {
        self.connection.send_encoded(frames)
    }

    /// [`feed`](Self::feed) for a message whose payload others hold as well, not copied when it is
    /// big; see [`Connection::send_shared`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn feed_shared(&mut self, kind: MessageKind, payload: &Bytes) -> Result<(), SendError> {
        self.connection.send_shared(kind, payload)
    }

    /// [`feed`](Self::feed) for a message that was prepared once for many; see
    /// [`Connection::send_prepared`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn feed_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.connection.send_prepared(message)
    }

    /// Writes everything that was fed.
    ///
    /// **Cancel safe**: what was not written stays, for the next `flush` or `recv`.
    ///
    /// # Errors
    ///
    /// What the stream says; [`io::ErrorKind::ConnectionAborted`] when the connection has ended, or the
    /// peer was given up, before everything was written.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// [`feed`](Self::feed) and [`flush`](Self::flush).
    ///
    /// **Cancel safe** once polled: the event is sent whole, by a later `flush` or `recv`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if nothing was sent, [`Error::Io`] when the stream failed.
    pub async fn send<'e>(&mut self, event: impl Into<Event<'e>>) -> Result<(), Error> {
        self.feed(event)?;
        Ok(self.flush().await?)
    }

    /// Closes the connection in order: sends the Close, drops what still comes, waits for the
    /// peer's Close and the stream's end, for `within` at most.
    ///
    /// Gives what the peer answered; code 1006 when it did not in time.
    ///
    /// **Cancel safe**: `recv` and `close` continue where this was.
    ///
    /// # Errors
    ///
    /// [`SendError::CloseCode`] for a code that may not be sent, [`SendError::Closed`] when the
    /// last event came before, and the errors of [`recv`](Self::recv).
    pub async fn close(
        &mut self,
        close: Close<'_>,
        within: Duration,
    ) -> Result<Close<'static>, Error> {
        match self.connection.close(close) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        self.timers.begin_closing_within(within);
        loop {
            match self.recv().await? {
                Some(Event::Close(close)) => return Ok(close),
                Some(_) => {}
                None => return Err(SendError::Closed.into()),
            }
        }
    }

    /// How many bytes were fed and not yet written: what the room for more is measured by.
    pub fn unsent_bytes(&self) -> usize {
        self.connection.unsent_bytes()
    }

    /// How many bytes have come since the handshake. When it has grown, the peer is alive.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Whether it was closed by [`silence_close`](crate::keepalive::Options::silence_close): nothing came,
    /// not even an answer to a ping. Its end may tell of a Close that came after all, or of none.
    pub fn was_silent(&self) -> bool {
        self.silent
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Takes the connection apart, to drive it in another way. What was fed and not written is in
    /// the connection's output. A stream that holds bytes back, as TLS does, is
    /// [flushed](Self::flush) before.
    pub fn into_parts(self) -> Parts<S> {
        Parts {
            read_ahead: self.input.unhandled().to_vec(),
            stream: self.stream,
            connection: self.connection,
        }
    }
}

/// What a [`WebSocket`] is made of, to be put together again by
/// [`WebSocket::from_connection`].
#[derive(Debug)]
pub struct Parts<S> {
    /// The stream.
    pub stream: S,
    /// The protocol.
    pub connection: Connection,
    /// What was read from the stream and not yet handled.
    pub read_ahead: Vec<u8>,
}

/// Masking keys from the operating system (RFC 6455, 10.3), fetched for 64 frames at a time.
pub(super) fn random_mask_keys() -> impl FnMut() -> MaskKey + Send + Sync {
    let mut keys = [0; 64 * size_of::<MaskKey>()];
    let mut used = keys.len();
    move || {
        if used == keys.len() {
            getrandom::fill(&mut keys)
                .expect("the operating system gave randomness for the handshake");
            used = 0;
        }
        let key = std::array::from_fn(|at| keys[used + at]);
        used += size_of::<MaskKey>();
        key
    }
}

/// Why an open connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol or a limit, and was told so.
    #[error("the peer broke the WebSocket protocol: {0}")]
    Fault(#[from] Fault),
    /// Nothing was sent: the caller's mistake, or the connection is closing.
    #[error("nothing was sent: {0}")]
    Send(#[from] SendError),
    /// The stream failed.
    #[error("the connection was lost: {0}")]
    Io(#[from] io::Error),
}
