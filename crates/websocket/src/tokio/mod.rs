//! WebSocket on tokio: the only part of the crate that knows sockets, clocks and randomness.
//!
//! [`accept`] and [`connect`] do the handshake on a bare stream, `tls` with TLS under it;
//! [`accept_with`] asks the application before it says yes. Behind an
//! HTTP server, take the upgraded stream and hand it to [`WebSocket::server`] with the bytes
//! already read.
//!
//! # Ways to receive
//!
//! They may be used in turn on one connection.
//!
//! | | brings | for |
//! |---|---|---|
//! | [`WebSocket::recv`] | one owned event | most programs |
//! | [`WebSocket::recv_batch`] | all events of a read, borrowed | servers of many small messages: nothing is copied |
//! | [`WebSocket::recv_piece`] | whatever has come of a message | messages too big to be held |
//! | `Stream`, with a `Sink` | one owned event | `futures-util`'s combinators, halves in two tasks |
//! | [`event_loop`] | the events of thousands of sockets, borrowed | a thread that serves them all (Linux) |
//!
//! Each of them drives the connection: writes what was fed, answers pings, pings a quiet peer, and
//! ends in order. A connection that nobody receives from does none of that.
//!
//! # Turns
//!
//! A peer that floods its connection does not keep the other tasks of the thread waiting: what is
//! received and fed is charged to the turn that tokio gives a task
//! (its module `task::coop`), some 128 events or 512 KiB of it.

mod batch;
mod buffers;
mod drive;
#[cfg(target_os = "linux")]
pub mod event_loop;
mod handshake;
mod input;
mod maybe_tls;
mod pieces;
mod stream_sink;
mod timers;
#[cfg(feature = "rustls")]
pub mod tls;
mod waiting;
mod websocket;

pub use self::batch::Batch;
pub use self::handshake::{
    Accepted, Connected, HandshakeError, accept, accept_with, connect, open,
};
pub use self::maybe_tls::MaybeTls;
pub use self::websocket::{Error, Parts, WebSocket};

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::keepalive;

/// How a connection on tokio behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The limits on what the peer sends.
    pub config: Config,
    /// When more than this is unsent, nothing more is received until the peer reads, and the `Sink`
    /// takes no more.
    ///
    /// It bounds what a peer that asks and never reads can make us hold: this, and what the answer
    /// to one event adds. What the application feeds unasked it bounds by
    /// [`WebSocket::unsent_bytes`]. Default 1 MiB, in bytes.
    pub unsent_bytes_max: usize,
    /// When a quiet peer is pinged, and when a silent or a closing one is given up, with code 1006.
    ///
    /// It happens while the application waits for events: [`WebSocket::recv`] and its like drive
    /// everything.
    pub keepalive: keepalive::Options,
    /// How long [`accept`] and [`connect`] may take. Default 10 s, so that half-open connections
    /// cost little.
    pub handshake_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::default(),
            unsent_bytes_max: 1 << 20,
            keepalive: keepalive::Options::default(),
            handshake_within: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// [`config`](Self::config) as connections hold it: one allocation for as long as the thread's
    /// connections are configured alike, which they mostly are.
    ///
    /// It saves more than its bytes: an allocation that lives as long as the connection, made
    /// amid those of the handshake, keeps the allocator from giving their memory back.
    pub(crate) fn shared_config(&self) -> Arc<Config> {
        thread_local! {
            static LAST: RefCell<Option<Arc<Config>>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| match last {
            Some(last) if **last == self.config => Arc::clone(last),
            _ => Arc::clone(last.insert(Arc::new(self.config))),
        })
    }
}
