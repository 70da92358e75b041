//! A proxy of our own with every fault that paths through the Internet have: it stands between a client
//! and a server, over TCP or UDP, and is told by lines of JSON what to do to what passes.
//!
//! ```text
//! $ middlebox --to 127.0.0.1:7007
//! {"listening":"127.0.0.1:40123"}
//! {"set":{"latency_ms":300,"upgrade":"strip"}}
//! {"ok":true}
//! ```
//!
//! Read on at [`Faults`], which names them all. What is decided is pure: `framing` finds HTTP's messages,
//! `http` judges them, `buffer` keeps what a proxy would, `lane` knows when each piece arrives, `pipe` is a
//! connection of them, and `flight` the datagrams that are under way. `connection`, `tcp` and `udp` hold
//! the sockets.
//!
//! Chance is dealt by generators that are made from their thread's: on a runtime of one thread, seed that
//! (`fastrand::seed`), and clients that come in the same order have the same luck again.
//!
//! It is a proxy, and so the kernel acknowledges what a [`BlackHole`] swallows: a sender learns of it from
//! an answer that is missing, never from TCP itself.

mod buffer;
mod command;
mod connection;
mod counters;
mod faults;
mod flight;
mod framing;
mod gate;
mod http;
mod lane;
mod pipe;
mod tap;
mod tcp;
mod udp;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use command::answer;
pub use faults::{BUFFER_BYTES_MAX, BlackHole, Faults, MS_MAX, STATUSES, Unusable, Upgrade};
pub use tap::{Event, Heard, Tap};
pub use tcp::Tcp;
pub use udp::Udp;

/// What a middlebox carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// Towards the server, or towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the server.
    Up,
    /// Towards the client.
    Down,
}

impl Direction {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// How connections are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// RST to both sides.
    Reset,
    /// FIN to both sides.
    Close,
    /// FIN towards the client alone. What it sends still goes up.
    Half,
}

/// What has passed since the middlebox was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections that are open, those that wait for their turn included; UDP: clients.
    pub open: u64,
    /// Connections ever accepted, without those refused; UDP: clients ever.
    pub accepted: u64,
    /// Connections reset by `refuse`.
    pub refused: u64,
    /// Bytes delivered to the server.
    pub up: u64,
    /// Bytes delivered to the clients.
    pub down: u64,
    /// Bytes taken and never to be delivered: a test can wait for this one.
    pub lost: u64,
}

/// A middlebox of either kind. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub enum Middlebox {
    /// For connections.
    Tcp(Tcp),
    /// For datagrams.
    Udp(Udp),
}

impl Middlebox {
    /// Listens on `listen`, for what is meant for `to`, without any fault. It needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn open(
        transport: Transport,
        listen: SocketAddr,
        to: SocketAddr,
    ) -> io::Result<Self> {
        match transport {
            Transport::Tcp => Tcp::open(listen, to).await.map(Self::Tcp),
            Transport::Udp => Udp::open(listen, to).await.map(Self::Udp),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp(tcp) => tcp.address(),
            Self::Udp(udp) => udp.address(),
        }
    }

    /// Replaces all faults.
    ///
    /// # Errors
    ///
    /// When a fault is out of its bounds, or of the other transport.
    pub fn set(&self, faults: Faults) -> Result<(), Unusable> {
        match self {
            Self::Tcp(tcp) => tcp.set(faults),
            Self::Udp(udp) => udp.set(faults),
        }
    }

    /// What has passed.
    pub fn stats(&self) -> Stats {
        match self {
            Self::Tcp(tcp) => tcp.stats(),
            Self::Udp(udp) => udp.stats(),
        }
    }
}
