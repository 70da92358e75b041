//! Bytes from a peer, in either role, under any limits.
//!
//! They do no harm, they mean the same however they are cut into reads, what they make us hold
//! and answer is bounded, and tungstenite reads the same in them.

use bytes::Buf;
use tidings_websocket::{Config, Connection, Event, Fault, Role};

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
    /// The size of reads, and where the only cut is.
    step: usize,
    cut: usize,
}

impl Setup {
    fn new([choices, limits, step, cut]: [u8; 4]) -> Self {
        let bytes = |choice| [1 << 20, 4096, 300, 7][usize::from(choice & 3)];
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
            step: usize::from(step).max(1),
            cut: usize::from(cut),
        }
    }

    fn connection(&self) -> Connection {
        match self.role {
            Role::Server => Connection::server(self.config),
            Role::Client => Connection::client(self.config, || frames::KEY),
        }
    }

    fn peer(&self) -> Connection {
        match self.role {
            Role::Server => Connection::client(Config::default(), || frames::KEY),
            Role::Client => Connection::server(Config::default()),
        }
    }
}

fn check(setup: &Setup, stream: &[u8]) {
    let whole = Trace::of(setup, [stream]);
    let cut = setup.cut.min(stream.len());
    for pieces in [
        Trace::of(setup, [&stream[..cut], &stream[cut..]]),
        Trace::of(setup, stream.chunks(setup.step)),
        Trace::of(setup, stream.chunks(1)),
    ] {
        assert_eq!(pieces, whole, "a cut changed the meaning");
    }
    if stream.len() <= EVERY_CUT_BYTES_MAX {
        for cut in 0..=stream.len() {
            let pieces = Trace::of(setup, [&stream[..cut], &stream[cut..]]);
            assert_eq!(pieces, whole, "a cut at {cut} changed the meaning");
        }
    }
    whole.answers_are_right(setup);
    whole.is_within_limits(setup);
    whole.is_what_the_reference_reads(setup, stream);
    memory_is_bounded(setup, stream, &whole);
}

/// Short streams are cut everywhere.
const EVERY_CUT_BYTES_MAX: usize = 48;

/// What a connection made of its input.
#[derive(Debug, PartialEq)]
struct Trace {
    events: Vec<Event<'static>>,
    fault: Option<Fault>,
    answers: Vec<u8>,
    is_closed: bool,
}

impl Trace {
    fn of<'p>(setup: &Setup, pieces: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut connection = setup.connection();
        let mut events = Vec::new();
        let mut fault = None;
        for piece in pieces {
            let outcome = receive(&mut connection, piece, |event| {
                events.push(event.into_owned());
            });
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
        let read = receive(&mut peer, &self.answers, |event| {
            answers.push(event.into_owned());
        });
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
        let its = reference::events(stream, setup.role, &setup.config);
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

/// Gives `piece` to the connection, and its events to `handle`.
fn receive(
    connection: &mut Connection,
    piece: &[u8],
    mut handle: impl FnMut(Event<'_>),
) -> Result<(), Fault> {
    let mut buffer = piece.to_vec();
    let mut input = &mut buffer[..];
    loop {
        match connection.receive(&mut input) {
            Ok(Some(event)) => handle(event),
            outcome => {
                assert!(input.is_empty(), "what brings no event is taken");
                return outcome.map(drop);
            }
        }
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
    let message = setup.config.message_bytes_max.min(stream.len());
    let max = MESSAGE_GROWTH * message + MESSAGE_GROWTH * whole.answers.len() + OVERHEAD;
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
