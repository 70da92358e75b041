//! WebSocket: frames both ways, over our own crate on the socket that HTTP hands over.
//!
//! [`answer`] does the handshake and hands the socket to the one task that holds all of a shard
//! ([`sockets`]), or where there is more than a socket, to one of its own ([`alone`]). What a client says and
//! is given is said by its [`Session`], as over other transports with frames; what is a
//! WebSocket's own is [here](frames), and how it is compressed [there](deflate).

mod alone;
mod deflate;
mod frames;
mod handshake;
mod sockets;

pub(crate) use sockets::{Moved, Sockets};

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use tidings_hub::{Auth, Refusal, Shard};
use tidings_websocket::deflate::Agreement;
use tidings_websocket::tokio::{Error, MaybeTls, Options, WebSocket};
use tidings_websocket::{Config, keepalive};
use tidings_wire::{Code, Heartbeat};
use tokio::io::{AsyncRead, AsyncWrite};

use self::handshake::Accepted;
use super::framed::{CLOSING_WITHIN, Session, UNSENT_BYTES_MAX};
use super::{Counted, Transport};
use crate::connection::Permit;
use crate::http::{Doors, access};
use crate::parked::{Answered, Opened, Upgrade, Waiting};

/// Answers the handshake and has the connection held when it is sent.
pub(crate) fn answer(doors: &Doors, parts: Parts, permit: Rc<Permit>) -> Result<Answered, Refusal> {
    let app = &doors.app;
    let request = Request::from_parts(parts, ());
    let policy = app.websocket.compression.then_some(deflate::POLICY);
    let Accepted {
        response,
        format,
        deflate,
    } = match handshake::accept(&request, policy) {
        Ok(accepted) => accepted,
        Err(refused) => return Ok(refused.response().into()),
    };
    let (parts, ()) = request.into_parts();
    let identity = access::identify_early(&app.hub, &app.origins, &parts)?;
    let link = doors.shard.connect(identity)?;
    let session = Session {
        format,
        compression: deflate::compression(deflate),
        greets_guests: matches!(app.hub.config().auth, Auth::Guests),
        is_leaving: false,
        link,
        counted: Counted::new(&doors.counts, Transport::WebSocket),
        permit,
    };
    let options = Options {
        config: Config {
            frame_bytes_max: app.body_limits.bytes_max,
            message_bytes_max: app.body_limits.bytes_max,
            ..Config::default()
        },
        unsent_bytes_max: 2 * UNSENT_BYTES_MAX,
        keepalive: keepalive(&doors.shard),
        ..Options::default()
    };
    let sockets = doors.websockets.clone();
    let upgrade: Upgrade = Box::new(move |opened, read| match opened {
        Opened::Stream(MaybeTls::Plain(stream)) => Box::pin(async move {
            let websocket = open(stream, read, (options, deflate));
            sockets.hold(websocket, session).await;
        }),
        // In boxes, for each future on the way down would keep room for them.
        Opened::Stream(stream) => {
            let websocket = Box::new(open(stream, read, (options, deflate)));
            let session = Box::new(session);
            Box::pin(async move { sockets.hold_alone(websocket, session).await })
        }
        Opened::Tunnel(stream) => {
            let websocket = Box::new(open(stream, read, (options, deflate)));
            let session = Box::new(session);
            Box::pin(async move { sockets.hold_alone(websocket, session).await })
        }
    });
    Ok(Answered::Later(Waiting::Upgrade(
        response.map(|()| upgrade),
    )))
}

/// The server's end of what the handshake has opened.
fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    read: Bytes,
    (options, deflate): (Options, Option<Agreement>),
) -> WebSocket<S> {
    let websocket = WebSocket::server(stream, read, options);
    match deflate {
        Some(agreement) => websocket.with_deflate(agreement),
        None => websocket,
    }
}

/// Whether the kernel was the first to notice that nobody is there, by what it has sent in vain.
fn is_in_vain(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// When a connection is alarming.
fn keepalive(shard: &Shard) -> keepalive::Options {
    let Heartbeat {
        interval,
        timeout,
        tries,
    } = shard.hub().config().heartbeat;
    let reason = "nothing came, not even an answer to a ping";
    keepalive::Options {
        ping_after: Some(Duration::from_millis(interval)),
        answer_within: Duration::from_millis(timeout) * tries,
        closing_within: CLOSING_WITHIN,
        silence_close: Some((frames::close_code(Code::Idle.close_code()), reason)),
    }
}
