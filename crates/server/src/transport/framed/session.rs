//! What a client says and what it is given.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tidings_hub::{Link, Push, Room};
use tidings_wire::{Code, Command, Encoded, Format, ReplyBody, Request, RequestError};

use super::frames::{Compression, Frames, Framing};
use crate::connection::Permit;
use crate::metrics::Counts;
use crate::shutdown::Drain;
use crate::transport::Counted;

/// One client's session, and what is counted for as long as it is there.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// Whether whoever says nothing is welcomed under a name of our choice.
    pub(crate) greets_guests: bool,
    /// Whether the server ends, and hears it no longer.
    pub(crate) is_leaving: bool,
    pub(crate) counted: Counted,
    pub(crate) permit: Rc<Permit>,
}

/// How we end a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// As in the protocol's table of codes.
    pub(crate) code: u16,
    /// For people.
    pub(crate) reason: Cow<'static, str>,
}

/// How a client has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It has said that it goes for good: it is seen no longer.
    Meant,
    /// Anything else: it may come back.
    Lost,
}

/// What the sessions of a thread are given their frames with: the memory of it, and what they share.
pub(crate) struct Giver<F> {
    frames: Frames<F>,
    /// All empty between two sessions but for their room.
    pushes: Vec<Push>,
    events: Vec<Arc<Encoded>>,
    apart: Vec<Arc<Encoded>>,
    given: Given,
}

impl<F> Default for Giver<F> {
    fn default() -> Self {
        Self {
            frames: Frames::default(),
            pushes: Vec::new(),
            events: Vec::new(),
            apart: Vec::new(),
            given: Given::default(),
        }
    }
}

/// What clients were given since it was counted the last time: once a turn, not once a client.
#[derive(Default)]
struct Given {
    events: usize,
    bytes: usize,
}

impl<F: Framing> Giver<F> {
    /// The frames of what a client is given; counts it.
    pub(crate) fn frames(
        &mut self,
        (format, compression): (Format, Compression),
        events: &[Arc<Encoded>],
    ) -> &Bytes {
        let frames = self.frames.of_events(format, compression, events);
        self.given.events += events.len();
        self.given.bytes += frames.len();
        frames
    }

    /// Takes what the last [`Session::poll`] has left out of its frames, for it goes [apart](Framing::is_apart).
    /// Nothing of that is counted yet.
    pub(crate) fn take_apart(&mut self) -> Vec<Arc<Encoded>> {
        std::mem::take(&mut self.apart)
    }

    /// An event of so many bytes was given apart.
    pub(crate) fn gave_apart(&mut self, bytes: usize) {
        self.given.events += 1;
        self.given.bytes += bytes;
    }

    /// Counts what was given.
    pub(crate) fn count(&mut self, counts: &Counts) {
        let Given { events, bytes } = std::mem::take(&mut self.given);
        counts.delivered(F::TRANSPORT, events);
        counts.sent(F::TRANSPORT, bytes);
    }
}

impl Session {
    /// Takes what the client said: an object in the session's format, or what should be one.
    pub(crate) fn handle(&mut self, object: &[u8]) {
        self.take(object.len(), Request::decode(object, self.format));
    }

    /// Takes a frame of so many bytes that cannot be an object in the session's format.
    pub(crate) fn handle_bad_frame(&mut self, bytes: usize, error: RequestError) {
        self.take(bytes, Err(error));
    }

    /// Takes what the client said apart from its frames, and so perhaps before those that it said earlier: a
    /// signal. Who sends it must be known by then, or it is lost, as signals may be.
    pub(crate) fn handle_apart(&mut self, object: &[u8]) {
        if self.link.user().is_none() {
            return self.counted.received(object.len());
        }
        let decoded = Request::decode(object, self.format);
        let only_signals = |request: Request| match request.command {
            Command::Signal { .. } => Ok(request),
            _ => Err(RequestError {
                req: request.req,
                detail: "only signals may travel as datagrams".to_owned(),
            }),
        };
        self.take(object.len(), decoded.and_then(only_signals));
    }

    fn take(&mut self, bytes: usize, decoded: Result<Request, RequestError>) {
        if self.is_leaving {
            return; // what is not answered is said again to the next one
        }
        self.counted.received(bytes);
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
    pub(crate) fn handle_hello_deadline(&mut self) -> Option<End> {
        if self.link.user().is_some() {
            return None;
        }
        if self.greets_guests {
            self.greet_guest();
            return None;
        }
        self.counted.closed(Code::HelloLate);
        Some(End::by(Code::HelloLate, "no hello came within 5 s"))
    }

    /// Says hello in the name of a client that does not.
    fn greet_guest(&mut self) {
        let command = Command::Hello { token: None };
        self.link.handle(Request { req: None, command });
    }

    /// Appends what there is for the client to `out`, whole frames, as far as `room` reaches. How to
    /// end after that, if it is to.
    pub(crate) fn poll<F: Framing>(
        &mut self,
        room: Room,
        giver: &mut Giver<F>,
        out: &mut Vec<Bytes>,
    ) -> Option<End> {
        let Giver {
            frames,
            pushes,
            events,
            apart,
            given,
        } = giver;
        self.link.poll(room, pushes);
        let mut end = None;
        let mut pushes = pushes.drain(..).peekable();
        while let Some(push) = pushes.next() {
            match push {
                Push::Event(event) if F::is_apart(&event) => apart.push(event),
                Push::Event(event) => {
                    events.push(event);
                    // Neighbours go out as one.
                    let is_next = |push: &Push| matches!(push, Push::Event(it) if !F::is_apart(it));
                    if !pushes.peek().is_some_and(is_next) {
                        let run = frames.of_events(self.format, self.compression, events);
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
                    let frame = Frames::<F>::of_reply(self.format, &reply);
                    given.bytes += frame.len();
                    out.push(frame);
                }
                Push::Close { code, reason } => {
                    self.counted.closed(code);
                    end = Some(End::by(code, reason));
                }
            }
        }
        end
    }

    /// How events are written for it.
    pub(crate) fn terms(&self) -> (Format, Compression) {
        (self.format, self.compression)
    }

    /// The connection has ended; what counts it.
    pub(crate) fn end(self, parting: Parting) -> Rc<Permit> {
        if parting == Parting::Meant {
            self.link.part();
        }
        self.permit
    }

    /// The server ends: what the client says from now on is not heard.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// When everything that the client has commanded before is answered: when to come back, and how it ends.
    pub(crate) fn farewell<F: Framing>(&self, drain: &Drain) -> Option<(Bytes, End)> {
        if !self.link.is_answered() {
            return None;
        }
        let reconnect = Frames::<F>::of_reply(self.format, &drain.reconnect());
        let end = End::by(Code::Unavailable, "the server is shutting down");
        Some((reconnect, end))
    }
}

impl End {
    /// By one of our codes.
    pub(crate) fn by(code: Code, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.close_code(),
            reason: reason.into(),
        }
    }
}
