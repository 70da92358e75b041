//! A connection on a stream: the core, driven by one task.
//!
//! Reading drives everything. [`WebSocket::recv`] hands out all events of what was read before
//! it waits, and before it waits it writes whatever was fed in the meantime, in one write. So
//! the plainest loop is the fast one.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::time::{Sleep, sleep};
use bytes::{Buf, Bytes};

use super::Options;
use super::input::Input;
use crate::close::Close;
use crate::connection::Connection;
use crate::error::{Fault, SendError};
use crate::event::Event;
use crate::frame::Role;
use crate::mask::MaskKey;
use crate::message::MessageKind;

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
    stream: S,
    connection: Connection,
    input: Input,
    received_bytes: u64,
    /// The stream took bytes that it may hold back until it is flushed.
    unflushed: bool,
    phase: Phase,
    /// When to give a closing connection up.
    deadline: Option<Pin<Box<Sleep>>>,
    options: Options,
}

#[derive(Debug)]
enum Phase {
    /// Events may come.
    Receiving,
    /// The last event, or the peer's fault, is known and waits until the stream is closed in order.
    Ending(Box<Ending>),
    /// Nothing comes any more.
    Ended,
}

#[derive(Debug)]
struct Ending {
    outcome: Result<Event<'static>, Fault>,
    shut_down: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's end, after its handshake. `read_ahead` is what was already read after the
    /// request.
    pub fn server(stream: S, read_ahead: impl Into<Vec<u8>>, options: Options) -> Self {
        let connection = Connection::server(options.config);
        Self::from_connection(stream, read_ahead, connection, options)
    }

    /// The client's end, after its handshake. `read_ahead` is what was already read after the
    /// response.
    pub fn client(stream: S, read_ahead: impl Into<Vec<u8>>, options: Options) -> Self {
        let connection = Connection::client(options.config, random_mask_keys());
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
            phase: Phase::Receiving,
            deadline: None,
            options,
        }
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

    /// Writes everything that was fed.
    ///
    /// **Cancel safe**: what was not written stays, for the next `flush` or `recv`.
    ///
    /// # Errors
    ///
    /// What the stream says.
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
        self.deadline = Some(Box::pin(sleep(within)));
        loop {
            match self.recv().await? {
                Some(Event::Close(close)) => return Ok(close),
                // A peer that never stops talking must not keep us beyond the deadline.
                Some(_)
                    if self
                        .deadline
                        .as_ref()
                        .is_some_and(|deadline| deadline.is_elapsed()) =>
                {
                    self.end();
                    return Ok(Close::abnormal());
                }
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

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    ///
    /// As `recv`'s.
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Event<'static>>, Error>> {
        let outcome = match self.poll_event(context) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending if self.deadline_has_passed(context) => self.give_up(),
            Poll::Pending => return Poll::Pending,
        };
        if matches!(outcome, Err(_) | Ok(None | Some(Event::Close(_)))) {
            self.end();
        }
        Poll::Ready(outcome)
    }

    /// [`flush`](Self::flush) for hand-written futures.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = &mut self.stream;
        let output = self.connection.output();
        while output.has_remaining() {
            let written = ready!(if stream.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = output.chunks_vectored(&mut slices);
                Pin::new(&mut *stream).poll_write_vectored(context, &slices[..filled])
            } else {
                Pin::new(&mut *stream).poll_write(context, output.chunk())
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Event<'static>>, Error>> {
        loop {
            match &self.phase {
                Phase::Receiving => {}
                Phase::Ending(_) => return self.poll_ending(context),
                Phase::Ended => return Poll::Ready(Ok(None)),
            }
            if self.is_within_unsent_limit() {
                // Every event of one read, before one write.
                let event = self.input.take(|bytes| {
                    let event = self.connection.receive(bytes)?;
                    Ok(event.map(Event::into_owned))
                });
                match event {
                    Ok(Some(close @ Event::Close(_))) => self.end_with(Ok(close)),
                    Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                    Ok(None) => {}
                    Err(fault) => self.end_with(Err(fault)),
                }
                if !matches!(self.phase, Phase::Receiving) {
                    continue;
                }
            }
            if let Poll::Ready(Err(error)) = self.poll_flush(context) {
                return Poll::Ready(Err(error.into()));
            }
            if !self.is_within_unsent_limit() {
                return Poll::Pending; // until the peer reads
            }
            if !self.input.is_empty() {
                continue;
            }
            match ready!(self.input.poll_read(&mut self.stream, context))? {
                0 => return Poll::Ready(Ok(self.connection.handle_eof())),
                bytes => self.received_bytes += bytes as u64,
            }
        }
    }

    /// RFC 6455, 7.1.1: the server closes the stream first, and reads what still comes, because
    /// a stream closed with bytes unread is reset, and the peer might never see the Close.
    fn poll_ending(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Event<'static>>, Error>> {
        let Phase::Ending(ending) = &self.phase else {
            return Poll::Ready(Ok(None));
        };
        let (orderly, shut_down) = (ending.outcome.is_ok(), ending.shut_down);
        let role = self.connection.role();
        // The outcome is known: whatever the stream says now changes nothing.
        let _ = ready!(self.poll_flush(context));
        if !shut_down && (role == Role::Server || !orderly) {
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        }
        if let Phase::Ending(ending) = &mut self.phase {
            ending.shut_down = true;
        }
        // After the Closes of both, only a client has something to wait for: the server's end.
        if role == Role::Client || !orderly {
            while let Ok(1..) = ready!(self.input.poll_read(&mut self.stream, context)) {
                self.input.release();
            }
        }
        Poll::Ready(self.outcome())
    }

    /// Nothing is received or sent any more.
    fn end(&mut self) {
        self.connection.handle_eof();
        self.phase = Phase::Ended;
        self.deadline = None;
        self.input.release();
    }

    fn end_with(&mut self, outcome: Result<Event<'static>, Fault>) {
        self.input.release();
        self.phase = Phase::Ending(Box::new(Ending {
            outcome,
            shut_down: false,
        }));
    }

    /// Whether a closing connection has taken too long. The deadline begins with the closing.
    fn deadline_has_passed(&mut self, context: &mut Context<'_>) -> bool {
        if self.connection.is_open() {
            return false;
        }
        let within = self.options.closing_within;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(within)));
        deadline.as_mut().poll(context).is_ready()
    }

    fn give_up(&mut self) -> Result<Option<Event<'static>>, Error> {
        match self.phase {
            Phase::Ending(_) => self.outcome(),
            Phase::Receiving | Phase::Ended => Ok(self.connection.handle_eof()),
        }
    }

    fn outcome(&mut self) -> Result<Option<Event<'static>>, Error> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ending(ending) => Ok(Some(ending.outcome?)),
            Phase::Receiving | Phase::Ended => Ok(None),
        }
    }

    fn is_within_unsent_limit(&self) -> bool {
        self.connection.unsent_bytes() <= self.options.unsent_bytes_max
    }
}

/// A write takes this many pieces. Most have one or two; the kernel would take 1,024.
const SLICES_MAX: usize = 32;

/// Masking keys from the operating system (RFC 6455, 10.3), fetched for 64 frames at a time.
fn random_mask_keys() -> impl FnMut() -> MaskKey + Send + Sync {
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
