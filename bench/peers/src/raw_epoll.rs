//! The ceiling: a loop that leaves out all that can be left out.
//!
//! It reads, unmasks and writes back, and an echo begins before its message is whole. No
//! UTF-8 check, no limits, no rules, no closing handshake. A WebSocket server cannot be expected
//! to pass it, other than by noise.
//!
//! Who opens `/sub` follows: what comes over `/pub` is written to all of them, as many messages at
//! once as one read brought.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use crate::{Mode, Outcome, handshake};

/// One read's worth: the kernel hands over large messages best in pieces of this size.
const READ_BYTES: usize = 128 << 10;
/// Output longer than its input: a header whose first part came with an earlier read.
const HEADER_BYTES_MAX: usize = 14;
const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: OwnedFd,
    rewriter: Rewriter,
    /// The request while it is incomplete.
    request: Option<Vec<u8>>,
    role: Role,
    /// What the socket had no room for; while there is any, nothing is read.
    unsent: Vec<u8>,
}

/// What a connection's path asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Echo,
    Follower,
    Publisher,
}

pub(crate) fn run(address: SocketAddr, _: Mode) -> Outcome {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // std's backlog of 128 makes a storm of connections wait for retransmissions.
    rustix::net::listen(&listener, 4096)?;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &poller,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    // In the order in which they came, as they lie in memory.
    let mut followers: Vec<usize> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut input = vec![0; READ_BYTES];
    let mut output = vec![0; READ_BYTES + HEADER_BYTES_MAX];
    loop {
        events.clear();
        match epoll::wait(&poller, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let token = event.data.u64();
            if token == LISTENER {
                accept_all(&listener, &poller, &mut connections, &mut free)?;
                continue;
            }
            let slot = &mut connections[token as usize];
            let Some(connection) = slot else { continue };
            let role_before = connection.role;
            match connection.turn(&poller, token, &mut input, &mut output) {
                Ok(made) => match connection.role {
                    Role::Publisher => {
                        broadcast(&mut connections, &followers, &poller, &output[..made]);
                    }
                    Role::Follower if role_before == Role::Echo => followers.push(token as usize),
                    Role::Follower | Role::Echo => {}
                },
                Err(_) => {
                    if connection.role == Role::Follower {
                        followers.retain(|index| *index != token as usize);
                    }
                    *slot = None;
                    free.push(token as usize);
                }
            }
        }
    }
}

/// Writes to all followers. One who has gone is found out when its socket says so.
fn broadcast(
    connections: &mut [Option<Connection>],
    followers: &[usize],
    poller: &OwnedFd,
    bytes: &[u8],
) {
    for index in followers {
        if let Some(connection) = &mut connections[*index] {
            let _ = connection.write(poller, *index as u64, bytes);
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    poller: &OwnedFd,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) -> Outcome {
    loop {
        let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        sockopt::set_tcp_nodelay(&socket, true)?;
        let index = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll::add(
            poller,
            &socket,
            EventData::new_u64(index as u64),
            EventFlags::IN,
        )?;
        connections[index] = Some(Connection {
            socket,
            rewriter: Rewriter::default(),
            request: Some(Vec::new()),
            role: Role::Echo,
            unsent: Vec::new(),
        });
    }
}

impl Connection {
    /// One read and, of an echo, one write; gives how much of `output` was made. An error is the
    /// connection's end.
    fn turn(
        &mut self,
        poller: &OwnedFd,
        token: u64,
        input: &mut [u8],
        output: &mut [u8],
    ) -> Result<usize, Box<dyn Error>> {
        if !self.unsent.is_empty() {
            let sent = sent(send(&self.socket, &self.unsent, SendFlags::NOSIGNAL))?;
            self.unsent.drain(..sent);
            if self.unsent.is_empty() {
                self.unsent = Vec::new();
                self.wait_for(poller, token, EventFlags::IN)?;
            }
            return Ok(0);
        }
        let got = match recv(&self.socket, &mut *input, RecvFlags::empty()) {
            Ok((_, 0)) => return Err("the client has gone".into()),
            Ok((_, got)) => got,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut received = &input[..got];
        if let Some(request) = &mut self.request {
            let before = request.len();
            request.extend_from_slice(received);
            let Some((answer, used)) = handshake::answer(request) else {
                return Ok(0);
            };
            self.role = match request.get(4..8) {
                Some(b"/sub") => Role::Follower,
                Some(b"/pub") => Role::Publisher,
                _ => Role::Echo,
            };
            send(&self.socket, &answer, SendFlags::NOSIGNAL)?;
            received = &received[used - before..];
            self.request = None;
        }
        let made = self.rewriter.rewrite(received, output);
        if self.role == Role::Echo {
            self.write(poller, token, &output[..made])?;
        }
        Ok(made)
    }

    /// Writes what there is room for, and keeps the rest.
    fn write(&mut self, poller: &OwnedFd, token: u64, bytes: &[u8]) -> rustix::io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = sent(send(&self.socket, bytes, SendFlags::NOSIGNAL))?;
        if sent < bytes.len() {
            self.unsent.extend_from_slice(&bytes[sent..]);
            self.wait_for(poller, token, EventFlags::OUT)?;
        }
        Ok(())
    }

    fn wait_for(&self, poller: &OwnedFd, token: u64, flags: EventFlags) -> rustix::io::Result<()> {
        epoll::modify(poller, &self.socket, EventData::new_u64(token), flags)
    }
}

fn sent(result: rustix::io::Result<usize>) -> rustix::io::Result<usize> {
    match result {
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        other => other,
    }
}

/// Rewrites a stream of masked client frames as unmasked server frames.
#[derive(Default)]
pub(crate) struct Rewriter {
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    mask: [u8; 4],
    payload_left: u64,
}

impl Rewriter {
    /// Fills `output` from `input`, all of it; gives how many bytes were made.
    pub(crate) fn rewrite(&mut self, mut input: &[u8], output: &mut [u8]) -> usize {
        let mut made = 0;
        while !input.is_empty() {
            if self.payload_left == 0 {
                self.header[self.header_bytes] = input[0];
                self.header_bytes += 1;
                input = &input[1..];
                if self.header_bytes < 2 || self.header_bytes < header_bytes(self.header[1]) {
                    continue;
                }
                made += self.begin_frame(&mut output[made..]);
                continue;
            }
            let count = self.payload_left.min(input.len() as u64) as usize;
            let (payload, rest) = input.split_at(count);
            unmask(payload, &mut output[made..made + count], self.mask);
            self.mask.rotate_left(count % 4);
            self.payload_left -= count as u64;
            made += count;
            input = rest;
        }
        made
    }

    fn begin_frame(&mut self, output: &mut [u8]) -> usize {
        let unmasked = self.header_bytes - 4;
        output[..unmasked].copy_from_slice(&self.header[..unmasked]);
        output[1] &= 0x7f;
        self.mask
            .copy_from_slice(&self.header[unmasked..unmasked + 4]);
        let length = &self.header[2..unmasked];
        self.payload_left = match length {
            [] => u64::from(output[1]),
            length => length
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        };
        self.header_bytes = 0;
        unmasked
    }
}

fn header_bytes(second: u8) -> usize {
    match second & 0x7f {
        126 => 8,
        127 => 14,
        _ => 6,
    }
}

/// XORs while it copies, so that the payload moves once.
fn unmask(input: &[u8], output: &mut [u8], mask: [u8; 4]) {
    let word = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let (input_words, input_rest) = input.as_chunks::<8>();
    let (output_words, output_rest) = output.as_chunks_mut::<8>();
    for (to, from) in output_words.iter_mut().zip(input_words) {
        *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    for ((to, from), key) in output_rest
        .iter_mut()
        .zip(input_rest)
        .zip(mask.iter().cycle())
    {
        *to = from ^ key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_the_same_however_they_are_cut() {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (number, length) in [0_usize, 1, 125, 126, 300, 70_000].into_iter().enumerate() {
            let mask = [number as u8, 7, 13, 99];
            let payload: Vec<u8> = (0..length).map(|i| (i * 31) as u8).collect();
            for (to, bit) in [(&mut wire, 0x80), (&mut expected, 0)] {
                to.push(0x82);
                match length {
                    0..=125 => to.push(bit | length as u8),
                    126..=65535 => {
                        to.push(bit | 126);
                        to.extend_from_slice(&(length as u16).to_be_bytes());
                    }
                    _ => {
                        to.push(bit | 127);
                        to.extend_from_slice(&(length as u64).to_be_bytes());
                    }
                }
            }
            wire.extend_from_slice(&mask);
            wire.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
            expected.extend_from_slice(&payload);
        }
        for step in [1, 2, 3, 7, 64, 1000, wire.len()] {
            let mut rewriter = Rewriter::default();
            let mut output = vec![0; wire.len() + HEADER_BYTES_MAX];
            let mut got = Vec::new();
            for part in wire.chunks(step) {
                let made = rewriter.rewrite(part, &mut output);
                got.extend_from_slice(&output[..made]);
            }
            assert!(got == expected, "cut every {step} bytes");
        }
    }
}
