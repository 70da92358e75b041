//! A connection as a [`Stream`] of events and a [`Sink`] for them, for the combinators of
//! `futures-util`.
//!
//! ```
//! use futures_util::future::{Ready, ready};
//! use futures_util::{StreamExt as _, TryStreamExt as _};
//! use tidings_websocket::Event;
//! use tidings_websocket::tokio::{Error, WebSocket};
//! use tokio::net::TcpStream;
//!
//! async fn echo(websocket: WebSocket<TcpStream>) -> Result<(), Error> {
//!     let (sink, stream) = websocket.split();
//!     stream.try_filter(is_message).forward(sink).await
//! }
//!
//! fn is_message(event: &Event<'_>) -> Ready<bool> {
//!     ready(event.is_message())
//! }
//! ```
//!
//! Give the combinators functions, as above: in a task that may move between threads rustc takes no
//! closure that looks at a type with a lifetime, such as [`Event`], even where that is `'static`
//! ("implementation of `FnOnce` is not general enough", rust-lang/rust#110338).
//!
//! The two halves may live in two tasks. Receiving writes as well, so a task that polls the
//! stream sends pongs, the answer to a Close and whatever was fed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::task::coop;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::drive::Phase;
use super::waiting::Half;
use super::websocket::{Error, WebSocket};
use crate::close::{Close, CloseCode};
use crate::error::SendError;
use crate::event::Event;

/// As [`recv`](WebSocket::recv): the last event is a Close, or the last item an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Event<'static>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(context).map(Result::transpose)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocket<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

/// Feeding writes nothing: many events that are fed go out in one write when the sink is flushed,
/// or when [`Options::unsent_bytes_max`](super::Options::unsent_bytes_max) is reached, where
/// `poll_ready` waits until the peer has read.
///
/// Closing the sink sends a Close with code 1000 and waits until it is written; the peer's
/// answer comes from the stream. A Close after a Close is taken and dropped, so that a stream
/// that is forwarded whole ends in order.
impl<'e, S: AsyncRead + AsyncWrite + Unpin> Sink<Event<'e>> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        // Whoever feeds without end lets others have their turn, too.
        let turn = ready!(coop::poll_proceed(context));
        if !self.has_room() {
            let flushed = WebSocket::poll_flush(&mut self, context)?;
            if flushed.is_pending() && !self.has_room() {
                return Poll::Pending;
            }
        }
        turn.made_progress();
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, event: Event<'e>) -> Result<(), Self::Error> {
        let closes = matches!(event, Event::Close(_));
        match self.connection.send(event) {
            Err(SendError::Closed) if closes => return Ok(()),
            outcome => outcome?,
        }
        if closes {
            // Whoever waits for events has a deadline now.
            self.waiting.wake(Half::Receiving);
        }
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        WebSocket::poll_flush(&mut self, context).map_err(Error::Io)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        if self.is_open() {
            let close = Event::Close(Close::new(CloseCode::NORMAL, ""));
            self.as_mut().start_send(close)?;
        }
        Sink::poll_flush(self, context)
    }
}
