//! WebSocket: frames both ways, over our own crate on the socket that HTTP hands over.
//!
//! One task holds the socket and the link. It waits for whichever comes first: a frame, something
//! to send while there is room, or an alarm. Room is the high-water mark less what is unsent, so
//! that a reader that does not read costs a cursor and not memory.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tidings_hub::{Auth, Link, Push, Refusal, Room};
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::{Error, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Config, Event, MessageKind, keepalive};
use tidings_wire::{Code, Command, Format, Heartbeat, Reply, ReplyBody, RequestError};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::{Counted, Transport};
use crate::connection::Permit;
use crate::http::body::Body;
use crate::http::{Doors, access, problem};
use crate::shutdown::{Drain, RECONNECT_WITHIN};

/// What a connection may have unsent, in bytes, before it is given no more: two large messages, or a
/// second of a busy room.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// Events that are given at a time; the bytes bound it first.
const EVENTS_MAX: usize = 1024;

/// How long a client may take to say who it is. Where guests are let in, one that has said nothing until
/// then is welcomed under a name of our choice, so that a bare WebSocket client needs no `hello`.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection that we close may take to agree.
const CLOSING_WITHIN: Duration = Duration::from_secs(2);

/// The formats that are spoken, the one we like best first.
const SUBPROTOCOLS: [&str; 2] = ["tidings.v1.json", "tidings.v1.cbor"];

/// Answers the handshake and leaves a task behind that holds the connection.
pub(crate) fn answer(
    doors: &Doors,
    parts: Parts,
    permit: Rc<Permit>,
) -> Result<Response<Body>, Refusal> {
    let app = &doors.app;
    let mut request = Request::from_parts(parts, ());
    let offer = server::Options {
        subprotocols: &SUBPROTOCOLS,
        ..server::Options::default()
    };
    let (response, format) = match server::accept(&request, &offer) {
        Ok(accepted) => {
            let format = match accepted.subprotocol {
                Some("tidings.v1.cbor") => Format::Cbor,
                _ => Format::Json,
            };
            (accepted.response(), format)
        }
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, ()) = request.into_parts();
    let identity = access::identify_early(&app.hub, &app.origins, &parts)?;
    let link = doors.shard.connect(identity)?;
    let hub_config = app.hub.config();
    let session = Session {
        format,
        heartbeat: Alarms::new(link.heartbeat()),
        greets_guests: matches!(hub_config.auth, Auth::Guests),
        link,
        counted: Counted::new(&app.metrics, Transport::WebSocket),
        drain: app.drain.clone(),
    };
    let options = Options {
        config: Config {
            frame_bytes_max: app.body_limits.bytes_max,
            message_bytes_max: app.body_limits.bytes_max,
            ..Config::default()
        },
        unsent_bytes_max: 2 * UNSENT_BYTES_MAX,
        // The session has a heartbeat of its own.
        keepalive: keepalive::Options {
            ping_after: None,
            closing_within: CLOSING_WITHIN,
            ..keepalive::Options::default()
        },
        ..Options::default()
    };
    tokio::task::spawn_local(async move {
        let _permit = permit;
        let Ok(upgraded) = upgrade.await else {
            return; // the client left before it was answered
        };
        let Ok(raw) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("the upgraded connection is not the socket that was accepted");
            return;
        };
        let websocket = WebSocket::server(raw.io.into_inner(), raw.read_buf, options);
        if let Err(error) = session.run(websocket).await {
            tracing::debug!(%error, "a WebSocket connection failed");
        }
    });
    Ok(response.map(|()| Body::empty()))
}

/// A request that is no handshake: what is wrong, with the status that the RFC asks for.
fn refused(refusal: &server::Refusal) -> Response<Body> {
    let problem = problem::refusal(Code::BadRequest, refusal.to_string());
    let mut response = problem::answer_with(refusal.status(), &problem);
    response.headers_mut().extend(refusal.headers());
    response.map(Body::from)
}

struct Session {
    format: Format,
    link: Link,
    heartbeat: Alarms,
    greets_guests: bool,
    counted: Counted,
    drain: Drain,
}

/// What happened first.
enum Happened {
    Received(Option<Event<'static>>),
    Ready,
    Alarm,
    Drain,
}

impl Session {
    async fn run(mut self, mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
        loop {
            if let Some(close) = self.give(&mut websocket)? {
                websocket.close(close, CLOSING_WITHIN).await?;
                return Ok(());
            }
            let happened = self.next(&mut websocket).await?;
            self.heartbeat
                .hear(websocket.received_bytes(), Instant::now());
            match happened {
                Happened::Ready => {}
                Happened::Received(Some(event)) => self.handle(event),
                Happened::Received(None) => return Ok(()),
                Happened::Alarm => {
                    if let Some(close) = self.handle_alarm(&mut websocket)? {
                        websocket.close(close, CLOSING_WITHIN).await?;
                        return Ok(());
                    }
                }
                Happened::Drain => return self.farewell(websocket).await,
            }
        }
    }

    /// Gives the connection what there is and what it has room for; a close if it is to end.
    fn give(
        &mut self,
        websocket: &mut WebSocket<TcpStream>,
    ) -> Result<Option<Close<'static>>, Error> {
        let room = Room {
            bytes: UNSENT_BYTES_MAX.saturating_sub(websocket.unsent_bytes()),
            events: EVENTS_MAX,
        };
        if room.bytes == 0 || !websocket.is_open() {
            return Ok(None);
        }
        let mut pushes = Vec::new();
        self.link.poll(room, &mut pushes);
        for push in pushes {
            match push {
                Push::Event(event) => {
                    self.counted.delivered(1);
                    websocket.feed_shared(kind(self.format), event.bytes(self.format))?;
                }
                Push::Reply(reply) => {
                    feed(websocket, self.format, &reply)?;
                }
                Push::Close { code, reason } => return Ok(Some(close(code, reason))),
            }
        }
        Ok(None)
    }

    async fn next(&mut self, websocket: &mut WebSocket<TcpStream>) -> Result<Happened, Error> {
        let alarm = self.heartbeat.next(self.link.user().is_some());
        let link = &self.link;
        let mut ready = pin!(link.ready());
        // A frame, or something to send while there is room. Both in one future, because receiving
        // is what writes, and written bytes are room.
        let traffic = poll_fn(|context| {
            if let Poll::Ready(event) = websocket.poll_recv(context) {
                return Poll::Ready(event.map(Happened::Received));
            }
            if websocket.unsent_bytes() < UNSENT_BYTES_MAX && websocket.is_open() {
                return ready.as_mut().poll(context).map(|()| Ok(Happened::Ready));
            }
            Poll::Pending
        });
        tokio::select! {
            happened = traffic => happened,
            () = sleep_until(alarm) => Ok(Happened::Alarm),
            () = self.drain.begun() => Ok(Happened::Drain),
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        let decoded = match (&event, self.format) {
            (Event::Text(text), Format::Json) => {
                tidings_wire::Request::decode(text.as_bytes(), Format::Json)
            }
            (Event::Binary(bytes), Format::Cbor) => {
                tidings_wire::Request::decode(bytes, Format::Cbor)
            }
            (Event::Text(_), Format::Cbor) => Err(wrong_kind("CBOR in binary frames")),
            (Event::Binary(_), Format::Json) => Err(wrong_kind("JSON in text frames")),
            // Pings were answered, pongs were heard, and after a close comes nothing.
            _ => return,
        };
        match decoded {
            Ok(request) => {
                // A guest needs no hello, whose answer then comes before this one's.
                let says_hello = matches!(request.command, Command::Hello { .. });
                if self.greets_guests && self.link.user().is_none() && !says_hello {
                    self.greet_guest();
                }
                self.link.handle(request);
            }
            Err(error) => self.link.handle_bad_frame(error),
        }
    }

    /// Says hello in the name of a client that does not.
    fn greet_guest(&mut self) {
        let command = Command::Hello { token: None };
        self.link
            .handle(tidings_wire::Request { req: None, command });
    }

    fn handle_alarm(
        &mut self,
        websocket: &mut WebSocket<TcpStream>,
    ) -> Result<Option<Close<'static>>, Error> {
        let alarm = self.heartbeat.ring(
            self.link.user().is_some(),
            self.greets_guests,
            Instant::now(),
        );
        match alarm {
            Alarm::None => Ok(None),
            Alarm::GreetGuest => {
                self.greet_guest();
                Ok(None)
            }
            Alarm::Ping => {
                if websocket.is_open() {
                    websocket.feed(Event::Ping((&b""[..]).into()))?;
                }
                Ok(None)
            }
            Alarm::Close(code, reason) => Ok(Some(close(code, reason.to_owned()))),
        }
    }

    /// The server ends: come back to another, or to the next one here.
    async fn farewell(self, mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
        let after_ms = u64::try_from(RECONNECT_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let reconnect = Reply::unasked(ReplyBody::Reconnect { after_ms });
        if websocket.is_open() {
            feed(&mut websocket, self.format, &reconnect)?;
        }
        let close = Close::new(CloseCode::RESTART, "the server is shutting down");
        websocket.close(close, CLOSING_WITHIN).await?;
        Ok(())
    }
}

/// One answer as one frame.
fn feed(websocket: &mut WebSocket<TcpStream>, format: Format, reply: &Reply) -> Result<(), Error> {
    let object = format.encode(reply).into();
    Ok(websocket.feed_shared(kind(format), &object)?)
}

/// The kind of message that a format travels in.
fn kind(format: Format) -> MessageKind {
    match format {
        Format::Json => MessageKind::Text,
        Format::Cbor => MessageKind::Binary,
    }
}

fn wrong_kind(spoken: &str) -> RequestError {
    RequestError {
        req: None,
        detail: format!("this connection speaks {spoken}"),
    }
}

fn close(code: Code, reason: String) -> Close<'static> {
    let close_code = CloseCode::new(code.close_code()).unwrap_or(CloseCode::INTERNAL);
    Close::new(close_code, reason)
}

/// When a connection is alarming: pure, told what was heard and when.
struct Alarms {
    interval: Duration,
    /// How long a ping may stay without any answer.
    patience: Duration,
    opened_at: Instant,
    heard_bytes: u64,
    heard_at: Instant,
    pinged_at: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Alarm {
    None,
    GreetGuest,
    Ping,
    Close(Code, &'static str),
}

impl Alarms {
    fn new(heartbeat: Heartbeat) -> Self {
        let now = Instant::now();
        Self {
            interval: Duration::from_millis(heartbeat.interval),
            patience: Duration::from_millis(heartbeat.timeout) * heartbeat.tries,
            opened_at: now,
            heard_bytes: 0,
            heard_at: now,
            pinged_at: None,
        }
    }

    /// So many bytes have come until now.
    fn hear(&mut self, bytes: u64, now: Instant) {
        if bytes > self.heard_bytes {
            self.heard_bytes = bytes;
            self.heard_at = now;
            self.pinged_at = None;
        }
    }

    /// When [`ring`](Self::ring) may have something.
    fn next(&self, user_is_known: bool) -> Instant {
        let quiet = match self.pinged_at {
            Some(pinged_at) => pinged_at + self.patience,
            None => self.heard_at + self.interval,
        };
        match user_is_known {
            true => quiet,
            false => quiet.min(self.opened_at + HELLO_WITHIN),
        }
    }

    fn ring(&mut self, user_is_known: bool, greets_guests: bool, now: Instant) -> Alarm {
        if !user_is_known && now >= self.opened_at + HELLO_WITHIN {
            return match greets_guests {
                true => Alarm::GreetGuest,
                false => Alarm::Close(Code::HelloLate, "no hello came within 5 s"),
            };
        }
        match self.pinged_at {
            Some(pinged_at) if now >= pinged_at + self.patience => {
                Alarm::Close(Code::Idle, "nothing came, not even an answer to a ping")
            }
            None if now >= self.heard_at + self.interval => {
                self.pinged_at = Some(now);
                Alarm::Ping
            }
            _ => Alarm::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms() -> Alarms {
        Alarms::new(Heartbeat {
            interval: 20_000,
            timeout: 5_000,
            tries: 2,
        })
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_connection_is_pinged_and_then_given_up() {
        let mut alarms = alarms();
        let start = alarms.opened_at;
        assert_eq!(alarms.next(true), start + s(20));
        assert_eq!(alarms.ring(true, false, start + s(19)), Alarm::None);
        assert_eq!(alarms.ring(true, false, start + s(20)), Alarm::Ping);
        assert_eq!(alarms.next(true), start + s(30));
        assert_eq!(alarms.ring(true, false, start + s(29)), Alarm::None);
        let closed = alarms.ring(true, false, start + s(30));
        assert!(matches!(closed, Alarm::Close(Code::Idle, _)));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut alarms = alarms();
        let start = alarms.opened_at;
        assert_eq!(alarms.ring(true, false, start + s(20)), Alarm::Ping);
        alarms.hear(1, start + s(29));
        assert_eq!(alarms.next(true), start + s(49));
        alarms.hear(1, start + s(40));
        assert_eq!(alarms.next(true), start + s(49), "nothing new came");
    }

    #[test]
    fn a_stranger_says_hello_in_time() {
        let mut alarms = alarms();
        let start = alarms.opened_at;
        assert_eq!(alarms.next(false), start + s(5));
        assert_eq!(alarms.ring(false, false, start + s(4)), Alarm::None);
        let closed = alarms.ring(false, false, start + s(5));
        assert!(matches!(closed, Alarm::Close(Code::HelloLate, _)));
    }

    #[test]
    fn a_silent_guest_is_welcomed_instead() {
        let mut alarms = alarms();
        let start = alarms.opened_at;
        assert_eq!(alarms.ring(false, true, start + s(4)), Alarm::None);
        assert_eq!(alarms.ring(false, true, start + s(5)), Alarm::GreetGuest);
    }
}
