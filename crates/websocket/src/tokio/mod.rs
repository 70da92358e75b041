//! WebSocket on tokio: the only part of the crate that knows sockets, clocks and randomness.
//!
//! [`accept`] and [`connect`] do the handshake on a bare stream; behind an HTTP server, take
//! the upgraded stream and hand it to [`WebSocket::server`] with the bytes already read.

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
pub use self::handshake::{Accepted, Connected, HandshakeError, accept, connect, open};
pub use self::maybe_tls::MaybeTls;
pub use self::websocket::{Error, Parts, WebSocket};

use std::time::Duration;

use crate::config::Config;
use crate::keepalive;

/// How a connection on tokio behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The limits on what the peer sends.
    pub config: Config,
    /// When more than this is unsent, [`WebSocket::recv`] stops reading until the peer reads.
    ///
    /// It bounds what a peer that asks and never reads can make us hold: about this, and what
    /// one read's answers add. What the application feeds unasked it bounds by
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
