//! WebSocket on tokio: the only part of the crate that knows sockets, clocks and randomness.
//!
//! [`accept`] and [`connect`] do the handshake on a bare stream; behind an HTTP server, take
//! the upgraded stream and hand it to [`WebSocket::server`] with the bytes already read.

mod handshake;
mod input;
mod websocket;

pub use self::handshake::{Accepted, Connected, HandshakeError, accept, connect, open};
pub use self::websocket::{Error, WebSocket};

use std::time::Duration;

use crate::config::Config;

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
    /// How long a closing connection may take: to write the Close, to hear the peer's, to see the
    /// stream's end.
    ///
    /// Default 3 s: many round trips of a bad network; a dead one is not worth waiting for.
    pub closing_within: Duration,
    /// How long [`accept`] and [`connect`] may take. Default 10 s, so that half-open connections
    /// cost little.
    pub handshake_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::default(),
            unsent_bytes_max: 1 << 20,
            closing_within: Duration::from_secs(3),
            handshake_within: Duration::from_secs(10),
        }
    }
}
