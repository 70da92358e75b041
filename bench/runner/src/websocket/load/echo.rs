//! Every connection keeps some messages under way for a while.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Trouble;
use super::check::Check;
use super::messages::{Cursor, Deflate, Messages};
use super::open::Takeover;
use super::reader::Reader;
use crate::process::{Cpu, machine_busy, own_seconds};
use crate::socket::{Poller, Socket};
use crate::websocket::scenario::{Compression, Payload};

/// When to measure.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Whether to let every message that was asked be answered before the end, so that what was
    /// counted elsewhere belongs to whole messages.
    pub(crate) drained: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    /// Messages answered. Of large ones also parts: by payload bytes.
    pub(crate) messages: f64,
    pub(crate) seconds: f64,
    /// CPU time of the server.
    pub(crate) server: Cpu,
    /// CPU seconds of this thread.
    pub(crate) generator: f64,
    /// CPU seconds that somebody else took from this machine meanwhile.
    pub(crate) others: f64,
    /// From when a message could be sent to when its answer was there, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) wrong: u64,
    /// Payload bytes of an answer as they came, compressed or not.
    pub(crate) answer_bytes: f64,
    /// Frame bytes of a message as it was sent.
    pub(crate) message_bytes: f64,
}

/// Of so many connections one has its answers compared byte for byte.
const CHECKED_EVERY: usize = 8;
/// Larger than a socket's usual buffer, so that one read brings what is there.
const READ_BYTES: usize = 256 << 10;
/// A minute at a resolution of a thousandth.
const LATENCY_MAX: u64 = 60_000_000_000;
/// Without an answer for so long, a server is taken for stuck.
const STALLED_AFTER: Duration = Duration::from_secs(5);

struct Connection<'s> {
    socket: &'s Socket,
    cursor: Cursor,
    reader: Reader,
    check: Check,
    /// When the messages under way could have been sent.
    asked: VecDeque<u64>,
}

impl Messages {
    /// The messages of a scenario, as they may be sent after what was agreed on.
    pub(crate) fn for_echo(
        payload: Payload,
        bytes: usize,
        compression: Compression,
        takeover: Takeover,
        in_flight: usize,
    ) -> Result<Self, Trouble> {
        let deflate = match compression {
            Compression::None => Deflate::Off,
            Compression::Takeover if takeover.client => Deflate::Together,
            _ => Deflate::Each,
        };
        Self::new(payload, bytes, deflate, in_flight)
    }
}

/// Keeps `in_flight` of `messages` under way on each connection.
pub(crate) fn run(
    sockets: &[Socket],
    takeover: Takeover,
    messages: &Messages,
    in_flight: usize,
    window: Window,
    server: u32,
) -> Result<Echo, Trouble> {
    let mut poller = Poller::new()?;
    let mut connections = Vec::with_capacity(sockets.len());
    for (index, socket) in sockets.iter().enumerate() {
        poller.add(socket, index)?;
        connections.push(Connection {
            socket,
            cursor: Cursor::default(),
            reader: Reader::default(),
            check: match index % CHECKED_EVERY {
                0 => Check::of_content(takeover.server),
                _ => Check::of_length(),
            },
            asked: VecDeque::with_capacity(in_flight),
        });
    }
    let mut load = Load::new(messages, server);
    for connection in &mut connections {
        connection.ask(in_flight, load.now());
        connection.write(messages)?;
    }
    let mut phase = Phase::WarmUp;
    let mut until = window.warm_up;
    let mut last_answer = Duration::ZERO;
    let mut echo = None;
    loop {
        poller.wait(Duration::from_millis(50))?;
        for (token, readable) in poller.ready() {
            let connection = &mut connections[token];
            let asks_on = phase != Phase::Draining;
            let answers = load.turn(connection, readable, asks_on);
            let answers = answers.map_err(|error| format!("connection {token}: {error}"))?;
            if answers > 0 {
                last_answer = load.begun.elapsed();
            }
        }
        let elapsed = load.begun.elapsed();
        if elapsed > last_answer + STALLED_AFTER {
            let after = STALLED_AFTER.as_secs();
            return Err(format!("no answer for {after} s, after {}", load.answers).into());
        }
        match phase {
            Phase::WarmUp if elapsed >= until => {
                load.restart();
                phase = Phase::Measured;
                until = load.begun.elapsed() + window.measured;
            }
            Phase::Measured if elapsed >= until => {
                if !window.drained {
                    echo = Some(load.finish());
                    break;
                }
                phase = Phase::Draining;
            }
            Phase::Draining if connections.iter().all(|one| one.asked.is_empty()) => break,
            _ => {}
        }
    }
    let mut echo = echo.unwrap_or_else(|| load.finish());
    echo.wrong = connections.iter().map(|one| one.check.wrong).sum();
    Ok(echo)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Draining,
}

impl Connection<'_> {
    #[inline]
    fn ask(&mut self, count: usize, now: u64) {
        self.cursor.due += count;
        self.asked.extend(std::iter::repeat_n(now, count));
    }

    #[inline]
    fn write(&mut self, messages: &Messages) -> rustix::io::Result<()> {
        while self.cursor.due > 0 {
            let Some(written) = self.socket.write(self.cursor.bytes(messages))? else {
                return Ok(());
            };
            self.cursor.advance(messages, written);
        }
        Ok(())
    }
}

/// What is counted while the clock runs.
struct Load<'m> {
    messages: &'m Messages,
    server: u32,
    buffer: Vec<u8>,
    begun: Instant,
    measured_from: Duration,
    answers: u64,
    payload_bytes: u64,
    latency: Histogram<u64>,
    server_before: Cpu,
    generator_before: f64,
    machine_before: f64,
}

impl<'m> Load<'m> {
    fn new(messages: &'m Messages, server: u32) -> Self {
        let latency = Histogram::new_with_max(LATENCY_MAX, 3).expect("the bounds are valid");
        Self {
            messages,
            server,
            buffer: vec![0; READ_BYTES],
            begun: Instant::now(),
            measured_from: Duration::ZERO,
            answers: 0,
            payload_bytes: 0,
            latency,
            server_before: Cpu::of(server),
            generator_before: own_seconds(),
            machine_before: machine_busy(),
        }
    }

    #[inline]
    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// Reads all answers that are there, and asks as much again; gives how many there were.
    #[inline]
    fn turn(
        &mut self,
        connection: &mut Connection<'_>,
        readable: bool,
        asks_on: bool,
    ) -> Result<usize, String> {
        let before = self.answers;
        if readable {
            while self.read(connection, asks_on)? == self.buffer.len() {}
        }
        let written = connection.write(self.messages);
        written.map_err(|error| error.to_string())?;
        Ok((self.answers - before) as usize)
    }

    /// One read; gives how many bytes came.
    #[inline]
    fn read(&mut self, connection: &mut Connection<'_>, asks_on: bool) -> Result<usize, String> {
        let came = connection.socket.read(&mut self.buffer);
        let Some(came) = came.map_err(|error| error.to_string())? else {
            return Ok(0);
        };
        let now = self.now();
        let (check, asked) = (&mut connection.check, &mut connection.asked);
        let mut answers = 0;
        connection.reader.read(&self.buffer[..came], |piece| {
            self.payload_bytes += piece.payload.len() as u64;
            if check.piece(&piece, self.messages) {
                answers += 1;
                if let Some(asked) = asked.pop_front() {
                    self.latency.saturating_record(now - asked);
                }
            }
        })?;
        self.answers += answers as u64;
        if asks_on {
            connection.ask(answers, now);
        }
        Ok(came)
    }

    fn restart(&mut self) {
        self.answers = 0;
        self.payload_bytes = 0;
        self.latency.reset();
        self.server_before = Cpu::of(self.server);
        self.generator_before = own_seconds();
        self.machine_before = machine_busy();
        self.measured_from = self.begun.elapsed();
    }

    fn finish(&mut self) -> Echo {
        let seconds = (self.begun.elapsed() - self.measured_from).as_secs_f64();
        let server = Cpu::of(self.server).since(self.server_before);
        let generator = own_seconds() - self.generator_before;
        let busy = machine_busy() - self.machine_before;
        let answers = self.answers as f64;
        let answer_bytes = self.payload_bytes as f64 / answers.max(1.0);
        // Where few and large messages end within the window, their parts count.
        let message_bytes = self.messages.message_bytes() as f64;
        let in_parts = self.payload_bytes as f64 / message_bytes;
        let is_large = message_bytes > READ_BYTES as f64;
        Echo {
            messages: if is_large { in_parts } else { answers },
            seconds,
            server,
            generator,
            others: (busy - server.total - generator).max(0.0),
            latency: self.latency.clone(),
            wrong: 0,
            answer_bytes,
            message_bytes: self.messages.frame_bytes(),
        }
    }
}
