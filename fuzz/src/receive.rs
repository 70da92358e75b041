//! Bytes from a peer, in either role, under any limits.
//!
//! They do no harm, they mean the same however they are cut into reads, what they make us hold
//! and answer is bounded, and tungstenite reads the same in them.

use bytes::Buf;
use tidings_websocket::deflate::Agreement;
use tidings_websocket::{Config, Connection, Event, Fault, Fragment, MessageKind, Received, Role};

use super::{frames, reference};

/// Four bytes of [`Setup`], then the stream as it is or described for [`frames::stream`].
pub fn run(data: &[u8]) {
    let Some((setup, rest)) = data.split_first_chunk() else {
        return;
    };
    let setup = Setup::new(*setup);
    let described;
    let stream = if setup.is_described {
        described = frames::stream(rest, setup.role == Role::Server);
        &described
    } else {
        rest
    };
    check(&setup, stream);
}

/// Who receives, under which limits, and how the stream is cut.
#[derive(Debug)]
pub struct Setup {
    role: Role,
    is_described: bool,
    config: Config,
    agreement: Option<Agreement>,
    /// The size of reads, and where the only cut is.
    step: usize,
    cut: usize,
}

impl Setup {
    fn new([choices, limits, step, cut]: [u8; 4]) -> Self {
        let bytes = |choice| [1 << 16, 4096, 300, 7][usize::from(choice & 3)];
        Self {
            role: if choices & 1 == 0 {
                Role::Server
            } else {
                Role::Client
            },
            is_described: choices & 2 != 0,
            config: Config {
                frame_bytes_max: bytes(limits),
                message_bytes_max: bytes(limits >> 2),
                fragments_max: [1 << 17, 3][usize::from(limits >> 4 & 1)],
                ..Config::default()
            },
            agreement: agreement(choices >> 2),
            step: usize::from(step).max(1),
            cut: usize::from(cut),
        }
    }

    fn connection(&self) -> Connection {
        let connection = match self.role {
            Role::Server => Connection::server(self.config),
            Role::Client => Connection::client(self.config, || frames::KEY),
        };
        match self.agreement {
            Some(agreement) => connection.with_deflate(agreement),
            None => connection,
        }
    }

    fn peer(&self) -> Connection {
        match self.role {
            Role::Server => Connection::client(Config::default(), || frames::KEY),
            Role::Client => Connection::server(Config::default()),
        }
    }
}

/// None, or any takeover and window: both sides alike, because only one of them is heard.
fn agreement(choice: u8) -> Option<Agreement> {
    let no_context_takeover = choice & 2 != 0;
    let window_bits = 8 + (choice >> 2 & 7);
    (choice & 1 != 0).then_some(Agreement {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: window_bits,
        client_max_window_bits: window_bits,
    })
}

fn check(setup: &Setup, stream: &[u8]) {
    let whole = Trace::of(setup, WHOLE, [stream]);
    let cut = setup.cut.min(stream.len());
    let mixed = setup.cut as u8;
    for other in [
        Trace::of(setup, WHOLE, [&stream[..cut], &stream[cut..]]),
        Trace::of(setup, WHOLE, stream.chunks(setup.step)),
        Trace::of(setup, WHOLE, stream.chunks(1)),
        Trace::of(setup, PIECES, [stream]),
        Trace::of(setup, PIECES, stream.chunks(setup.step)),
        Trace::of(setup, PIECES, stream.chunks(1)),
        Trace::of(setup, mixed, stream.chunks(setup.step)),
        Trace::of(setup, mixed, stream.chunks(1)),
    ] {
        assert_eq!(other, whole, "a cut changed the meaning");
    }
    if stream.len() <= EVERY_CUT_BYTES_MAX {
        for cut in 0..=stream.len() {
            let pieces = Trace::of(setup, WHOLE, [&stream[..cut], &stream[cut..]]);
            assert_eq!(pieces, whole, "a cut at {cut} changed the meaning");
        }
    }
    whole.answers_are_right(setup);
    whole.is_within_limits(setup);
    whole.is_what_the_reference_reads(setup, stream);
    memory_is_bounded(setup, stream, &whole);
}

/// How messages are received, call by call: a bit that is set asks for pieces.
pub type Way = u8;
const WHOLE: Way = 0;
const PIECES: Way = 0xff;

/// Short streams are cut everywhere.
const EVERY_CUT_BYTES_MAX: usize = 32;

/// What a connection made of its input.
#[derive(Debug, PartialEq)]
struct Trace {
    events: Vec<Event<'static>>,
    fault: Option<Fault>,
    answers: Vec<u8>,
    is_closed: bool,
}

impl Trace {
    fn of<'p>(setup: &Setup, way: Way, reads: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut connection = setup.connection();
        let mut receiver = Receiver::new(way);
        let mut events = Vec::new();
        let mut fault = None;
        for read in reads {
            let outcome = receiver.receive(&mut connection, read, &mut events);
            if fault.is_some() {
                assert_eq!(outcome, Ok(()), "nothing is received after a fault");
            }
            fault = fault.or(outcome.err());
        }
        let output = connection.output();
        Self {
            events,
            fault,
            answers: output.copy_to_bytes(output.remaining()).to_vec(),
            is_closed: connection.is_closed(),
        }
    }

    /// Our own other end reads in the answers a pong for each ping, and then why we closed.
    fn answers_are_right(&self, setup: &Setup) {
        let mut expected: Vec<Event<'static>> = Vec::new();
        let mut closing = self.fault.map(|fault| fault.close_code());
        for event in &self.events {
            assert!(closing.is_none() || self.fault.is_some());
            match event {
                Event::Ping(payload) => expected.push(Event::Pong(payload.clone())),
                Event::Close(close) => closing = Some(close.code),
                _ => {}
            }
        }
        assert_eq!(self.is_closed, closing.is_some());
        let mut peer = setup.peer();
        let mut answers = Vec::new();
        let read = Receiver::new(WHOLE).receive(&mut peer, &self.answers, &mut answers);
        assert_eq!(
            read,
            Ok(()),
            "our own other end must understand the answers"
        );
        match (answers.last(), closing) {
            (Some(Event::Close(close)), Some(code)) => {
                assert_eq!(close.code, code);
                answers.pop();
            }
            (_, None) => {}
            (last, Some(code)) => panic!("{code} was not told, but {last:?}"),
        }
        assert_eq!(answers, expected);
    }

    fn is_within_limits(&self, setup: &Setup) {
        for event in &self.events {
            let bytes = match event {
                Event::Text(text) => text.len(),
                Event::Binary(bytes) => bytes.len(),
                _ => continue,
            };
            assert!(bytes <= setup.config.message_bytes_max);
        }
    }

    fn is_what_the_reference_reads(&self, setup: &Setup, stream: &[u8]) {
        let its = reference::events(stream, setup.role, &setup.config, setup.agreement);
        let ours: Vec<_> = self
            .events
            .iter()
            .cloned()
            .map(reference::as_it_would_say)
            .collect();
        if self.fault.is_none() {
            assert_eq!(ours, its);
        } else {
            // Up to the fault both agree. It may notice later, or, where the RFC says that a
            // length must be as short as can be, never.
            assert_eq!(ours.get(..), its.get(..ours.len()));
        }
    }
}

/// Receives whole messages or pieces, and puts the pieces together.
pub struct Receiver {
    /// How the next calls are made.
    pub way: Way,
    begun: Option<(MessageKind, Vec<u8>)>,
}

impl Receiver {
    /// Receives this way: see [`Way`].
    pub fn new(way: Way) -> Self {
        Self { way, begun: None }
    }

    /// Gives `read` to the connection, and appends what comes of it to `events`.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn receive(
        &mut self,
        connection: &mut Connection,
        read: &[u8],
        events: &mut Vec<Event<'static>>,
    ) -> Result<(), Fault> {
        let mut buffer = read.to_vec();
        let mut input = &mut buffer[..];
        while let Some(event) = self.next(connection, &mut input)? {
            events.extend(event);
        }
        assert!(input.is_empty(), "what brings no event is taken");
        Ok(())
    }

    /// One call. `Some(None)` is a piece that does not end its message.
    pub fn next(
        &mut self,
        connection: &mut Connection,
        input: &mut &mut [u8],
    ) -> Result<Option<Option<Event<'static>>>, Fault> {
        let wants_piece = self.way & 1 != 0;
        self.way = self.way.rotate_right(1);
        if !wants_piece {
            let event = connection.receive(input)?;
            return Ok(event.map(|event| Some(self.completed(event))));
        }
        Ok(match connection.receive_piece(input)? {
            None => None,
            Some(Received::Event(event)) => {
                assert!(!event.is_message(), "messages come in pieces");
                Some(Some(event.into_owned()))
            }
            Some(Received::Piece(piece)) => {
                let (kind, bytes) = self.begun.get_or_insert((piece.kind, Vec::new()));
                assert_eq!(*kind, piece.kind);
                bytes.extend_from_slice(&piece.payload);
                Some(match piece.fragment {
                    Fragment::More => None,
                    Fragment::Last => self.begun.take().map(|(kind, bytes)| message(kind, bytes)),
                })
            }
        })
    }

    /// The message of which this is the rest, if it was begun in pieces.
    fn completed(&mut self, event: Event<'_>) -> Event<'static> {
        if !event.is_message() {
            return event.into_owned();
        }
        let Some((kind, mut bytes)) = self.begun.take() else {
            return event.into_owned();
        };
        match event {
            Event::Text(rest) => {
                // It begins with the character that was cut.
                let whole = std::str::from_utf8(&bytes);
                bytes.truncate(whole.map_or_else(|cut| cut.valid_up_to(), str::len));
                bytes.extend_from_slice(rest.as_bytes());
            }
            Event::Binary(rest) => bytes.extend_from_slice(&rest),
            _ => unreachable!("a message"),
        }
        message(kind, bytes)
    }
}

fn message(kind: MessageKind, bytes: Vec<u8>) -> Event<'static> {
    match kind {
        MessageKind::Text => String::from_utf8(bytes)
            .expect("the pieces of a text are a text")
            .into(),
        MessageKind::Binary => bytes.into(),
    }
}

/// What the connection holds never exceeds a message, twice while its memory grows, and what it
/// answers; whatever lengths the stream promises.
fn memory_is_bounded(setup: &Setup, stream: &[u8], whole: &Trace) {
    let mut pieces: Vec<Vec<u8>> = stream.chunks(setup.step).map(<[u8]>::to_vec).collect();
    let held = allocation_counter::measure(|| {
        let mut connection = setup.connection();
        for piece in &mut pieces {
            let mut input = &mut piece[..];
            while let Ok(Some(_)) = connection.receive(&mut input) {}
        }
    });
    let (message, overhead) = match setup.agreement {
        None => (setup.config.message_bytes_max.min(stream.len()), OVERHEAD),
        // Whatever it promises to become.
        Some(_) => (
            setup
                .config
                .message_bytes_max
                .min(COMPRESSED * stream.len()),
            OVERHEAD + DEFLATE_OVERHEAD,
        ),
    };
    let max = MESSAGE_GROWTH * message + MESSAGE_GROWTH * whole.answers.len() + overhead;
    assert!(
        held.bytes_max <= max as u64,
        "{} bytes were held, {max} are allowed",
        held.bytes_max
    );
}

/// A vector that doubles has its old half beside the new whole.
const MESSAGE_GROWTH: usize = 3;
/// Boxes, control frames, an error's sentence.
const OVERHEAD: usize = 2048;
/// The most that DEFLATE makes of a byte: a match of 258 bytes in two bits.
const COMPRESSED: usize = 1032;
/// A decompressor, its window, and the buffer that it writes to.
const DEFLATE_OVERHEAD: usize = 128 * 1024;
