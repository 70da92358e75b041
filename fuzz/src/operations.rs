//! What two ends do to each other, against a model of what must come of it.
//!
//! A client and a server of ours, which agreed on compression as their policies let them, are
//! joined by two queues of bytes. Each operation sends something at one end, or moves some bytes,
//! in any sizes. The model is a list of the events that each end has yet to receive: what is sent
//! is appended, what is received must be its front. At the end both lists are empty, both ends are
//! closed, and neither ever found fault with the other; and in all that was written the other
//! implementations read what was sent.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, Bytes};
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::frame;
use tidings_websocket::{
    Close, CloseCode, Config, Connection, Event, Fragment, MessageKind, Prepared, SendError,
};

use super::receive::Receiver;
use super::{deflate, frames, handshake, reference};

/// The [`Wishes`] of client and server, then operations as the `arbitrary` crate reads them, to the
/// end of the bytes.
pub fn run(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok((client, server)) = <(Wishes, Wishes)>::arbitrary(&mut data) else {
        return;
    };
    let mut pair = Pair::new(client, server);
    for _ in 0..OPERATIONS_MAX {
        match <(Side, Operation)>::arbitrary(&mut data) {
            Ok((side, operation)) if !data.is_empty() => pair.perform(side, &operation),
            _ => break,
        }
    }
    pair.end();
}

/// Enough for anything that operations do to each other, few enough to be quick.
const OPERATIONS_MAX: usize = 60;

/// How an end would have messages compressed: [`handshake::policy`], and how much they must be.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Wishes {
    policy: [u8; 2],
    compress_from: u8,
    level: u8,
}

impl Wishes {
    fn policy(self) -> Option<Policy> {
        Some(Policy {
            compress_from: usize::from(self.compress_from),
            level: self.level % 12, // some there are not
            ..handshake::policy(self.policy)?
        })
    }

    fn config(self) -> Config {
        Config {
            deflate: self.policy(),
            ..Config::default()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Arbitrary<'_> for Side {
    fn arbitrary(data: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(match data.arbitrary()? {
            false => Self::Client,
            true => Self::Server,
        })
    }
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Send(Kind, Content),
    Share(Kind, Content),
    Encoded(Kind, Content),
    /// Prepares a message, compressed as the other end wishes, and sends it.
    Prepare(Kind, Content, Wishes),
    /// Sends again what was prepared last, by either end.
    Repeat,
    /// Begins a message that is cut into fragments of this many bytes.
    Begin(Kind, Content, u8),
    /// Sends the next fragment of the message that was begun.
    Continue,
    Ping(Content),
    Pong(Content),
    Close(u16, Content),
    /// Writes at most this many bytes of the output.
    Write(u16),
    /// Reads at most this many bytes of what the other wrote, whole messages or pieces.
    Read(u16, u8),
    /// Lends the output a buffer.
    Lend,
    /// The stream ends.
    Eof,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Binary,
}

impl Arbitrary<'_> for Kind {
    fn arbitrary(data: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(match data.arbitrary()? {
            false => Self::Text,
            true => Self::Binary,
        })
    }
}

/// A payload, by its recipe: its size, and how much it repeats itself.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Content {
    size: u16,
    variety: u8,
    seed: u8,
}

impl Content {
    /// Mostly short; some beyond [`SHARED_BYTES_MIN`](tidings_websocket::output::SHARED_BYTES_MIN),
    /// few beyond a length of 16 bits.
    fn size(self) -> usize {
        let size = usize::from(self.size);
        match size % 64 {
            0 => size + 5000,
            1..5 => size % 9000,
            _ => size % 300,
        }
    }

    /// Characters from the first `variety` of an alphabet, in no order that repeats.
    fn text(self) -> String {
        const ALPHABET: [char; 16] = [
            'a', 'é', '世', '🌍', ' ', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', '\n',
        ];
        let choices = 1 + usize::from(self.variety) % ALPHABET.len();
        let mut state = u32::from(self.seed);
        let mut text = String::new();
        while text.len() < self.size() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(ALPHABET[(state >> 24) as usize % choices]);
        }
        text
    }

    fn bytes(self, max: usize) -> Vec<u8> {
        let mut bytes = self.text().into_bytes();
        bytes.truncate(max);
        bytes
    }
}

impl Kind {
    fn kind(self) -> MessageKind {
        match self {
            Self::Text => MessageKind::Text,
            Self::Binary => MessageKind::Binary,
        }
    }

    fn event(self, content: Content) -> Event<'static> {
        match self {
            Self::Text => Event::from(content.text()),
            Self::Binary => Event::from(content.text().into_bytes()),
        }
    }
}

/// The two ends.
struct Pair {
    client: End,
    server: End,
    prepared: Option<(Kind, Content, Prepared)>,
}

/// One end, and what the model says that it has yet to see.
struct End {
    connection: Connection,
    agreement: Option<Agreement>,
    receiver: Receiver,
    /// Written by the other, not read yet.
    incoming: VecDeque<u8>,
    /// All that was written by the other, and what it must mean.
    wire: Vec<u8>,
    meaning: Vec<Event<'static>>,
    /// What must be received, in this order.
    expected: VecDeque<Event<'static>>,
    /// The message that this end is in the middle of sending.
    sending: Option<Unsent>,
    /// The stream ended here: nothing more is received.
    is_deaf: bool,
}

struct Unsent {
    whole: Event<'static>,
    kind: MessageKind,
    fragments: VecDeque<Vec<u8>>,
}

impl End {
    fn new(connection: Connection, agreement: Option<Agreement>) -> Self {
        let connection = match agreement {
            Some(agreement) => connection.with_deflate(agreement),
            None => connection,
        };
        Self {
            connection,
            agreement,
            receiver: Receiver::new(0),
            incoming: VecDeque::new(),
            wire: Vec::new(),
            meaning: Vec::new(),
            expected: VecDeque::new(),
            sending: None,
            is_deaf: false,
        }
    }

    /// Whether a message may begin, as the documentation has it.
    fn may_begin(&self) -> Result<(), SendError> {
        if !self.connection.is_open() {
            Err(SendError::Closed)
        } else if self.sending.is_some() {
            Err(SendError::MessageUnfinished)
        } else {
            Ok(())
        }
    }

    fn expect(&mut self, event: Event<'static>) {
        self.meaning.push(event.clone());
        if !self.is_deaf {
            self.expected.push_back(event);
        }
    }

    fn write(&mut self, bytes_max: usize) -> Vec<u8> {
        let output = self.connection.output();
        assert_eq!(output.has_remaining(), !output.chunk().is_empty());
        let bytes = bytes_max.min(output.remaining());
        if bytes_max.is_multiple_of(2) {
            return output.copy_to_bytes(bytes).to_vec();
        }
        // As a loop over many connections does.
        let chunk = output.chunk();
        let written = chunk[..bytes.min(chunk.len())].to_vec();
        let unsent = self.connection.unsent_bytes() - written.len();
        let buffer = self.connection.reclaim_output(written.len());
        assert!(buffer.is_none_or(|buffer| buffer.is_empty()));
        assert_eq!(self.connection.unsent_bytes(), unsent);
        written
    }

    /// Takes bytes off the queue; gives what the other end must receive in answer.
    fn read(&mut self, bytes_max: usize, way: u8) -> Vec<Event<'static>> {
        let bytes = bytes_max.min(self.incoming.len());
        let mut buffer: Vec<u8> = self.incoming.drain(..bytes).collect();
        let mut input = &mut buffer[..];
        let mut answers = Vec::new();
        self.receiver.way = way;
        loop {
            let was_open = self.connection.is_open();
            let event = match self.receiver.next(&mut self.connection, &mut input) {
                Ok(Some(Some(event))) => event,
                Ok(Some(None)) => continue,
                Ok(None) => break,
                Err(fault) => panic!("a correct end finds fault with another: {fault}"),
            };
            match &event {
                Event::Ping(payload) if was_open => answers.push(Event::Pong(payload.clone())),
                Event::Close(close) if was_open => {
                    answers.push(Event::Close(Close::new(close.code, "")));
                }
                _ => {}
            }
            if let Event::Close(_) = event {
                assert!(self.connection.is_closed());
            }
            assert_eq!(Some(event), self.expected.pop_front());
        }
        assert!(input.is_empty());
        answers
    }

    /// The other implementations read in all that came what the model says, and no window was
    /// overstepped.
    fn examine_wire(&self) {
        let role = self.connection.role();
        let limits = Config::default();
        let its = reference::events(&self.wire, role, &limits, self.agreement);
        let ours = self.meaning.iter().cloned();
        let ours: Vec<_> = ours.map(reference::as_it_would_say).collect();
        assert_eq!(its, ours);
        if let Some(agreement) = self.agreement {
            let compressed = reference::compressed(&self.wire, role, &limits);
            deflate::is_within_window(agreement, reference::peer(role), &compressed);
        }
    }
}

impl Pair {
    fn new(client: Wishes, server: Wishes) -> Self {
        let (at_client, at_server) = handshake::negotiate(client.policy(), server.policy());
        let connection = Connection::client(client.config(), || frames::KEY);
        Self {
            client: End::new(connection, at_client),
            server: End::new(Connection::server(server.config()), at_server),
            prepared: None,
        }
    }

    /// The end that acts, and the other.
    fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    fn perform(&mut self, side: Side, operation: &Operation) {
        let (end, other) = self.ends(side);
        let may_begin = end.may_begin();
        let is_open = end.connection.is_open();
        match *operation {
            Operation::Send(kind, content) => {
                let event = kind.event(content);
                assert_eq!(end.connection.send(event.clone()), may_begin);
                other.expect_if(may_begin.is_ok(), event);
            }
            Operation::Share(kind, content) => {
                let payload = Bytes::from(content.text());
                let sent = end.connection.send_shared(kind.kind(), &payload);
                assert_eq!(sent, may_begin);
                other.expect_if(sent.is_ok(), kind.event(content));
            }
            Operation::Encoded(kind, content) => {
                let text = content.text();
                let frames = match kind {
                    Kind::Text => frame::encode_text(&text),
                    Kind::Binary => frame::encode_binary(text.as_bytes()),
                };
                let sent = end.connection.send_encoded(&frames);
                let allowed = match side {
                    Side::Client => Err(SendError::NotAServer),
                    Side::Server => may_begin,
                };
                assert_eq!(sent, allowed);
                other.expect_if(sent.is_ok(), kind.event(content));
            }
            Operation::Prepare(kind, content, wishes) => {
                let text = content.text();
                let message = match kind {
                    Kind::Text => Prepared::text(&text),
                    Kind::Binary => Prepared::binary(text.as_bytes()),
                };
                let message = match wishes.policy() {
                    Some(policy) => message.deflated(&policy),
                    None => message,
                };
                self.prepared = Some((kind, content, message));
                self.perform(side, &Operation::Repeat);
            }
            Operation::Repeat => {
                let Some((kind, content, message)) = self.prepared.clone() else {
                    return;
                };
                let (end, other) = self.ends(side);
                assert_eq!(end.connection.send_prepared(&message), may_begin);
                other.expect_if(may_begin.is_ok(), kind.event(content));
            }
            Operation::Lend => {
                let unsent = end.connection.unsent_bytes();
                let _ = end.connection.lend_output(Vec::with_capacity(64));
                assert_eq!(end.connection.unsent_bytes(), unsent);
            }
            Operation::Begin(kind, content, fragment_bytes) => {
                if may_begin.is_ok() {
                    let bytes = content.text().into_bytes();
                    // A message has at most some ten fragments, that a scenario may end it.
                    let size = usize::from(fragment_bytes).max(bytes.len() / 10).max(1);
                    let mut fragments: VecDeque<_> =
                        bytes.chunks(size).map(<[u8]>::to_vec).collect();
                    if fragment_bytes.is_multiple_of(2) {
                        fragments.push_back(Vec::new()); // when its end is known too late
                    }
                    end.sending = (!fragments.is_empty()).then(|| Unsent {
                        whole: kind.event(content),
                        kind: kind.kind(),
                        fragments,
                    });
                    end.send_fragment(other);
                }
            }
            Operation::Continue => end.send_fragment(other),
            Operation::Ping(content) => {
                let payload = content.bytes(126);
                let event = Event::Ping(payload.clone().into());
                let sent = end.connection.send(event.clone());
                assert_eq!(sent, control_allowed(is_open, payload.len()));
                other.expect_if(sent.is_ok(), event);
            }
            Operation::Pong(content) => {
                let payload = content.bytes(126);
                let event = Event::Pong(payload.clone().into());
                let sent = end.connection.send(event.clone());
                assert_eq!(sent, control_allowed(is_open, payload.len()));
                other.expect_if(sent.is_ok(), event);
            }
            Operation::Close(code, content) => {
                let code = CloseCode::new(code).unwrap_or(CloseCode::NO_STATUS);
                end.close(other, Close::new(code, content.text()));
            }
            Operation::Write(bytes) => {
                let bytes = end.write(usize::from(bytes));
                other.wire.extend_from_slice(&bytes);
                other.incoming.extend(bytes);
            }
            Operation::Read(bytes, way) => {
                let answers = end.read(usize::from(bytes), way);
                for answer in answers {
                    other.expect(answer);
                }
            }
            Operation::Eof => {
                let was_closed = end.connection.is_closed();
                let event = end.connection.handle_eof();
                let abnormal = Event::Close(Close::abnormal());
                assert_eq!(event, (!was_closed).then_some(abnormal));
                assert!(end.connection.is_closed());
                end.is_deaf = true;
                end.expected.clear();
            }
        }
    }

    /// Everything arrives, the messages begun end, both close.
    fn end(&mut self) {
        for side in [Side::Client, Side::Server] {
            let (end, other) = self.ends(side);
            while end.connection.is_open() && end.sending.is_some() {
                end.send_fragment(other);
            }
        }
        self.exchange();
        let (end, other) = self.ends(Side::Client);
        if end.connection.is_open() {
            end.close(other, Close::new(CloseCode::NORMAL, "the end"));
        }
        self.exchange();
        for side in [Side::Server, Side::Client] {
            let (end, other) = self.ends(side);
            assert_eq!(end.expected, [], "{side:?} has yet to receive");
            if other.is_deaf {
                end.connection.handle_eof();
            }
            assert!(end.connection.is_closed(), "{side:?} is not closed");
            end.examine_wire();
        }
    }

    /// Until both have written and read all there is: answers have answers at most once.
    fn exchange(&mut self) {
        for _ in 0..3 {
            for side in [Side::Client, Side::Server] {
                self.perform(side, &Operation::Write(u16::MAX));
                while self.ends(side).0.connection.unsent_bytes() > 0 {
                    self.perform(side, &Operation::Write(u16::MAX));
                }
            }
            for side in [Side::Client, Side::Server] {
                while !self.ends(side).0.incoming.is_empty() {
                    self.perform(side, &Operation::Read(u16::MAX, 0));
                }
            }
        }
    }
}

impl End {
    fn expect_if(&mut self, sent: bool, event: Event<'static>) {
        if sent {
            self.expect(event);
        }
    }

    fn send_fragment(&mut self, other: &mut Self) {
        let Some(unsent) = &mut self.sending else {
            return;
        };
        let piece = unsent.fragments.pop_front().expect("never empty");
        let fragment = if unsent.fragments.is_empty() {
            Fragment::Last
        } else {
            Fragment::More
        };
        let is_open = self.connection.is_open();
        let sent = self.connection.send_fragment(unsent.kind, &piece, fragment);
        assert_eq!(sent.is_ok(), is_open);
        if fragment == Fragment::Last {
            let whole = self.sending.take().expect("it was there").whole;
            other.expect_if(sent.is_ok(), whole);
        }
    }

    fn close(&mut self, other: &mut Self, close: Close<'static>) {
        let is_open = self.connection.is_open();
        let sent = self.connection.close(close.clone());
        assert_eq!(sent.is_ok(), is_open);
        assert!(!self.connection.is_open());
        let bytes = close
            .reason
            .floor_char_boundary(tidings_websocket::close::REASON_BYTES_MAX);
        let reason = match close.code {
            CloseCode::NO_STATUS => String::new(),
            _ => close.reason[..bytes].to_owned(),
        };
        other.expect_if(sent.is_ok(), Event::Close(Close::new(close.code, reason)));
    }
}

fn control_allowed(is_open: bool, bytes: usize) -> Result<(), SendError> {
    if !is_open {
        Err(SendError::Closed)
    } else if bytes > frame::CONTROL_BYTES_MAX {
        Err(SendError::ControlTooLong(bytes))
    } else {
        Ok(())
    }
}
