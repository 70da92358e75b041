//! One connection of the crowd: its handshake, its greeting, and what comes over it then.

use std::net::SocketAddrV4;

use super::frame::push_text;
use super::link::Link;
use super::mark::Finder;
use super::tally::Tally;
use crate::messaging::protocol::{Begin, Protocol, Role, Said};
use crate::socket::Socket;

/// A follower or a publisher.
pub(super) struct Member {
    pub(super) link: Link,
    state: State,
    channel: u32,
    /// Whether it follows the channel, or publishes to it.
    is_follower: bool,
    /// The number of the message that a follower has to get next.
    next: u64,
    /// Where a follower would come back to.
    place: String,
}

enum State {
    Opening(Box<Opening>),
    /// Waits for so many answers.
    Greeting(usize),
    Ready,
}

struct Opening {
    /// Empty when it is sent.
    request: Vec<u8>,
    /// What came of it.
    answer: Vec<u8>,
    greeting: Vec<u8>,
    greetings: usize,
}

/// Where a follower was when its connection was cut.
pub(super) struct Left {
    pub(super) place: String,
    pub(super) next: u64,
}

/// Where what comes goes to.
pub(super) struct Came<'c> {
    pub(super) protocol: &'c dyn Protocol,
    pub(super) finder: &'c mut Finder,
    /// By channel.
    pub(super) tallies: &'c mut [Tally],
    pub(super) acknowledged: &'c mut Vec<usize>,
    pub(super) keeps_places: bool,
    /// When it came.
    pub(super) now: u64,
    /// Whose it is.
    pub(super) index: usize,
}

/// RFC 6455, 1.3: the example's key and the answer that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// An answer's head beyond this is no handshake.
const HEAD_BYTES_MAX: usize = 16 << 10;

impl Member {
    /// Whose `socket` begins to connect; `next` is the number of the first message that it has to get.
    pub(super) fn new(
        socket: Socket,
        protocol: &dyn Protocol,
        address: SocketAddrV4,
        role: Role<'_>,
        next: u64,
    ) -> Self {
        let (target, headers) = protocol.handshake(role);
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             {headers}\r\n"
        );
        let mut greeting = Vec::new();
        for text in protocol.greeting(role) {
            push_text(&mut greeting, &text);
        }
        let (channel, is_follower, place) = match role {
            Role::Publisher { channel } => (channel, false, ""),
            Role::Follower { channel, from } => match from {
                Begin::At(place) => (channel, true, place),
                Begin::Now | Begin::NowToReturn => (channel, true, ""),
            },
        };
        Self {
            link: Link::new(socket),
            state: State::Opening(Box::new(Opening {
                request: request.into_bytes(),
                answer: Vec::new(),
                greeting,
                greetings: protocol.greetings(role),
            })),
            channel,
            is_follower,
            next,
            place: place.to_owned(),
        }
    }

    /// Whether it is what its role says.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    pub(super) fn follows(&self, channel: u32) -> bool {
        self.is_follower && self.channel == channel
    }

    /// Its end.
    pub(super) fn leave(self) -> Left {
        Left {
            place: self.place,
            next: self.next,
        }
    }

    /// Sends what can be sent: the handshake's request, or what waits.
    #[inline]
    pub(super) fn progress(&mut self) -> Result<(), String> {
        if let State::Opening(opening) = &mut self.state
            && !opening.request.is_empty()
        {
            self.link.send(&std::mem::take(&mut opening.request))?;
        }
        self.link.flush()
    }

    /// Takes what came.
    pub(super) fn take(&mut self, bytes: &[u8], came: &mut Came<'_>) -> Result<(), String> {
        let State::Opening(opening) = &mut self.state else {
            return self.texts(bytes, came);
        };
        opening.answer.extend_from_slice(bytes);
        let Some(end) = head_end(&opening.answer)? else {
            return Ok(());
        };
        let rest = opening.answer.split_off(end);
        self.link.send(&opening.greeting)?;
        self.state = match opening.greetings {
            0 => State::Ready,
            count => State::Greeting(count),
        };
        self.texts(&rest, came)
    }

    #[inline]
    fn texts(&mut self, bytes: &[u8], came: &mut Came<'_>) -> Result<(), String> {
        let Self {
            link,
            state,
            channel,
            is_follower,
            next,
            place,
        } = self;
        let mut trouble = None;
        let mut answers = Vec::new();
        link.take(bytes, |text| {
            if *is_follower {
                if came.keeps_places {
                    came.protocol.keep_place(place, text);
                }
                if let Some(number) = came.finder.number(text) {
                    came.tallies[*channel as usize].deliver(number, next, came.now);
                    return;
                }
            }
            match came.protocol.said(text, *channel) {
                Said::Greeted => {
                    if let State::Greeting(left) = state {
                        *left -= 1;
                        if *left == 0 {
                            *state = State::Ready;
                        }
                    }
                }
                Said::Acknowledged => came.acknowledged.push(came.index),
                Said::Asks(answer) => push_text(&mut answers, &answer),
                Said::Refused => trouble = Some(String::from_utf8_lossy(text).into_owned()),
                Said::Nothing => {}
            }
        })?;
        if let Some(text) = trouble {
            return Err(format!("it said {text}"));
        }
        if answers.is_empty() {
            Ok(())
        } else {
            link.send(&answers)
        }
    }
}

/// Where the handshake's answer ends, once it is whole, if it is the right one.
fn head_end(answer: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if answer.len() > HEAD_BYTES_MAX {
            Err("the handshake's answer has no end".to_owned())
        } else {
            Ok(None)
        };
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    if head.starts_with("HTTP/1.1 101") && head.contains(ACCEPT) {
        Ok(Some(end + 4))
    } else {
        let line = head.lines().next().unwrap_or_default();
        Err(format!("the handshake was answered with '{line}'"))
    }
}
