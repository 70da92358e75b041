//! Short and long polls: one answer, at once or when something happens.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use tidings_hub::{Link, Push, Refusal, Room, StreamRequest};
use tidings_wire::{ChannelName, Encoded, Epoch, Format, Heartbeat, Newest, Reply, StreamCursor};
use tokio::time::{Instant, sleep};

use super::stream::{EventsRequest, Wait};
use super::{Counted, Transport};
use crate::http::body::{self, Whole};
use crate::http::{Doors, access, problem};
use crate::parked::{Answered, Waiting};
use crate::shutdown::Drain;

/// How much one answer carries, in bytes: far more than a reader that is nearly current needs, and
/// little enough that many which are far behind fit in memory.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// How long a poll whose wait is over stays for a read of the log that is under way. After that it
/// is answered with nothing, and asked to come again.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Answers a poll, at once if there is something or it does not wait. The link goes with the answer: a
/// client that hangs up frees it at once.
pub(crate) async fn answer(
    doors: &Doors,
    parts: &Parts,
    format: Format,
) -> Result<Answered, Refusal> {
    let app = &doors.app;
    let request = EventsRequest::parse(parts, &app.hub.config().limits)?;
    let identity = access::identify(&app.hub, &app.origins, parts)?;
    let transport = match request.wait {
        Wait::Not => Transport::Poll,
        Wait::Asked(_) | Wait::Preferred(_) => Transport::LongPoll,
    };
    let reads = request.after.is_some();
    let stream = StreamRequest {
        channels: request.channels,
        after: request.after,
        session: request.session,
        presence: false,
    };
    let link = doors.shard.stream(identity, stream).await?;
    let mut poll = Poll {
        link,
        counted: Counted::new(&doors.counts, transport),
        format,
        reads,
        events: Vec::new(),
        limit: request.limit,
        wait: request.wait,
    };
    let drain = app.drain.clone();
    if poll.reads {
        poll.take()?;
        if poll.events.is_empty() && request.wait != Wait::Not {
            let waiting = async move {
                match poll.fill(&drain).await {
                    Ok(()) => poll.answer(&drain),
                    Err(refusal) => {
                        poll.counted.refused(refusal.code);
                        problem::answer(&refusal)
                    }
                }
            };
            return Ok(Answered::Later(Waiting::Whole(Box::pin(waiting))));
        }
        poll.fill(&drain).await?;
    }
    // There already, but it takes the socket over as the others do: most who poll come again, and hold no buffer until then.
    let answer = poll.answer(&drain);
    Ok(Answered::Later(Waiting::Whole(Box::pin(ready(answer)))))
}

/// An answer that fills.
struct Poll {
    link: Link,
    counted: Counted,
    format: Format,
    /// Who knows nothing yet is told where "now" is, and reads from there the next time.
    reads: bool,
    events: Vec<Arc<Encoded>>,
    limit: usize,
    wait: Wait,
}

impl Poll {
    /// Until there is something, or nothing came within the wait.
    async fn fill(&mut self, drain: &Drain) -> Result<(), Refusal> {
        let mut drained = pin!(drain.begun());
        let mut alarm = pin!(sleep(match self.wait {
            Wait::Not => READ_WITHIN,
            wait => wait.duration(),
        }));
        let mut may_wait = self.wait != Wait::Not;
        loop {
            self.take()?;
            if !self.events.is_empty() || (!may_wait && self.link.is_current()) {
                return Ok(());
            }
            let is_ready = poll_fn(|context| {
                if pin!(self.link.ready()).poll(context).is_ready() {
                    return task::Poll::Ready(true);
                }
                if may_wait && drained.as_mut().poll(context).is_ready() {
                    return task::Poll::Ready(false);
                }
                alarm.as_mut().poll(context).map(|()| false)
            });
            if is_ready.await {
                continue;
            }
            if !may_wait {
                return Ok(());
            }
            may_wait = false;
            alarm.as_mut().reset(Instant::now() + READ_WITHIN);
        }
    }

    fn take(&mut self) -> Result<(), Refusal> {
        let room = Room {
            bytes: ANSWER_BYTES_MAX,
            events: self.limit,
        };
        let mut pushes = Vec::new();
        self.link.poll(room, &mut pushes);
        for push in pushes {
            match push {
                Push::Event(event) => self.events.push(event),
                // What was read before the end is given; the next poll hears of it.
                Push::Close { code, reason } if self.events.is_empty() => {
                    return Err(Refusal::new(code, reason));
                }
                Push::Close { .. } | Push::Reply(_) => {}
            }
        }
        Ok(())
    }

    /// What there is now, and when to come back if the server ends.
    fn answer(&self, drain: &Drain) -> Response<Whole> {
        self.counted.delivered(self.events.len());
        let answer = self.encode(drain.has_begun().then(|| drain.reconnect()));
        self.counted.sent(answer.len());
        let mut response = body::encoded(self.format, answer);
        if let Wait::Preferred(wait) = self.wait {
            let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
            response.headers_mut().insert(
                HeaderName::from_static("preference-applied"),
                applied.expect("a number is visible ASCII"),
            );
        }
        response
    }

    fn encode(&self, reconnect: Option<Reply>) -> Vec<u8> {
        // Who waits has been told before, by the answer that it has its cursor from: of when silence is alarming,
        // and of the logs' ends, at which it was then.
        let is_told = self.wait == Wait::Not || !self.reads;
        let answer = Answer {
            cursor: &self.link.cursor(),
            events: &self.events,
            reconnect,
            truncated: self.link.was_truncated(),
            more: self.reads && (self.link.has_more() || !self.link.is_current()),
            newest: self.link.newest().filter(|_| is_told).map(Newest::from),
            epochs: self.link.epochs(),
            heartbeat: is_told.then(|| self.link.heartbeat()),
        };
        match self.format {
            Format::Json => answer.json(),
            Format::Cbor => answer.cbor(),
        }
    }
}

/// The object of an answer, put together around events that are encoded already.
struct Answer<'a> {
    cursor: &'a StreamCursor,
    events: &'a [Arc<Encoded>],
    /// Behind the events, as one of them.
    reconnect: Option<Reply>,
    truncated: bool,
    more: bool,
    newest: Option<Newest>,
    epochs: Option<&'a BTreeMap<ChannelName, Epoch>>,
    heartbeat: Option<Heartbeat>,
}

impl Answer<'_> {
    fn json(&self) -> Vec<u8> {
        let mut out = format!("{{\"cursor\":\"{}\",\"events\":[", self.cursor).into_bytes();
        let begin = out.len();
        for event in self.events {
            out.extend_from_slice(event.bytes(Format::Json));
            out.push(b',');
        }
        if let Some(reconnect) = &self.reconnect {
            Format::Json.encode_into(reconnect, &mut out);
        } else if out.len() > begin {
            out.pop(); // the last comma
        }
        let rest = format!("],\"truncated\":{},\"more\":{}", self.truncated, self.more);
        out.extend_from_slice(rest.as_bytes());
        if let Some(newest) = &self.newest {
            out.extend_from_slice(b",\"newest\":");
            Format::Json.encode_into(newest, &mut out);
        }
        if let Some(epochs) = &self.epochs {
            out.extend_from_slice(b",\"epochs\":");
            Format::Json.encode_into(epochs, &mut out);
        }
        if let Some(heartbeat) = &self.heartbeat {
            out.extend_from_slice(b",\"heartbeat\":");
            Format::Json.encode_into(heartbeat, &mut out);
        }
        out.push(b'}');
        out
    }

    fn cbor(&self) -> Vec<u8> {
        // RFC 8949, section 3: major type 5 is a map, here of four to seven pairs; 4 is an array.
        let told = u8::from(self.newest.is_some())
            + u8::from(self.epochs.is_some())
            + u8::from(self.heartbeat.is_some());
        let mut out = vec![0xa4 + told];
        let entry = |key: &str, out: &mut Vec<u8>| Format::Cbor.encode_into(&key, out);
        entry("cursor", &mut out);
        Format::Cbor.encode_into(&self.cursor.to_string(), &mut out);
        entry("events", &mut out);
        // A length of four bytes, whatever it is.
        out.push(0x9a);
        let events = self.events.len() + usize::from(self.reconnect.is_some());
        out.extend_from_slice(&u32::try_from(events).unwrap_or(u32::MAX).to_be_bytes());
        for event in self.events {
            out.extend_from_slice(event.bytes(Format::Cbor));
        }
        if let Some(reconnect) = &self.reconnect {
            Format::Cbor.encode_into(reconnect, &mut out);
        }
        entry("truncated", &mut out);
        Format::Cbor.encode_into(&self.truncated, &mut out);
        entry("more", &mut out);
        Format::Cbor.encode_into(&self.more, &mut out);
        if let Some(newest) = &self.newest {
            entry("newest", &mut out);
            Format::Cbor.encode_into(newest, &mut out);
        }
        if let Some(epochs) = &self.epochs {
            entry("epochs", &mut out);
            Format::Cbor.encode_into(epochs, &mut out);
        }
        if let Some(heartbeat) = &self.heartbeat {
            entry("heartbeat", &mut out);
            Format::Cbor.encode_into(heartbeat, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tidings_wire::{Event, ReplyBody};

    use super::*;

    #[derive(Deserialize)]
    struct Read {
        cursor: String,
        events: Vec<ReadEvent>,
        truncated: bool,
        more: bool,
        newest: Option<Newest>,
        epochs: Option<BTreeMap<ChannelName, Epoch>>,
        heartbeat: Option<ReadHeartbeat>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ReadEvent {
        oldest: u64,
        after_ms: u64,
    }

    #[derive(Deserialize)]
    struct ReadHeartbeat {
        interval: u64,
        timeout: u64,
        tries: u32,
    }

    /// What is read of an answer, in either format.
    fn both(answer: &Answer<'_>) -> [Read; 2] {
        [(Format::Json, answer.json()), (Format::Cbor, answer.cbor())]
            .map(|(format, bytes)| format.decode(&bytes).unwrap())
    }

    #[test]
    fn both_formats_say_the_same() {
        let epoch = Epoch::new("e").unwrap();
        let event = |oldest| {
            let channel = ChannelName::new("a").unwrap();
            let event = Event::Truncated { channel, oldest };
            Arc::new(Encoded::new(event, epoch.clone()))
        };
        let events: Vec<_> = (0..300).map(event).collect();
        let cursor = "e-7".parse().unwrap();
        let mut answer = Answer {
            cursor: &cursor,
            events: &events,
            reconnect: None,
            truncated: true,
            more: false,
            newest: None,
            epochs: None,
            heartbeat: None,
        };
        for read in both(&answer) {
            assert_eq!(read.cursor, "e-7");
            assert!(read.truncated && !read.more && read.heartbeat.is_none());
            assert_eq!((read.newest, read.epochs), (None, None));
            let oldest = read.events.iter().map(|event| event.oldest);
            assert!(oldest.eq(0..300));
        }
        answer.newest = Some(Newest::Seq(9));
        answer.heartbeat = Some(Heartbeat {
            interval: 20_000,
            timeout: 5000,
            tries: 2,
        });
        for read in both(&answer) {
            assert_eq!(read.events.len(), 300);
            let beat = read.heartbeat.unwrap();
            assert_eq!((beat.interval, beat.timeout, beat.tries), (20_000, 5000, 2));
            assert_eq!(read.newest, Some(Newest::Seq(9)));
        }
        let epochs = [(ChannelName::new("a").unwrap(), epoch.clone())].into();
        answer.epochs = Some(&epochs);
        let newest = Newest::Cursor("e-9.f-2".parse().unwrap());
        answer.newest = Some(newest.clone());
        for read in both(&answer) {
            assert_eq!(read.newest.as_ref(), Some(&newest));
            assert_eq!(read.epochs.as_ref(), Some(&epochs));
            assert!(read.heartbeat.is_some());
        }
        answer.reconnect = Some(Reply::unasked(ReplyBody::Reconnect { after_ms: 7 }));
        for events in [&events[..], &[]] {
            answer.events = events;
            for read in both(&answer) {
                assert_eq!(read.events.len(), events.len() + 1);
                assert_eq!(read.events[events.len()].after_ms, 7);
            }
        }
    }
}
