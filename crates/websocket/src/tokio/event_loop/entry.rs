//! One raw socket: the connection on it, and what is known of its readiness.
//!
//! The kernel tells of a change once, so it is remembered here: a socket is readable until a
//! read has taken all there was, and writable until a write was cut short.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};

use bytes::Buf;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use super::poller::Readiness;
use super::spare::SpareBuffers;
use super::timeouts::Standing;
use crate::connection::Connection;

/// A socket in its place.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) stream: TcpStream,
    /// There may be more to read.
    pub(super) readable: bool,
    /// The last write was cut short: wait until the kernel says that there is room.
    pub(super) blocked: bool,
    /// The kernel will say nothing more, so only a read of nothing says that all was read.
    hung_up: bool,
    /// The peer's end of the stream was read.
    pub(super) eof: bool,
    /// Ours was sent.
    shut_down: bool,
    /// Why nothing can be written any more. What the peer has said is still read, and then this is
    /// told, unless it said Close.
    failure: Option<io::Error>,
    /// On the list of those to read from.
    pub(super) listed_to_read: bool,
    /// On the list of those to write to, or about to be written to anyway.
    pub(super) listed_to_write: bool,
    /// To be told of when nothing waits to be written any more.
    pub(super) tells_when_written: bool,
    /// A ping waits for any sign of life.
    pub(super) pinged: bool,
    /// A Close was sent or received, or the connection has ended: the deadline runs.
    pub(super) closing: bool,
    /// It was sent a Close because nothing came.
    pub(super) silent: bool,
    pub(super) connection: Connection,
    /// `None` when the end was told: the socket lingers, and is the loop's alone.
    pub(super) peer: Option<T>,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Nothing,
    Bytes(usize),
    End,
}

impl<T> Entry<T> {
    pub(super) fn new(stream: TcpStream, connection: Connection, peer: T) -> Self {
        Self {
            stream,
            readable: false,
            blocked: false,
            hung_up: false,
            eof: false,
            shut_down: false,
            failure: None,
            listed_to_read: false,
            listed_to_write: false,
            tells_when_written: false,
            pinged: false,
            closing: false,
            silent: false,
            connection,
            peer: Some(peer),
        }
    }

    pub(super) fn handle_readiness(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable && !self.eof;
        self.hung_up |= readiness.hung_up;
        self.blocked &= !readiness.writable;
    }

    /// Whether to read now. A peer that does not read what it asked for is not asked further.
    pub(super) fn wants_to_read(&self, unsent_bytes_max: usize) -> bool {
        let may_wait = self.peer.is_none() || self.failure.is_some();
        self.readable && (may_wait || self.connection.unsent_bytes() <= unsent_bytes_max)
    }

    /// Why nothing could be written, once there is nothing to read either.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let room = buffer.len();
        loop {
            return match recv(&self.stream, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    (self.readable, self.eof) = (false, true);
                    Ok(Read::End)
                }
                Ok((bytes, _)) => {
                    // epoll(7), "Do I need to continuously read/write a file descriptor until
                    // EAGAIN": a short read has taken all there was, and more would be told of. But
                    // an end that was told of together with the data is not told of again.
                    self.readable = bytes == room || self.hung_up;
                    Ok(Read::Bytes(bytes))
                }
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => {
                    self.readable = false;
                    Ok(Read::Nothing)
                }
                Err(error) => {
                    self.readable = false;
                    Err(error.into())
                }
            };
        }
    }

    /// Writes until nothing waits or the socket is full or fails.
    pub(super) fn write(&mut self, spare: &mut SpareBuffers) {
        let mut written = 0;
        loop {
            if let Some(buffer) = self.connection.reclaim_output(written) {
                spare.give_back(buffer);
            }
            if self.blocked || self.failure.is_some() || self.connection.unsent_bytes() == 0 {
                return;
            }
            let (offered, outcome) = self.write_once();
            written = self.handle_written(offered, outcome);
        }
    }

    /// Whether nothing keeps what is to be written from being written.
    pub(super) fn can_write_at_once(&self) -> bool {
        !self.blocked && self.failure.is_none() && self.connection.unsent_bytes() == 0
    }

    /// Writes bytes that are not in the output; how many the socket took.
    #[inline] // once for each follower of a batch
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> usize {
        loop {
            let outcome = send(&self.stream, bytes, SendFlags::NOSIGNAL);
            let interrupted = outcome == Err(Errno::INTR);
            let written = self.handle_written(bytes.len(), outcome);
            if !interrupted {
                return written;
            }
        }
    }

    /// Keeps in mind what a write says of the socket; how many bytes it took.
    fn handle_written(&mut self, offered: usize, outcome: rustix::io::Result<usize>) -> usize {
        match outcome {
            Ok(bytes) => {
                // As with reads, a short write says that the socket is full.
                self.blocked = bytes < offered;
                return bytes;
            }
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => self.blocked = true,
            Err(error) => {
                self.failure = Some(error.into());
                // The kernel may have told of the end already.
                (self.readable, self.hung_up) = (!self.eof, true);
            }
        }
        0
    }

    /// Also gives how many bytes would have been written at best.
    fn write_once(&mut self) -> (usize, rustix::io::Result<usize>) {
        let output = self.connection.output();
        let first = output.chunk();
        if first.len() == output.remaining() {
            return (first.len(), send(&self.stream, first, SendFlags::NOSIGNAL));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = output.chunks_vectored(&mut slices);
        let slices = &slices[..filled];
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let mut nothing = SendAncillaryBuffer::default();
        let outcome = sendmsg(&self.stream, slices, &mut nothing, SendFlags::NOSIGNAL);
        (offered, outcome)
    }

    /// When the end was told and everything is written: says that nothing follows. Gives whether
    /// the socket can go.
    ///
    /// RFC 6455, 7.1.1: "shutdown() with SHUT_WR […] recv() until […] 0 […] and finally call
    /// close()", because a stream closed with bytes unread is reset, and the peer might never
    /// see the Close.
    pub(super) fn linger(&mut self) -> bool {
        if self.failure.is_some() {
            return true;
        }
        if self.connection.unsent_bytes() > 0 {
            return false;
        }
        if !self.shut_down {
            self.shut_down = true;
            // It fails when the connection is gone already, which reading will tell.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        self.eof
    }

    /// Whether nothing is under way but, perhaps, a message whose end has not come.
    pub(super) fn is_at_rest(&self) -> bool {
        let waits = self.readable || self.eof || self.closing || self.tells_when_written;
        !waits && !self.listed_to_write && self.can_write_at_once() && self.connection.is_open()
    }

    pub(super) fn standing(&self) -> Standing {
        match (self.closing, self.pinged) {
            (true, _) => Standing::Closing,
            (false, true) => Standing::Pinged,
            (false, false) => Standing::Open,
        }
    }
}

/// A write takes this many pieces. Most have one or two; the kernel would take 1,024.
const SLICES_MAX: usize = 32;
