//! HTTP requests that wait for a message: streams of server-sent events and long polls.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use super::Target;
use super::crowd::{AT_ONCE, STALLED_AFTER};
use super::mark::Finder;
use crate::messaging::protocol::Held;
use crate::socket::{Poller, Socket};

/// Requests that are under way.
pub(super) struct Requests {
    address: SocketAddrV4,
    head: Vec<u8>,
    held: Held,
    poller: Poller,
    requests: Vec<Request>,
}

struct Request {
    socket: Socket,
    /// What is still to be sent, and is sent at once when the connection is there.
    head: Vec<u8>,
    answer: Vec<u8>,
    is_waiting: bool,
    has_message: bool,
}

impl Requests {
    /// None yet.
    pub(super) fn new(target: Target<'_>, held: Held) -> Result<Self, String> {
        let cursor = cursor(target)?;
        let (path, headers) = target
            .protocol
            .held(held, &cursor)
            .ok_or("it has no such door")?;
        let address = target.address;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        Ok(Self {
            address,
            head: head.into_bytes(),
            held,
            poller: Poller::new().map_err(|error| error.to_string())?,
            requests: Vec::new(),
        })
    }

    /// Opens `count` more; returns when all of them wait.
    pub(super) fn open(&mut self, count: usize) -> Result<(), String> {
        let all = self.requests.len() + count;
        let mut waiting = self.count(|one| one.is_waiting);
        let mut progress = Instant::now();
        while waiting < all {
            while self.requests.len() < all && self.requests.len() - waiting < AT_ONCE {
                self.connect()?;
            }
            self.turn()?;
            let before = waiting;
            waiting = self.count(|one| one.is_waiting);
            if waiting > before {
                progress = Instant::now();
            } else if progress.elapsed() > STALLED_AFTER {
                return Err(format!("requests stalled after {waiting} of {all}"));
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), String> {
        let index = self.requests.len();
        let failed = |error| format!("request {index}: {error}");
        let socket = Socket::connect(self.address, index).map_err(failed)?;
        socket.reset_at_end().map_err(failed)?;
        self.poller.add(&socket, index).map_err(failed)?;
        self.requests.push(Request {
            socket,
            head: self.head.clone(),
            answer: Vec::new(),
            is_waiting: false,
            has_message: false,
        });
        Ok(())
    }

    /// Handles what is ready.
    fn turn(&mut self) -> Result<(), String> {
        let limit = Duration::from_millis(100);
        self.poller.wait(limit).map_err(|error| error.to_string())?;
        for (index, readable) in self.poller.ready() {
            self.requests[index]
                .progress(self.held, readable)
                .map_err(|error| format!("request {index}: {error}"))?;
        }
        Ok(())
    }

    fn count(&self, is: fn(&Request) -> bool) -> usize {
        self.requests.iter().filter(|one| is(one)).count()
    }

    /// Waits until a message has come to each.
    pub(super) fn all_get_a_message(mut self) -> Result<(), String> {
        let until = Instant::now() + STALLED_AFTER;
        loop {
            self.turn()?;
            let (have, all) = (self.count(|one| one.has_message), self.requests.len());
            if have == all {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("WRONG: a message came to {have} of {all}"));
            }
        }
    }
}

impl Request {
    fn progress(&mut self, held: Held, readable: bool) -> Result<(), String> {
        if !self.head.is_empty() {
            // A request always fits an empty socket buffer.
            self.socket
                .write(&self.head)
                .map_err(|error| error.to_string())?;
            self.head = Vec::new();
            // A poll is answered when there is something; a stream begins at once.
            self.is_waiting = held == Held::LongPoll;
        }
        if !readable || self.has_message {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(Some(count)) => self.answer.extend_from_slice(&buffer[..count]),
                Ok(None) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            let answer = String::from_utf8_lossy(&self.answer);
            let line = answer.lines().next().unwrap_or_default();
            return Err(format!("it was answered with '{line}'"));
        }
        self.is_waiting = true;
        self.has_message = Finder::default().number(&self.answer).is_some();
        Ok(())
    }
}

/// The cursor of now, from a server that wants one from those who wait.
fn cursor(target: Target<'_>) -> Result<String, String> {
    let Some(path) = target.protocol.cursor_target() else {
        return Ok(String::new());
    };
    let address = target.address;
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(STALLED_AFTER))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("asking for a cursor: {error}"))?;
    target
        .protocol
        .cursor(&answer)
        .ok_or_else(|| "its answer has no cursor".to_owned())
}
