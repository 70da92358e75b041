//! WebTransport: frames both ways on one stream of a QUIC connection, and signals beside them as datagrams.
//!
//! A connection is one session of WebTransport. [`handshake`] answers its CONNECT, after which the client has the time
//! of a hello to open its stream and to say who it is; [`alone`] holds it from then on. How frames are marked off is
//! [`framing`]'s; what is said is [`Session`]'s, as over a WebSocket.

mod alone;
pub(crate) mod framing;
mod handshake;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidings_hub::Auth;
use tidings_wire::Code;
use tokio::time::{Instant, timeout, timeout_at};

use self::alone::Way;
use self::framing::{Deframer, StreamFrames};
use self::handshake::Accepted;
use super::framed::{Compression, End, Giver, HELLO_WITHIN, Session};
use super::{Counted, Transport};
use crate::connection::Permit;
use crate::http::Doors;
use crate::metrics::Counts;
use crate::quic::Arrival;
use crate::shutdown::Drain;

/// What the sessions of a shard share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    giver: Rc<RefCell<Giver<StreamFrames>>>,
    counts: Arc<Counts>,
    drain: Drain,
}

impl Shared {
    /// For those that count in `counts`.
    pub(crate) fn new(counts: &Arc<Counts>, drain: &Drain) -> Self {
        Self {
            giver: Rc::default(),
            counts: counts.clone(),
            drain: drain.clone(),
        }
    }
}

/// Carries a connection from its arrival to its end, on the thread of the shard whose doors these are.
pub(crate) async fn carry(arrival: Arrival, doors: Doors, permit: Rc<Permit>) {
    let Arrival { incoming, place } = arrival;
    let Some(told) = &doors.app.webtransport else {
        return incoming.refuse(); // there is no endpoint then
    };
    // In a box, so that whoever is connected keeps nothing of it.
    let handshake = Box::pin(handshake::accept(incoming, &doors.app));
    let accepted = tokio::select! {
        accepted = timeout(told.handshake_within, handshake) => accepted,
        () = place => return tracing::debug!("a handshake of WebTransport has made room for another"),
        // What is not open yet is opened to the next process.
        () = doors.app.drain.begun() => return,
    };
    permit.settle();
    let shared = doors.webtransport.clone();
    match accepted {
        Ok(Ok(accepted)) => {
            if let Some((way, session, hello_due)) = greet(accepted, doors, permit).await {
                // A task of its own, which keeps nothing of this one.
                tokio::task::spawn_local(alone::hold(way, session, hello_due, shared));
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "a handshake of WebTransport failed"),
        Err(_) => tracing::debug!("a handshake of WebTransport took too long"),
    }
}

/// Waits for the client's stream; gives it with its session, and when the time for a hello is over. Whoever opens none, or
/// may not come in, was told so.
async fn greet(
    accepted: Accepted,
    doors: Doors,
    permit: Rc<Permit>,
) -> Option<(Way, Session, Instant)> {
    let Accepted {
        connection,
        format,
        identity,
    } = accepted;
    let counted = Counted::new(&doors.counts, Transport::WebTransport);
    let link = match identity.and_then(|identity| doors.shard.connect(identity)) {
        Ok(link) => link,
        // A page sees nothing of an answer that refuses, so the session tells.
        Err(refusal) => {
            counted.refused(refusal.code);
            alone::close(&connection, &End::by(refusal.code, refusal.detail)).await;
            return None;
        }
    };
    let hello_due = Instant::now() + HELLO_WITHIN;
    let opened = tokio::select! {
        opened = timeout_at(hello_due, Box::pin(connection.accept_bi())) => opened,
        () = doors.app.drain.begun() => {
            let end = End::by(Code::Unavailable, "the server is shutting down");
            alone::close(&connection, &end).await;
            return None;
        }
    };
    let (send, recv) = match opened {
        Ok(Ok(streams)) => streams,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a session of WebTransport failed");
            return None;
        }
        Err(_) => {
            counted.closed(Code::HelloLate);
            let end = End::by(Code::HelloLate, "no stream was opened within 5 s");
            alone::close(&connection, &end).await;
            return None;
        }
    };
    let way = Way {
        connection,
        send,
        recv,
        deframer: Deframer::new(doors.app.body_limits.bytes_max),
        unsent: Vec::new(),
    };
    let session = Session {
        link,
        format,
        compression: Compression::Refused,
        greets_guests: matches!(doors.app.hub.config().auth, Auth::Guests),
        is_leaving: false,
        counted,
        permit,
    };
    Some((way, session, hello_due))
}
