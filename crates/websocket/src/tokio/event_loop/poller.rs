//! Which sockets are ready: an `epoll` of the loop's own, in which the runtime sees one descriptor.
//!
//! The runtime is woken once for any number of ready sockets, and keeps nothing for each of
//! them: no registration, no waker, no task.

use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::slots::Key;

/// Tells of each socket when it becomes readable or writable, once: edge-triggered.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: AsyncFd<OwnedFd>,
}

/// What became of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Readiness {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer has said its last, or the connection failed: nothing will be told of it any more.
    pub(super) hung_up: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe, for types that may close what they lend; an OwnedFd does not"
        )]
        let epoll = AsyncFd::with_interest(epoll, Interest::READABLE)?;
        Ok(Self { epoll })
    }

    /// Watches `stream` until it is closed. Tells at once what it is ready for.
    pub(super) fn add(&self, stream: &TcpStream, key: Key) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(key.to_bits());
        Ok(epoll::add(self.epoll.get_ref(), stream, data, flags)?)
    }

    /// Watches `stream` no longer. What was told of it already may still be in a batch.
    pub(super) fn remove(&self, stream: &TcpStream) -> io::Result<()> {
        Ok(epoll::delete(self.epoll.get_ref(), stream)?)
    }

    /// Waits until some sockets are ready, and appends them to `ready`.
    ///
    /// What it tells of it never tells again. Gives whether there may be more.
    pub(super) fn poll_ready(
        &self,
        context: &mut Context<'_>,
        ready: &mut Vec<(Key, Readiness)>,
    ) -> Poll<io::Result<More>> {
        loop {
            // Forget the readiness first and then ask: what comes in between is seen twice, and
            // never missed.
            ready!(self.epoll.poll_read_ready(context))?.clear_ready();
            let more = self.ready_now(ready)?;
            if !ready.is_empty() {
                return Poll::Ready(Ok(more));
            }
        }
    }

    /// The same without waiting, so that no signal can interrupt it.
    pub(super) fn ready_now(&self, ready: &mut Vec<(Key, Readiness)>) -> io::Result<More> {
        let mut room = [const { MaybeUninit::uninit() }; READY_SOCKETS_MAX];
        let (events, room) = epoll::wait(self.epoll.get_ref(), &mut room, Some(&AT_ONCE))?;
        ready.extend(events.iter().map(|event| {
            let key = Key::from_bits(event.data.u64());
            (key, Readiness::from(event.flags))
        }));
        Ok(if room.is_empty() {
            More::MayBe
        } else {
            More::No
        })
    }
}

/// How many sockets one call tells of. A batch takes less than a millisecond if each of them
/// has a small message.
pub(super) const READY_SOCKETS_MAX: usize = 256;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Whether more sockets may be ready than were told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    No,
    MayBe,
}

impl From<EventFlags> for Readiness {
    fn from(flags: EventFlags) -> Self {
        let failed = EventFlags::HUP | EventFlags::ERR;
        let hung_up = EventFlags::RDHUP | failed;
        Self {
            readable: flags.intersects(EventFlags::IN | hung_up),
            writable: flags.intersects(EventFlags::OUT | failed),
            hung_up: flags.intersects(hung_up),
        }
    }
}
