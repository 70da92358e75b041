//! How a connection on a stream moves: written before it is read, read until there is something
//! to hand out, and ended in order.
//!
//! Everything public stands on two polls: [`WebSocket::poll_input`] waits until bytes of the peer
//! can be handled, [`WebSocket::poll_write`] until nothing waits to be written.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::task::coop;
use bytes::Buf;

use super::buffers;
use super::waiting::Half;
use super::websocket::{Error, WebSocket};
use crate::close::{Close, CloseCode};
use crate::error::Fault;
use crate::event::Event;
use crate::frame::Role;
use crate::keepalive::Action;

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Events may come.
    Receiving,
    /// When writing has failed: what the peer had sent before is still read, its Close among it.
    /// Without a Close the failure is what comes last.
    WriteFailed(io::Error),
    /// When the last event, or the peer's fault, is known and the stream is being closed in order.
    Ending(Box<Ending>),
    /// Nothing comes any more.
    Ended,
}

/// What comes when the stream is closed.
#[derive(Debug)]
pub(super) struct Ending {
    /// The Close; `None` if it was handed out before.
    outcome: Result<Option<Event<'static>>, Fault>,
    shut_down: bool,
}

/// What came of waiting for input.
#[derive(Debug)]
pub(super) enum Next {
    /// Bytes of the peer wait to be handled.
    Bytes,
    /// The end, with the last event unless it was handed out before.
    End(Option<Event<'static>>),
}

impl Phase {
    pub(super) fn ending(outcome: Result<Option<Event<'static>>, Fault>) -> Self {
        Self::Ending(Box::new(Ending {
            outcome,
            shut_down: false,
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    ///
    /// As `recv`'s.
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Event<'static>>, Error>> {
        loop {
            if let Next::End(last) = ready!(self.poll_input(context))? {
                return Poll::Ready(Ok(last));
            }
            // Every event of one read, before one write.
            let event = self.input.take(|bytes| {
                let event = self.connection.receive(bytes)?;
                Ok(event.map(Event::into_owned))
            });
            match event {
                Ok(Some(close @ Event::Close(_))) => self.phase = Phase::ending(Ok(Some(close))),
                Ok(Some(event)) => {
                    self.charge += 1;
                    return Poll::Ready(Ok(Some(event)));
                }
                Ok(None) => {}
                Err(fault) => self.phase = Phase::ending(Err(fault)),
            }
        }
    }

    /// [`flush`](Self::flush) for hand-written futures.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Phase::WriteFailed(error) = &self.phase {
            return Poll::Ready(Err(copied(error)));
        }
        if self.output_lost {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let outcome = self.poll_write(Half::Sending, context);
        match &outcome {
            Poll::Pending => self.waiting.keep(Half::Sending, context.waker()),
            Poll::Ready(outcome) => {
                self.waiting.forget(Half::Sending);
                if let Err(error) = outcome {
                    self.write_failed(copied(error));
                    self.waiting.wake(Half::Receiving);
                }
            }
        }
        outcome
    }

    /// Waits until bytes of the peer can be handled, or for the end. Writes before it waits.
    ///
    /// An error is an end, too: after it comes `End(None)`.
    pub(super) fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Error>> {
        loop {
            let outcome = match self.poll_closing(context) {
                Poll::Ready(gave_up) => Poll::Ready(gave_up),
                Poll::Pending => match &self.phase {
                    Phase::Receiving | Phase::WriteFailed(_) => self.poll_open(context),
                    Phase::Ending(_) => self.poll_ending(context),
                    Phase::Ended => Poll::Ready(Ok(Next::End(None))),
                },
            };
            match outcome {
                Poll::Ready(Ok(Next::Bytes)) => return outcome,
                Poll::Ready(_) => {
                    self.end();
                    return outcome;
                }
                Poll::Pending => {}
            }
            if self.connection.is_open() {
                match self.timers.poll(context) {
                    Poll::Ready(Action::Ping) => {
                        // An open connection takes a ping; going on writes it.
                        let _ = self.connection.send(Event::Ping((&b""[..]).into()));
                        continue;
                    }
                    Poll::Ready(Action::GiveUp) => {
                        if let Some((code, reason)) = self.timers.silence_close()
                            && self.connection.close(Close::new(code, reason)).is_ok()
                        {
                            self.silent = true;
                            continue; // it is written, and the deadline of a closing one runs
                        }
                        let gave_up = self.give_up();
                        self.end();
                        return Poll::Ready(gave_up);
                    }
                    Poll::Ready(Action::Wait) | Poll::Pending => {}
                }
            } else if self.timers.begin_closing() {
                continue; // the closing began just now, and so does its deadline
            }
            self.waiting.keep(Half::Receiving, context.waker());
            return Poll::Pending;
        }
    }

    /// Whether a closing connection has taken too long. It is asked before anything is read: a
    /// peer that never stops talking must not keep us.
    fn poll_closing(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Error>> {
        if self.connection.is_open() || matches!(self.phase, Phase::Ended) {
            return Poll::Pending;
        }
        self.timers.begin_closing();
        ready!(self.timers.poll(context));
        Poll::Ready(self.give_up())
    }

    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Error>> {
        loop {
            if self.has_room() && self.has_input() {
                return Poll::Ready(Ok(Next::Bytes));
            }
            match self.poll_write(Half::Receiving, context) {
                Poll::Ready(Ok(())) => self.waiting.wake(Half::Sending),
                Poll::Ready(Err(error)) => {
                    self.write_failed(error);
                    self.waiting.wake(Half::Sending);
                }
                Poll::Pending => {}
            }
            if !self.has_room() {
                return Poll::Pending; // until the peer reads
            }
            if self.has_input() {
                continue;
            }
            ready!(self.poll_turn(context));
            match ready!(self.input.poll_read(&mut self.stream, context)) {
                Ok(0) => return Poll::Ready(self.conclude(None)),
                Ok(bytes) => {
                    self.received_bytes += bytes as u64;
                    self.charge += bytes / BYTES_PER_UNIT;
                    self.timers.hear();
                    buffers::lend_output(&mut self.connection);
                }
                // TLS says so when the stream ended without its farewell. WebSocket has one of its
                // own, and tells 1006 where that is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(self.conclude(None));
                }
                Err(error) => return Poll::Ready(self.conclude(Some(error))),
            }
        }
    }

    /// Pays for what the last read brought, out of what tokio lets a task do before others have
    /// their turn. Paying before the next read keeps no buffer while the others run.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.charge = self.charge.min(UNITS_MAX);
        while self.charge > 0 {
            ready!(coop::poll_proceed(context)).made_progress();
            self.charge -= 1;
        }
        Poll::Ready(())
    }

    /// Writes everything, on behalf of either half.
    fn poll_write(&mut self, half: Half, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed && self.connection.unsent_bytes() == 0 {
            buffers::advance_output(&mut self.connection, 0); // lent and not needed
            return Poll::Ready(Ok(()));
        }
        self.waiting.poll_writing(half, context, |context| {
            while self.connection.unsent_bytes() > 0 {
                let output = self.connection.output();
                let Poll::Ready(written) = poll_write_some(&mut self.stream, output, context)?
                else {
                    self.write_blocked = true;
                    return Poll::Pending;
                };
                buffers::advance_output(&mut self.connection, written);
                self.unflushed = true;
                // The peer has taken something since: it is alive, though we may not be reading.
                if mem::take(&mut self.write_blocked) {
                    self.timers.hear();
                }
            }
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
            Poll::Ready(Ok(()))
        })
    }

    /// RFC 6455, 7.1.1: the server closes the stream first. Who closes without the peer's Close reads
    /// what still comes, because a stream closed with bytes unread is reset, and the peer might never
    /// see ours.
    fn poll_ending(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Error>> {
        self.input.release();
        let Phase::Ending(ending) = &self.phase else {
            return Poll::Ready(Ok(Next::End(None)));
        };
        let (orderly, shut_down) = (ending.outcome.is_ok(), ending.shut_down);
        let role = self.connection.role();
        // The outcome is known: whatever the stream says now changes nothing.
        let _ = ready!(self.poll_write(Half::Receiving, context));
        self.waiting.wake(Half::Sending);
        let closes_first = role == Role::Server || !orderly;
        if !shut_down && closes_first {
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
        if !closes_first {
            // RFC 8446, 6.1: TLS says its farewell in both directions.
            let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        }
        Poll::Ready(self.give_up())
    }

    /// The stream has ended, or failed with `error`.
    fn conclude(&mut self, error: Option<io::Error>) -> Result<Next, Error> {
        match (&self.phase, error) {
            (Phase::Receiving, Some(error)) => Err(error.into()),
            _ => self.give_up(),
        }
    }

    /// What is known is the end.
    fn give_up(&mut self) -> Result<Next, Error> {
        match mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ending(ending) => Ok(Next::End(ending.outcome?)),
            Phase::WriteFailed(error) => Err(error.into()),
            Phase::Receiving | Phase::Ended => Ok(Next::End(self.connection.handle_eof())),
        }
    }

    /// Nothing is received or sent any more.
    fn end(&mut self) {
        self.connection.handle_eof();
        self.forget_output();
        self.input.release();
        self.timers.stop();
        self.phase = Phase::Ended;
        // The stream may never be writable again.
        self.waiting.wake(Half::Sending);
    }

    /// Nothing can be sent any more, but what the peer had sent may still be read.
    fn write_failed(&mut self, error: io::Error) {
        // That lets messages still come, and nothing be sent. It fails only if a Close was sent.
        let _ = self.connection.close(Close::new(CloseCode::GOING_AWAY, ""));
        self.forget_output();
        if matches!(self.phase, Phase::Receiving) {
            self.phase = Phase::WriteFailed(error);
        }
    }

    fn forget_output(&mut self) {
        let unsent_bytes = self.connection.unsent_bytes();
        self.output_lost |= unsent_bytes > 0 || self.unflushed;
        buffers::advance_output(&mut self.connection, unsent_bytes);
        self.unflushed = false;
    }

    /// Whether the connection can go on without a read.
    fn has_input(&self) -> bool {
        !self.input.is_empty() || self.connection.has_more()
    }

    /// Whether so little is unsent that more may be fed, and more events handed out.
    pub(super) fn has_room(&self) -> bool {
        self.connection.unsent_bytes() <= self.unsent_bytes_max
    }
}

fn poll_write_some<S: AsyncWrite + Unpin>(
    stream: &mut S,
    output: &impl Buf,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let written = ready!(if stream.is_write_vectored() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = output.chunks_vectored(&mut slices);
        Pin::new(stream).poll_write_vectored(context, &slices[..filled])
    } else {
        Pin::new(stream).poll_write(context, output.chunk())
    })?;
    Poll::Ready(match written {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    })
}

/// The same error for a second one who asks.
fn copied(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

/// A write takes this many pieces. Most have one or two; the kernel would take 1,024.
const SLICES_MAX: usize = 32;

/// Reading this much costs one of the 128 units that tokio gives a task for a turn, beside the one
/// that its sockets take for the read, so that a turn reads at most 512 KiB: some 0.2 ms. An
/// event costs one, so that a turn hands out 128, and what is left of a read.
const BYTES_PER_UNIT: usize = 4096;

/// No read costs more than a whole turn.
const UNITS_MAX: usize = 128;
