//! Server-sent events (WHATWG HTML, section 9.2): an answer that never ends.
//!
//! The body is pulled: hyper asks for the next chunk when it has written the last one, and only then
//! is the session asked for events. So a reader that does not read holds what hyper and the kernel
//! buffer, and everything else stays in the log; and what piled up meanwhile leaves in one chunk.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tidings_hub::{Link, Push, Refusal, Room, StreamRequest};
use tidings_wire::{Format, PROTOCOL_VERSION, Reply, ReplyBody};
use tokio::time::{Instant, sleep_until};

use super::stream::EventsRequest;
use super::{Counted, Transport};
use crate::http::body::Body;
use crate::http::{Doors, access};
use crate::shutdown::{Drain, RECONNECT_WITHIN};

/// How much one chunk carries, in bytes.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Events of one chunk; the bytes bound it first.
const CHUNK_EVENTS_MAX: usize = 1024;

/// Proxies and old browsers hold the first bytes back until there are this many.
const PADDING_BYTES: usize = 2048;

/// When a browser should come back after the stream broke, in ms: at once would be a storm when a
/// server restarts, and longer would be felt. Each stream is told another time.
const RETRY_MS: std::ops::RangeInclusive<u64> = 1000..=2000;

/// Begins a stream.
pub(crate) fn answer(doors: &Doors, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let app = &doors.app;
    let request = EventsRequest::parse(parts, &app.hub.config().limits)?;
    let identity = access::identify(&app.hub, &app.origins, parts)?;
    let link = doors.shard.stream(
        identity,
        StreamRequest {
            channels: request.channels,
            after: request.after,
            // Leases are for pollers: a stream is present for as long as it is open.
            session: None,
            presence: true,
        },
    )?;
    let stream = EventStream {
        heartbeat: Duration::from_millis(link.heartbeat().interval),
        link,
        counted: Counted::new(&doors.counts, Transport::Sse),
        drain: app.drain.clone(),
        cursor_sent_at: Instant::now(),
        phase: Phase::Opening,
    };
    let chunks = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next_chunk().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), stream))
    });
    let mut response = Response::new(Body::Stream(Box::pin(StreamBody::new(chunks))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    // nginx and its kin then pass pieces on as they come.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

struct EventStream {
    link: Link,
    counted: Counted,
    drain: Drain,
    /// How long a reader may go without hearing of its cursor.
    heartbeat: Duration,
    cursor_sent_at: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was written.
    Opening,
    /// Events are.
    Open,
    /// The last chunk was.
    Over,
}

impl EventStream {
    /// What is to be written next; `None` ends the stream.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        let chunk = match self.phase {
            Phase::Opening => {
                self.phase = Phase::Open;
                self.opening()
            }
            Phase::Open => self.events().await,
            Phase::Over => return None,
        };
        self.counted.sent(chunk.len());
        Some(chunk)
    }

    /// The padding, when to come back, and the hello, whose cursor holds until a message's does.
    fn opening(&mut self) -> Bytes {
        let mut out = Vec::with_capacity(PADDING_BYTES + 512);
        out.push(b':');
        out.resize(PADDING_BYTES, b' ');
        let retry = fastrand::u64(RETRY_MS);
        out.extend_from_slice(format!("\nretry: {retry}\n\n").as_bytes());
        let cursor = self.link.cursor();
        if let (Some(user), Some(session)) = (self.link.user(), self.link.session()) {
            let hello = Reply::unasked(ReplyBody::Hello {
                session,
                user,
                cursor: cursor.clone(),
                heartbeat: self.link.heartbeat(),
                version: PROTOCOL_VERSION,
            });
            out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
            write_event("hello", &hello, &mut out);
        }
        self.cursor_sent_at = Instant::now();
        out.into()
    }

    async fn events(&mut self) -> Bytes {
        loop {
            if let Some(chunk) = self.take() {
                return chunk;
            }
            let alarm = self.cursor_sent_at + self.heartbeat;
            tokio::select! {
                () = self.link.ready() => {}
                // One more look, for the cursor as it is now.
                () = sleep_until(alarm) => match self.take() {
                    Some(chunk) => return chunk,
                    None => return self.heartbeat(),
                },
                () = self.drain.begun() => return self.farewell(),
            }
        }
    }

    /// Everything that there is and that fits.
    fn take(&mut self) -> Option<Bytes> {
        let room = Room {
            bytes: CHUNK_BYTES_MAX,
            events: CHUNK_EVENTS_MAX,
        };
        let mut pushes = Vec::new();
        self.link.poll(room, &mut pushes);
        if let [Push::Event(event)] = &pushes[..] {
            // The usual case by far: one event, whose bytes all followers share.
            self.note_event(event.seq());
            return Some(event.sse().clone());
        }
        let mut out = Vec::new();
        for push in pushes {
            match push {
                Push::Event(event) => {
                    self.note_event(event.seq());
                    out.extend_from_slice(event.sse());
                }
                // Only framed transports ask.
                Push::Reply(_) => {}
                Push::Close { code, reason } => {
                    self.phase = Phase::Over;
                    self.counted.closed(code);
                    write_event("error", &Reply::error(None, code, reason), &mut out);
                }
            }
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn note_event(&mut self, seq: Option<u64>) {
        self.counted.delivered(1);
        if seq.is_some() {
            self.cursor_sent_at = Instant::now();
        }
    }

    /// A comment, to be heard, and the cursor, which moves while these channels are quiet.
    fn heartbeat(&mut self) -> Bytes {
        self.cursor_sent_at = Instant::now();
        format!(":\nid: {}\n\n", self.link.cursor()).into()
    }

    /// The server ends: come back to another, or to the next one here.
    fn farewell(&mut self) -> Bytes {
        self.phase = Phase::Over;
        let mut out = Vec::new();
        let after_ms = u64::try_from(RECONNECT_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let reconnect = Reply::unasked(ReplyBody::Reconnect { after_ms });
        write_event("reconnect", &reconnect, &mut out);
        out.into()
    }
}

/// JSON has no line breaks of its own, so that one `data:` line holds it.
fn write_event(name: &str, reply: &Reply, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    Format::Json.encode_into(reply, out);
    out.extend_from_slice(b"\n\n");
}
