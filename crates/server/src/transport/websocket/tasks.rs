//! The WebSockets of a shard where there is no server loop: a task for each.
//!
//! It waits for whichever comes first: a frame, something to give when everything given before is
//! written, the end of the time for a hello, or of the server.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tidings_hub::Shard;
use tidings_websocket::tokio::{Error, WebSocket};
use tidings_websocket::{Close, Event};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::session::{Giver, Session};
use super::{CLOSING_WITHIN, HELLO_WITHIN, ROOM};
use crate::metrics::Counts;
use crate::shutdown::Drain;

/// Takes sockets in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sockets {
    counts: Arc<Counts>,
    drain: Drain,
}

/// What happened first.
enum Happened {
    Received(Option<Event<'static>>),
    Ready,
    HelloDeadline,
    Drain,
}

impl Sockets {
    /// Nothing is shared but the end, and what is counted.
    pub(crate) fn start(_: Shard, counts: Arc<Counts>, drain: Drain) -> io::Result<Self> {
        Ok(Self { counts, drain })
    }

    /// Nobody knows what the sockets of all tasks have not taken.
    pub(crate) async fn unsent_bytes(&self) -> Option<usize> {
        Some(0)
    }

    /// Holds a socket until it ends, in the task of the caller.
    pub(super) async fn hold(&self, websocket: WebSocket<TcpStream>, session: Session) {
        if let Err(error) = run(websocket, session, self).await {
            tracing::debug!(%error, "a WebSocket connection failed");
        }
    }
}

async fn run(
    mut websocket: WebSocket<TcpStream>,
    mut session: Session,
    sockets: &Sockets,
) -> Result<(), Error> {
    let mut drain = sockets.drain.clone();
    let mut hello_alarm = pin!(sleep(HELLO_WITHIN));
    let mut hello_is_awaited = true;
    let mut giver = Giver::default();
    loop {
        let end = give(&mut websocket, &mut session, &mut giver)?;
        giver.count(&sockets.counts);
        if let Some(close) = end {
            websocket.close(close, CLOSING_WITHIN).await?;
            return Ok(());
        }
        let happened = tokio::select! {
            happened = next(&mut websocket, &session) => happened?,
            () = hello_alarm.as_mut(), if hello_is_awaited => Happened::HelloDeadline,
            () = drain.begun() => Happened::Drain,
        };
        let close = match happened {
            Happened::Ready => None,
            Happened::Received(None) => return Ok(()),
            Happened::Received(Some(event)) => {
                // After our Close nothing is heard any more.
                if websocket.is_open() {
                    session.handle(&event);
                }
                None
            }
            Happened::HelloDeadline => {
                hello_is_awaited = false;
                session.handle_hello_deadline()
            }
            Happened::Drain => {
                let (reconnect, close) = session.farewell();
                if websocket.is_open() {
                    websocket.feed_encoded(&reconnect)?;
                }
                Some(close)
            }
        };
        if let Some(close) = close {
            websocket.close(close, CLOSING_WITHIN).await?;
            return Ok(());
        }
    }
}

/// Gives the client what there is, unless it has not taken yet what it was given before.
fn give(
    websocket: &mut WebSocket<TcpStream>,
    session: &mut Session,
    giver: &mut Giver,
) -> Result<Option<Close<'static>>, Error> {
    if websocket.unsent_bytes() > 0 || !websocket.is_open() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let end = session.poll(ROOM, giver, &mut out);
    for frames in out {
        websocket.feed_encoded(&frames)?;
    }
    Ok(end)
}

/// A frame, or something to give when everything is written: both in one future, because receiving is
/// what writes.
async fn next(websocket: &mut WebSocket<TcpStream>, session: &Session) -> Result<Happened, Error> {
    let mut ready = pin!(session.link.ready());
    poll_fn(|context| {
        if let Poll::Ready(event) = websocket.poll_recv(context) {
            return Poll::Ready(event.map(Happened::Received));
        }
        if websocket.unsent_bytes() > 0 || !websocket.is_open() {
            return Poll::Pending;
        }
        ready.as_mut().poll(context).map(|()| Ok(Happened::Ready))
    })
    .await
}
