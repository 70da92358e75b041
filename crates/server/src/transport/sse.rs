//! Server-sent events (WHATWG HTML, section 9.2): an answer that never ends.
//!
//! The session is asked for events when the last piece of the body is written, by whoever writes it. So a
//! reader that does not read holds what the kernel buffers and one piece, and everything else stays in the
//! log; and what piled up meanwhile leaves in one piece.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use tidings_hub::{Link, Push, Refusal, Room, StreamRequest};
use tidings_wire::{Encoded, Format, Newest, PROTOCOL_VERSION, Reply, ReplyBody, StreamCursor};
use tokio::time::{Instant, Sleep, sleep_until};

use super::stream::EventsRequest;
use super::{Counted, Transport};
use crate::http::{Doors, access};
use crate::parked::{Answered, Waiting};
use crate::shutdown::Drain;

/// What one piece carries. The bytes are two large messages, or a second of a busy room, and bound it
/// first.
const ROOM: Room = Room {
    bytes: 64 << 10,
    events: 1024,
};

/// Proxies and old browsers hold the first bytes back until there are this many.
const PADDING_BYTES: usize = 2048;

/// When the first heartbeat comes: soon, so that a client to which it does not come finds out within seconds
/// that something on the way holds small pieces back; and apart from the hello, so that it is a piece of its own.
const FIRST_HEARTBEAT_AFTER: Duration = Duration::from_secs(1);

/// When a browser should come back after the stream broke, in ms: at once would be a storm when a
/// server restarts, and longer would be felt. Each stream is told another time.
const RETRY_MS: std::ops::RangeInclusive<u64> = 1000..=2000;

/// Begins a stream.
pub(crate) async fn answer(doors: &Doors, parts: &Parts) -> Result<Answered, Refusal> {
    let app = &doors.app;
    let request = EventsRequest::parse(parts, &app.hub.config().limits)?;
    let identity = access::identify(&app.hub, &app.origins, parts)?;
    let stream = StreamRequest {
        channels: request.channels,
        after: request.after,
        // Leases are for pollers: a stream is present for as long as it is open.
        session: None,
        presence: true,
    };
    let link = doors.shard.stream(identity, stream).await?;
    let stream = EventStream::new(doors, link);
    let mut response = Response::new(stream);
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
    Ok(Answered::Later(Waiting::Stream(response)))
}

/// The body of a stream, piece by piece.
pub(crate) struct EventStream {
    link: Link,
    counted: Counted,
    drain: Drain,
    drained: Pin<Box<dyn Future<Output = ()>>>,
    /// When to look whether the reader is to hear of its cursor.
    alarm: Pin<Box<Sleep>>,
    cursor_sent_at: Instant,
    /// Where the reader is, if the channels are in several logs: then a message's own place is not all of it.
    cursor: Option<StreamCursor>,
    /// Whether a cursor followed that of the hello, which shows the client that small pieces come through.
    is_proven: bool,
    /// Empty between two streams but for its room, which all of a shard share.
    pushes: Rc<Cell<Vec<Push>>>,
    stage: Stage,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was given yet.
    Opening,
    /// Events are given as they come.
    Open,
    /// The last piece was given.
    Over,
}

impl EventStream {
    fn new(doors: &Doors, link: Link) -> Self {
        let drain = doors.app.drain.clone();
        let now = Instant::now();
        Self {
            cursor: link.epochs().map(|_| link.cursor()),
            link,
            counted: Counted::new(&doors.counts, Transport::Sse),
            drained: Box::pin(drain.clone().into_begun()),
            drain,
            alarm: Box::pin(sleep_until(now)),
            cursor_sent_at: now,
            is_proven: false,
            pushes: doors.pushes.clone(),
            stage: Stage::Opening,
        }
    }

    /// Waits for the next piece, and gives it to whoever has room for it; `None` behind the last one.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let piece = match self.stage {
            Stage::Opening => self.opening(),
            Stage::Open => ready!(self.poll_open(context)),
            Stage::Over => return Poll::Ready(None),
        };
        self.counted.sent(piece.len());
        Poll::Ready(Some(piece))
    }

    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        while pin!(self.link.ready()).poll(context).is_ready() {
            if let Some(piece) = self.take() {
                return Poll::Ready(piece);
            }
        }
        if self.drained.as_mut().poll(context).is_ready() {
            return Poll::Ready(self.farewell());
        }
        loop {
            ready!(self.alarm.as_mut().poll(context));
            // The timer is not touched whenever something is sent, but asked again when it is over.
            let due = self.cursor_due();
            if due > Instant::now() {
                self.alarm.as_mut().reset(due);
                continue;
            }
            // One more look, for the cursor as it is now.
            let piece = self.take();
            return Poll::Ready(piece.unwrap_or_else(|| self.heartbeat()));
        }
    }

    /// When the reader is to hear of its cursor.
    fn cursor_due(&self) -> Instant {
        let interval = Duration::from_millis(self.link.heartbeat().interval);
        self.cursor_sent_at
            + match self.is_proven {
                true => interval,
                false => interval.min(FIRST_HEARTBEAT_AFTER),
            }
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
                newest: self.link.newest().map(Newest::from),
                epochs: self.link.epochs().cloned(),
                heartbeat: self.link.heartbeat(),
                version: PROTOCOL_VERSION,
            });
            out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
            write_event("hello", &hello, &mut out);
        }
        self.cursor_sent_at = Instant::now();
        self.stage = Stage::Open;
        out.into()
    }

    /// Everything that there is and that fits.
    fn take(&mut self) -> Option<Bytes> {
        let mut pushes = self.pushes.take();
        self.link.poll(ROOM, &mut pushes);
        let piece = self.piece_of(&mut pushes);
        self.pushes.set(pushes);
        if self.cursor.is_some() {
            // Beyond the last message that there was, perhaps.
            self.cursor = Some(self.link.cursor());
        }
        piece
    }

    fn piece_of(&mut self, pushes: &mut Vec<Push>) -> Option<Bytes> {
        if let ([Push::Event(event)], None) = (&pushes[..], &self.cursor) {
            // The usual case by far: one event, whose bytes all followers share.
            self.note_event(event.seq());
            let piece = event.sse().clone();
            pushes.clear();
            return Some(piece);
        }
        let mut out = Vec::new();
        for push in pushes.drain(..) {
            match push {
                Push::Event(event) => {
                    self.note_event(event.seq());
                    write_shared(&event, &mut self.cursor, &mut out);
                }
                // Only framed transports ask.
                Push::Reply(_) => {}
                Push::Close { code, reason } => {
                    self.stage = Stage::Over;
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
            self.note_cursor();
        }
    }

    fn note_cursor(&mut self) {
        self.cursor_sent_at = Instant::now();
        self.is_proven = true;
    }

    /// A comment, to be heard, and the cursor, which moves while these channels are quiet.
    fn heartbeat(&mut self) -> Bytes {
        self.note_cursor();
        format!(":\nid: {}\n\n", self.link.cursor()).into()
    }

    /// The server ends: come back to another, or to the next one here. A browser's `EventSource` knows `retry`.
    fn farewell(&mut self) -> Bytes {
        self.stage = Stage::Over;
        let reconnect = self.drain.reconnect();
        let mut out = Vec::new();
        if let ReplyBody::Reconnect { after_ms } = reconnect.body {
            out.extend_from_slice(format!("retry: {after_ms}\n").as_bytes());
        }
        write_event("reconnect", &reconnect, &mut out);
        out.into()
    }
}

/// Writes what all followers are given; for a reader of several logs with an `id:` of its own, which is where it is
/// then in all of them.
fn write_shared(event: &Encoded, cursor: &mut Option<StreamCursor>, out: &mut Vec<u8>) {
    let (Some(cursor), Some(seq)) = (cursor, event.seq()) else {
        return out.extend_from_slice(event.sse());
    };
    cursor.advance(event.epoch(), seq);
    out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
    out.extend_from_slice(event.sse_without_id());
}

/// JSON has no line breaks of its own, so that one `data:` line holds it.
fn write_event(name: &str, reply: &Reply, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    Format::Json.encode_into(reply, out);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidings_wire::{ChannelName, Data, Epoch, Event, Message, MessageId, User};

    use super::*;

    fn message(epoch: &str, seq: u64) -> Encoded {
        let message = Message {
            channel: ChannelName::new(epoch).unwrap(),
            seq,
            prev: 0,
            id: MessageId::new("id").unwrap(),
            at: 0,
            from: User::new("alice").unwrap(),
            data: Data::from_text("id: none\n"),
        };
        Encoded::new(
            Event::Message(Arc::new(message)),
            Epoch::new(epoch).unwrap(),
        )
    }

    #[test]
    fn wherever_a_stream_of_several_logs_is_cut_its_last_id_has_what_came_before() {
        let mut cursor = Some("e-5.f-7".parse().unwrap());
        let events = [("e", 6), ("f", 9), ("f", 10), ("e", 8)];
        let mut out = Vec::new();
        for (epoch, seq) in events {
            write_shared(&message(epoch, seq), &mut cursor, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        for cut in 0..=out.len() {
            // What a browser has taken: whole events.
            let whole: Vec<_> = out[..cut].split_inclusive("\n\n").collect();
            let whole = whole.into_iter().filter(|it| it.ends_with("\n\n"));
            let (mut given, mut id) = (0, "e-5.f-7");
            for event in whole {
                id = event.lines().next().unwrap().strip_prefix("id: ").unwrap();
                assert_eq!(event.matches("\nid: ").count(), 0, "one id");
                given += 1;
            }
            let after: StreamCursor = id.parse().unwrap();
            for (place, (epoch, seq)) in events.into_iter().enumerate() {
                let has = after.seq(&Epoch::new(epoch).unwrap()) >= Some(seq);
                assert_eq!(has, place < given, "{id} after {given}");
            }
        }
    }

    #[test]
    fn a_stream_of_one_log_is_given_the_shared_bytes() {
        let (event, mut out) = (message("e", 6), Vec::new());
        write_shared(&event, &mut None, &mut out);
        assert_eq!(out, event.sse()[..]);
    }
}
