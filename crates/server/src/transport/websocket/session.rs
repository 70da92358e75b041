//! What a WebSocket's client says and what it is given.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tidings_hub::{Link, Push, Room};
use tidings_websocket::{Close, CloseCode, Event};
use tidings_wire::{Code, Command, Encoded, Format, ReplyBody, RequestError};

use super::frames::Frames;
use crate::connection::Permit;
use crate::metrics::Counts;
use crate::shutdown::Drain;
use crate::transport::{Counted, Transport};

/// One client's session, and what is counted for as long as it is there.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) format: Format,
    /// Whether whoever says nothing is welcomed under a name of our choice.
    pub(super) greets_guests: bool,
    /// Whether the server ends, and hears it no longer.
    pub(super) is_leaving: bool,
    pub(super) counted: Counted,
    pub(super) permit: Rc<Permit>,
}

/// What the sessions of a thread are given their frames with: the memory of it, and what they share.
#[derive(Default)]
pub(super) struct Giver {
    frames: Frames,
    /// All empty between two sessions but for their room.
    pushes: Vec<Push>,
    events: Vec<Arc<Encoded>>,
    given: Given,
}

/// What clients were given since it was counted the last time: once a turn, not once a client.
#[derive(Default)]
struct Given {
    events: usize,
    bytes: usize,
}

impl Giver {
    /// The frames of what a client is given; counts it.
    pub(super) fn frames(&mut self, format: Format, events: &[Arc<Encoded>]) -> &Bytes {
        let frames = self.frames.of_events(format, events);
        self.given.events += events.len();
        self.given.bytes += frames.len();
        frames
    }

    /// Counts what was given.
    pub(super) fn count(&mut self, counts: &Counts) {
        let Given { events, bytes } = std::mem::take(&mut self.given);
        counts.delivered(Transport::WebSocket, events);
        counts.sent(Transport::WebSocket, bytes);
    }
}

impl Session {
    /// Takes what the client said. Pings were answered, pongs were heard.
    pub(super) fn handle(&mut self, event: &Event<'_>) {
        if self.is_leaving {
            return; // what is not answered is said again to the next one
        }
        self.counted.received(match event {
            Event::Text(text) => text.len(),
            Event::Binary(bytes) => bytes.len(),
            _ => 0,
        });
        let decoded = match (event, self.format) {
            (Event::Text(text), Format::Json) => {
                tidings_wire::Request::decode(text.as_bytes(), Format::Json)
            }
            (Event::Binary(bytes), Format::Cbor) => {
                tidings_wire::Request::decode(bytes, Format::Cbor)
            }
            (Event::Text(_), Format::Cbor) => Err(wrong_kind("CBOR in binary frames")),
            (Event::Binary(_), Format::Json) => Err(wrong_kind("JSON in text frames")),
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

    /// The time to say hello is over: welcomes a guest, and gives how to end with anybody else who has
    /// not said who they are.
    pub(super) fn handle_hello_deadline(&mut self) -> Option<Close<'static>> {
        if self.link.user().is_some() {
            return None;
        }
        if self.greets_guests {
            self.greet_guest();
            return None;
        }
        self.counted.closed(Code::HelloLate);
        Some(close(Code::HelloLate, "no hello came within 5 s"))
    }

    /// Says hello in the name of a client that does not.
    fn greet_guest(&mut self) {
        let command = Command::Hello { token: None };
        self.link
            .handle(tidings_wire::Request { req: None, command });
    }

    /// Appends what there is for the client to `out`, whole frames, as far as `room` reaches. How to
    /// end after that, if it is to.
    pub(super) fn poll(
        &mut self,
        room: Room,
        giver: &mut Giver,
        out: &mut Vec<Bytes>,
    ) -> Option<Close<'static>> {
        let Giver {
            frames,
            pushes,
            events,
            given,
        } = giver;
        self.link.poll(room, pushes);
        let mut end = None;
        let mut pushes = pushes.drain(..).peekable();
        while let Some(push) = pushes.next() {
            match push {
                Push::Event(event) => {
                    events.push(event);
                    // Neighbours go out as one.
                    if !matches!(pushes.peek(), Some(Push::Event(_))) {
                        let run = frames.of_events(self.format, events);
                        given.events += events.len();
                        given.bytes += run.len();
                        out.push(run.clone());
                        events.clear();
                    }
                }
                Push::Reply(reply) => {
                    if let ReplyBody::Error { code, .. } = reply.body {
                        self.counted.refused(code);
                    }
                    let frame = Frames::of_reply(self.format, &reply);
                    given.bytes += frame.len();
                    out.push(frame);
                }
                Push::Close { code, reason } => {
                    self.counted.closed(code);
                    end = Some(close(code, reason));
                }
            }
        }
        end
    }

    /// The connection has ended with that code; what counts it. Who has closed it on purpose is seen no longer,
    /// anybody else may come back: a page that is loaded again says 1001.
    pub(super) fn end(self, code: CloseCode) -> Rc<Permit> {
        // 1005: a Close without a code, as of a page that calls `close()`.
        if matches!(code, CloseCode::NORMAL | CloseCode::NO_STATUS) {
            self.link.part();
        }
        self.permit
    }

    /// The server ends: what the client says from now on is not heard.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// When everything that the client has commanded before is answered: when to come back, and how it ends.
    pub(super) fn farewell(&self, drain: &Drain) -> Option<(Bytes, Close<'static>)> {
        if !self.link.is_answered() {
            return None;
        }
        let reconnect = Frames::of_reply(self.format, &drain.reconnect());
        let close = Close::new(CloseCode::RESTART, "the server is shutting down");
        Some((reconnect, close))
    }
}

fn close(code: Code, reason: impl Into<Cow<'static, str>>) -> Close<'static> {
    Close::new(close_code(code), reason)
}

/// What a code of ours is in a Close.
pub(super) fn close_code(code: Code) -> CloseCode {
    CloseCode::new(code.close_code()).unwrap_or(CloseCode::INTERNAL)
}

fn wrong_kind(spoken: &str) -> RequestError {
    RequestError {
        req: None,
        detail: format!("this connection speaks {spoken}"),
    }
}
