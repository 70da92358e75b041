//! Non-blocking sockets and the epoll instance that tells which are ready.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send,
    socket_with, sockopt,
};

/// Connections from one address: the kernel finds a free port at once while few are taken.
const PER_ADDRESS: usize = 4_000;

/// A connected, or connecting, TCP socket.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Begins to connect. The first 4,000 come from 127.0.0.2, the next from 127.0.0.3, …
    pub(crate) fn connect(to: SocketAddrV4, index: usize) -> Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + (index / PER_ADDRESS) as u8);
        bind(&socket, &SocketAddrV4::new(from, 0))?;
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self(socket)),
            Err(error) => Err(error),
        }
    }

    /// Makes its end a reset: nothing lingers on its port, and it is what a cut looks like.
    pub(crate) fn reset_at_end(&self) -> Result<()> {
        sockopt::set_socket_linger(&self.0, Some(Duration::ZERO))
    }

    /// How many bytes came; `None` when there are none yet. The end of the stream is an error.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match recv(&self.0, buffer, RecvFlags::empty()) {
            Ok((_, 0)) => Err(Errno::CONNRESET),
            Ok((_, count)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many bytes went; `None` when there is no room.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Option<usize>> {
        match send(&self.0, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An epoll instance, and what it said last.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
        })
    }

    /// Registers once, edge-triggered, for both directions.
    pub(crate) fn add(&self, socket: &Socket, token: usize) -> Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.epoll,
            &socket.0,
            EventData::new_u64(token as u64),
            flags,
        )
    }

    /// Waits, at most for `limit`; then [`ready`](Self::ready) tells what happened.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<()> {
        let limit = Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Token and whether it can be read, of all that are ready.
    pub(crate) fn ready(&self) -> impl ExactSizeIterator<Item = (usize, bool)> + '_ {
        let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.events.iter().map(move |event| {
            let (flags, data) = (event.flags, event.data);
            (data.u64() as usize, flags.intersects(readable))
        })
    }
}
