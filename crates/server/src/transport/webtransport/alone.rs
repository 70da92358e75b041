//! One session of WebTransport, in a task of its own: hears the client, and gives it what there is when everything it was
//! given before is written.
//!
//! What is written is kept by QUIC until it is acknowledged, up to a bound; then the stream takes no more. So a reader
//! that does not read costs that, the room of one time, and a cursor.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, Stream as _, StreamExt as _};
use quinn::ConnectionError;
use tidings_wire::Code;
use tokio::time::{Instant, sleep_until, timeout};
use web_transport_quinn::{
    ReadError, RecvStream, SendStream, Session as Connection, SessionError, WebTransportError,
};

use super::Shared;
use super::framing::{Deframer, StreamFrames, TooLarge};
use crate::transport::framed::{CLOSING_WITHIN, End, Parting, ROOM, Session};

/// What is read at a time, in bytes, before others have a turn.
const READ_BYTES_MAX: usize = 16 << 10;

/// By which a client says that it goes for good, as by a WebSocket's close code.
const NORMAL: u32 = 1000;

/// What carries a session.
pub(super) struct Way {
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) deframer: Deframer,
    /// What was given and QUIC has not taken yet.
    pub(super) unsent: Vec<Bytes>,
}

/// What a connection has waited for.
enum Turn {
    Came(Bytes),
    /// The client says nothing more on its stream, or it cannot be written to any more.
    Ended,
    Datagram(Bytes),
    /// The session may have something, and there is room.
    MayGive,
    /// The time for a hello is over.
    HelloDue,
    Draining,
    Closed(SessionError),
}

/// Holds a session until it ends.
pub(super) async fn hold(mut way: Way, mut session: Session, hello_due: Instant, shared: Shared) {
    let connection = way.connection.clone();
    let mut closed = pin!(connection.closed());
    let mut datagrams = pin!(stream::unfold(&connection, next_datagram).fuse());
    let mut drained = pin!(shared.drain.begun());
    let mut hello = Some(Box::pin(sleep_until(hello_due)));
    let mut is_draining = false;
    let end = loop {
        if let Some(end) = way.give(&mut session, &shared) {
            break Ok(end);
        }
        if is_draining
            && let Some((reconnect, end)) = session.farewell::<StreamFrames>(&shared.drain)
        {
            way.unsent.push(reconnect);
            break Ok(end);
        }
        let turn = poll_fn(|context| {
            if let Poll::Ready(error) = closed.as_mut().poll(context) {
                return Poll::Ready(Turn::Closed(error));
            }
            if !is_draining && drained.as_mut().poll(context).is_ready() {
                return Poll::Ready(Turn::Draining);
            }
            if let Poll::Ready(Some(datagram)) = datagrams.as_mut().poll_next(context) {
                return Poll::Ready(Turn::Datagram(datagram));
            }
            // Whoever says much does not keep what is for them waiting.
            let written = way.poll_write(context);
            if let Poll::Ready(read) = way.poll_read(context) {
                return Poll::Ready(read.map_or(Turn::Ended, Turn::Came));
            }
            match written {
                Poll::Ready(true) if pin!(session.link.ready()).poll(context).is_ready() => {
                    return Poll::Ready(Turn::MayGive);
                }
                Poll::Ready(false) => return Poll::Ready(Turn::Ended),
                _ => {}
            }
            match hello.as_mut().map(|hello| Pin::new(hello).poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(Turn::HelloDue),
                _ => Poll::Pending,
            }
        });
        match turn.await {
            Turn::Came(bytes) => {
                if let Err(end) = way.hear(&bytes, &mut session) {
                    break Ok(end);
                }
            }
            Turn::Datagram(datagram) => session.handle_apart(&datagram),
            Turn::MayGive => {}
            Turn::HelloDue => {
                hello = None;
                if let Some(end) = session.handle_hello_deadline() {
                    break Ok(end);
                }
            }
            Turn::Draining => {
                is_draining = true;
                session.leave();
            }
            Turn::Ended => {
                break Ok(End {
                    code: 1000,
                    reason: "the stream was ended".into(),
                });
            }
            Turn::Closed(error) => break Err(error),
        }
    };
    let parting = match end {
        Ok(end) => {
            // What was said before the end is heard before it.
            let _ = timeout(CLOSING_WITHIN, way.finish()).await;
            close(&connection, &end).await;
            Parting::Lost
        }
        Err(error) => {
            if is_silent(&connection, &error) {
                session.counted.closed(Code::Idle);
            }
            tracing::debug!(%error, "a session of WebTransport has ended");
            parting(&error)
        }
    };
    drop(session.end(parting));
}

/// The next datagram of the session, and past it; `None` when the connection is over.
async fn next_datagram(connection: &Connection) -> Option<(Bytes, &Connection)> {
    loop {
        match connection.read_datagram().await {
            Ok(datagram) => return Some((datagram, connection)),
            // It names another session, or none: nobody's, as if it had been lost.
            Err(SessionError::WebTransportError(WebTransportError::UnknownSession)) => {}
            Err(_) => return None,
        }
    }
}

/// Ends a session, and waits until the client knows, or has had its time.
pub(super) async fn close(connection: &Connection, end: &End) {
    connection.close(end.code.into(), end.reason.as_bytes());
    let _ = timeout(CLOSING_WITHIN, connection.closed()).await;
}

impl Way {
    /// Gives the client what there is, if it has taken everything before. How to end then, if it is to.
    fn give(&mut self, session: &mut Session, shared: &Shared) -> Option<End> {
        if !self.unsent.is_empty() {
            return None;
        }
        let mut giver = shared.giver.borrow_mut();
        let end = session.poll(ROOM, &mut giver, &mut self.unsent);
        for signal in giver.take_apart() {
            let bytes = signal.bytes(session.format);
            if bytes.len() <= self.connection.max_datagram_size() {
                giver.gave_apart(bytes.len());
                // Where too many wait the oldest is lost, and all of them with the connection: they are signals.
                let _ = self.connection.send_datagram(bytes.clone());
            } else {
                self.unsent
                    .push(giver.frames(session.terms(), &[signal]).clone());
            }
        }
        giver.count(&shared.counts);
        end
    }

    /// What comes next on the client's stream; `None` at its end.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Dropped and asked again it loses nothing: QUIC keeps what came, and wakes whoever asked last.
        let read = pin!(self.recv.read_chunk(READ_BYTES_MAX, true));
        read.poll(context).map(|read| match read {
            Ok(chunk) => chunk.map(|chunk| chunk.bytes),
            Err(ReadError::SessionError(_)) => None, // which is told by itself
            Err(error) => {
                tracing::debug!(%error, "a stream of WebTransport failed");
                None
            }
        })
    }

    /// Writes what is unsent: ready when that is all, or with `false` when nobody takes it any more.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        while !self.unsent.is_empty() {
            // As above; what it takes of a piece is gone from it.
            let written = pin!(self.send.write_chunks(&mut self.unsent)).poll(context);
            match written {
                Poll::Ready(Ok(written)) => drop(self.unsent.drain(..written.chunks)),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.unsent = Vec::new(); // who is idle holds nothing
        Poll::Ready(true)
    }

    /// Hands the session what came.
    fn hear(&mut self, bytes: &[u8], session: &mut Session) -> Result<(), End> {
        self.deframer.handle(bytes);
        loop {
            match self.deframer.poll() {
                Ok(Some(object)) => session.handle(&object),
                Ok(None) => return Ok(()),
                Err(TooLarge) => {
                    session.counted.closed(Code::TooLarge);
                    return Err(End::by(Code::TooLarge, "a frame is larger than it may be"));
                }
            }
        }
    }

    /// Writes the rest and ends our side of the stream, then waits for the client to end its own: it does so when it
    /// has read everything.
    async fn finish(&mut self) {
        if poll_fn(|context| self.poll_write(context)).await && self.send.finish().is_ok() {
            while poll_fn(|context| self.poll_read(context)).await.is_some() {}
        }
    }
}

/// Whether a session that we have not ended was over because nothing came from its client. The crate, when it finds the
/// CONNECT's stream broken, closes the connection itself, by which the first reason is lost: so it is ours, and the client
/// has not said that it goes.
fn is_silent(connection: &Connection, error: &SessionError) -> bool {
    match error {
        SessionError::ConnectionError(ConnectionError::TimedOut) => true,
        SessionError::ConnectionError(ConnectionError::LocallyClosed) => {
            let quic: &quinn::Connection = connection;
            quic.stats().frame_rx.connection_close == 0
        }
        _ => false,
    }
}

fn parting(error: &SessionError) -> Parting {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(NORMAL, _)) => Parting::Meant,
        _ => Parting::Lost,
    }
}
