//! A server's loop: thousands of sockets on one thread of tokio, without a task, a waker or a
//! buffer for each. Linux.
//!
//! An [`EventLoop`] is pulled: its [`turn`](EventLoop::turn) stands in a `select!` beside
//! whatever else the thread waits for, on a current-thread runtime.
//!
//! ```
//! use tidings_websocket::tokio::event_loop::{EventLoop, Options};
//! use tidings_websocket::tokio::WebSocket;
//! use tokio::net::TcpStream;
//! use tokio::sync::mpsc;
//!
//! /// Echoes to every socket that comes from the tasks that do the handshakes.
//! async fn serve(mut accepted: mpsc::Receiver<WebSocket<TcpStream>>) -> std::io::Result<()> {
//!     let mut sockets = EventLoop::new(Options::default())?;
//!     loop {
//!         tokio::select! {
//!             Some(websocket) = accepted.recv() => {
//!                 sockets.insert(websocket, ())?;
//!             }
//!             turned = sockets.turn(|sockets, key, event| match event {
//!                 Ok(event) if event.is_message() => {
//!                     if let Some(mut socket) = sockets.get_mut(key) {
//!                         // An error means that the connection is closing: its end will be told.
//!                         let _ = socket.send(event);
//!                     }
//!                 }
//!                 Ok(_) => {} // a ping, a pong, or the end
//!                 Err(error) => eprintln!("{error}"), // the end
//!             }) => turned?,
//!         }
//!     }
//! }
//! ```
//!
//! # What a turn does
//!
//! It writes what was sent since the last one, waits until some sockets are ready, and handles
//! one batch of them without waiting any more. Of each it reads once, into one buffer that
//! all share; tells every event of that read, borrowed from the buffer; and answers with one
//! write. Then it writes to the sockets that others have sent to, each once.
//!
//! - **Fair**: one read a socket and turn, or up to five that bring one big message to its end
//!   while it is warm in the caches; what is left waits for the next turn, behind the others.
//!   Between two batches the runtime's other tasks run.
//! - **Bounded**: a socket that does not take what was sent to it is not read from while more
//!   than [`Options::unsent_bytes_max`] waits.
//! - **One end**: each socket that was inserted is told exactly one [`Event::Close`] or `Err`,
//!   and after it nothing, unless it is [removed](Sockets::remove) before. Then its key finds
//!   nothing, and the loop alone writes the rest and closes.
//! - **Watched**: a silent peer is pinged, a dead one given up, a closing one has a deadline.
//!
//! # What a connection costs
//!
//! Its place in an array and the kernel's memory. The runtime sees one descriptor, an `epoll` in
//! which all sockets are; the buffer that is read into is one for all; what is sent goes to
//! memory that is lent for a write and taken back. Only what a peer has not yet read, and the
//! beginning of a message whose end has not come, is memory of its own while that lasts.

mod drive;
mod entry;
mod poller;
mod slots;
mod sockets;
mod spare;
mod timeouts;

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::net::TcpStream;
use ::tokio::task::yield_now;
use ::tokio::time::{Instant, Sleep, sleep};

pub use self::slots::Key;
pub use self::sockets::{Detached, Socket, Sockets};

use self::drive::Handle;
use self::poller::{More, Poller, READY_SOCKETS_MAX, Readiness};
use self::slots::Slots;
use self::spare::SpareBuffers;
use self::timeouts::Timeouts;
use super::{Error, WebSocket};
use crate::event::Event;
use crate::keepalive;

/// How a loop behaves. What a peer may send is in each connection's [`Config`](crate::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When more than this is unsent, a socket is not read from until its peer reads.
    ///
    /// It bounds what a peer that asks and never reads can make us hold: about this, and what
    /// one read's answers add. What the application sends unasked it bounds by
    /// [`Socket::unsent_bytes`]. Default 1 MiB, in bytes.
    pub unsent_bytes_max: usize,
    /// When a quiet peer is pinged, and when a silent or a closing one is given up, with code 1006.
    ///
    /// A loop's clock is coarse: each wait may take an eighth of the shortest of them longer, or
    /// two seconds if that is less. That the peer takes what waits for it is a sign of life
    /// as well.
    pub keepalive: keepalive::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            unsent_bytes_max: 1 << 20,
            keepalive: keepalive::Options::default(),
        }
    }
}

/// Thousands of sockets on one thread. See the [module](self).
///
/// Dropping it closes all of them at once: the peers see an end without a Close.
#[derive(Debug)]
pub struct EventLoop<T> {
    sockets: Sockets<T>,
    /// For what is read; shared by all sockets.
    buffer: Box<[u8]>,
    /// Empty between turns.
    ready: Vec<(Key, Readiness)>,
    /// Whether more are ready than the last batch had room for.
    more: More,
    /// The runtime's other tasks have run since the last batch.
    has_yielded: bool,
    /// When the next tick of the timeouts is.
    tick: Pin<Box<Sleep>>,
    tick_every: Duration,
}

impl<T> EventLoop<T> {
    /// A loop without sockets.
    ///
    /// # Errors
    ///
    /// What the kernel says, for example that the process has too many descriptors.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without I/O and time.
    pub fn new(options: Options) -> io::Result<Self> {
        let (timeouts, tick_every) = Timeouts::new(&options.keepalive);
        Ok(Self {
            sockets: Sockets {
                slots: Slots::new(),
                poller: Poller::new()?,
                timeouts,
                spare: SpareBuffers::default(),
                to_write: Vec::new(),
                written: Vec::new(),
                to_read: Default::default(),
                read_ahead: Vec::new(),
                lingering: 0,
                config: Arc::default(),
                unsent_bytes_max: options.unsent_bytes_max,
                silence_close: options.keepalive.silence_close,
            },
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            ready: Vec::with_capacity(READY_SOCKETS_MAX),
            more: More::No,
            has_yielded: false,
            tick: Box::pin(sleep(tick_every)),
            tick_every,
        })
    }

    /// [`Sockets::insert`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn insert(&mut self, websocket: WebSocket<TcpStream>, peer: T) -> io::Result<Key> {
        self.sockets.insert(websocket, peer)
    }

    /// The sockets.
    pub fn sockets(&mut self) -> &mut Sockets<T> {
        &mut self.sockets
    }

    /// Waits until some sockets are ready, and gives their events to `handle`; then returns, so that
    /// the caller can do what else there is, and turns again.
    ///
    /// `handle` must not block: all sockets wait for it.
    ///
    /// **Cancel safe**: until it returns nothing has happened but writing; dropped before, as in
    /// `tokio::select!`, it loses nothing.
    ///
    /// # Errors
    ///
    /// What the kernel says of the epoll, never of one socket: those are told as events. There is
    /// nothing to do but to end.
    pub async fn turn(
        &mut self,
        mut handle: impl FnMut(&mut Sockets<T>, Key, Result<Event<'_>, Error>),
    ) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_turn(context, &mut handle)).await
    }

    /// Writes what was sent since the last turn, as far as the sockets take it. The next turn does
    /// so too; this is for when it may be long until then.
    pub fn flush(&mut self) {
        self.sockets.flush();
    }

    fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
        handle: &mut impl Handle<T>,
    ) -> Poll<io::Result<()>> {
        self.sockets.flush();
        while self.tick.as_mut().poll(context).is_ready() {
            self.sockets.timeouts.handle_tick();
            self.tick.as_mut().reset(Instant::now() + self.tick_every);
        }
        if self.has_work() {
            // The runtime's other tasks come first.
            if !std::mem::replace(&mut self.has_yielded, true) {
                ready!(pin!(yield_now()).poll(context));
            }
            self.more = self.sockets.poller.ready_now(&mut self.ready)?;
        } else {
            self.more = ready!(self.sockets.poller.poll_ready(context, &mut self.ready))?;
        }
        self.has_yielded = false;
        self.handle_batch(handle);
        Poll::Ready(Ok(()))
    }

    /// Whether there is something to do without waiting.
    fn has_work(&self) -> bool {
        let sockets = &self.sockets;
        self.more == More::MayBe
            || !sockets.to_read.is_empty()
            || !sockets.read_ahead.is_empty()
            || !sockets.written.is_empty()
            || sockets.timeouts.is_scanning()
    }

    fn handle_batch(&mut self, handle: &mut impl Handle<T>) {
        let (sockets, buffer) = (&mut self.sockets, &mut self.buffer[..]);
        let left_over = sockets.to_read.len().min(READY_SOCKETS_MAX);
        sockets.tell_read_ahead(handle);
        for (key, readiness) in self.ready.drain(..) {
            sockets.handle_ready(key, readiness, buffer, handle);
        }
        for _ in 0..left_over {
            sockets.read_next(buffer, handle);
        }
        sockets.scan(READY_SOCKETS_MAX, handle);
        sockets.flush();
    }
}

/// The most bytes of one read, and what the loop keeps for it.
///
/// Echoes of 16 KiB, 16 in flight, against a raw loop in the same run: 0.48 times as many for a
/// CPU-second with 64 KiB, 0.81 with 128 KiB, 1.0 with 256 KiB, which brings all sixteen at once.
/// Smaller messages do not mind.
const READ_BYTES: usize = 256 * 1024;
