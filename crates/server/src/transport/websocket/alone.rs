//! A WebSocket on a stream that no epoll knows, as over TLS or HTTP/2: a task of its own.
//!
//! It does for one what [`sockets`](super::sockets) do for thousands: hears the client, and gives it what
//! there is when everything it was given before is written.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tidings_websocket::tokio::{Error, WebSocket};
use tidings_websocket::{CloseCode, Event};
use tidings_wire::Code;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::frames::{self, WebSocketFrames};
use super::is_in_vain;
use crate::metrics::Counts;
use crate::shutdown::Drain;
use crate::transport::framed::{Giver, HELLO_WITHIN, ROOM, Session};

/// What those of a shard share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) giver: Rc<RefCell<Giver<WebSocketFrames>>>,
    /// Room for what one is given; empty when none is.
    pub(super) given: Rc<Cell<Vec<Bytes>>>,
    pub(super) counts: Arc<Counts>,
    pub(super) drain: Drain,
}

/// What a connection has waited for.
enum Turn {
    Came(Result<Option<Event<'static>>, Error>),
    /// The session may have something, and there is room.
    MayGive,
    /// The time for a hello is over.
    HelloDue,
    Draining,
}

/// Holds a WebSocket until it ends.
pub(super) async fn hold<S>(
    mut websocket: Box<WebSocket<S>>,
    mut session: Box<Session>,
    shared: &Shared,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut hello = Some(Box::pin(sleep(HELLO_WITHIN)));
    let mut drained = pin!(shared.drain.begun());
    let mut is_draining = false;
    let code = loop {
        give(&mut websocket, &mut session, shared);
        if is_draining
            && let Some((reconnect, end)) = session.farewell::<WebSocketFrames>(&shared.drain)
        {
            // Either fails when the connection is closing already.
            let _ = websocket.feed_encoded(&reconnect);
            let _ = websocket.feed(Event::Close(frames::close(end)));
        }
        let turn = poll_fn(|context| {
            if !is_draining && drained.as_mut().poll(context).is_ready() {
                return Poll::Ready(Turn::Draining);
            }
            // It writes as well, and so may make room.
            if let Poll::Ready(came) = websocket.poll_recv(context) {
                return Poll::Ready(Turn::Came(came));
            }
            if has_room(&websocket) && pin!(session.link.ready()).poll(context).is_ready() {
                return Poll::Ready(Turn::MayGive);
            }
            match hello.as_mut().map(|hello| Pin::new(hello).poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(Turn::HelloDue),
                _ => Poll::Pending,
            }
        });
        match turn.await {
            Turn::Came(Ok(Some(Event::Close(close)))) => break close.code,
            // After our Close nothing is heard any more.
            Turn::Came(Ok(Some(event))) if websocket.is_open() => {
                frames::hear(&mut session, &event);
                hello = hello.filter(|_| session.link.user().is_none());
            }
            Turn::Came(Ok(Some(_))) | Turn::MayGive => {}
            Turn::Came(Ok(None)) => break CloseCode::ABNORMAL,
            Turn::Came(Err(error)) => {
                tracing::debug!(%error, "a WebSocket connection failed");
                if is_in_vain(&error) {
                    session.counted.closed(Code::Idle);
                }
                break CloseCode::ABNORMAL;
            }
            Turn::HelloDue => {
                hello = None;
                if let Some(end) = session.handle_hello_deadline() {
                    let _ = websocket.feed(Event::Close(frames::close(end)));
                }
            }
            Turn::Draining => {
                is_draining = true;
                session.leave();
            }
        }
    };
    if websocket.was_silent() {
        session.counted.closed(Code::Idle);
    }
    // The connection counts until its stream is closed.
    let permit = session.end(frames::parting(code));
    drop(websocket);
    drop(permit);
}

/// Whether the client has taken everything that it was given before.
fn has_room<S>(websocket: &WebSocket<S>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    websocket.is_open() && websocket.unsent_bytes() == 0
}

/// Gives the client what there is, if it has room.
fn give<S>(websocket: &mut WebSocket<S>, session: &mut Session, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !has_room(websocket) {
        return;
    }
    let mut given = shared.given.take();
    let mut giver = shared.giver.borrow_mut();
    let end = session.poll(ROOM, &mut giver, &mut given);
    giver.count(&shared.counts);
    for frames in given.drain(..) {
        // An open server's WebSocket, in no fragmented message, takes whole frames and a Close.
        let _ = websocket.feed_encoded(&frames);
    }
    shared.given.set(given);
    if let Some(end) = end {
        let _ = websocket.feed(Event::Close(frames::close(end)));
    }
}
