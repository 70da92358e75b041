//! permessage-deflate (RFC 7692): messages compressed one by one, as both ends agreed.
//!
//! A [`Policy`] says what an endpoint wants; the handshake makes an [`Agreement`] of two of
//! them, and [`Connection::with_deflate`](crate::Connection::with_deflate) keeps to it.
//!
//! The one choice that matters is *context takeover*: whether a message may refer back to those
//! before it. It makes small messages that resemble each other much smaller, and it makes each
//! connection keep a compressor and a decompressor of its own for as long as it lives. Without
//! it, which is the default, a thread's connections take turns with a few of either, and an
//! idle connection keeps nothing.
//!
//! What it costs and brings, measured with messages of JSON like a chat's at level 1 (one core,
//! microseconds to compress and to decompress; size as a share of the plain one):
//!
//! | payload | each on its own | | with context takeover | |
//! |---|---|---|---|---|
//! | 64 B | 2.4 + 0.3 µs | 0.98 | 0.2 + 0.2 µs | 0.24 |
//! | 125 B | 2.8 + 0.4 µs | 0.95 | 0.4 + 0.3 µs | 0.34 |
//! | 250 B | 4.1 + 0.8 µs | 0.83 | 0.9 + 0.6 µs | 0.37 |
//! | 1 KiB | 5.3 + 2.0 µs | 0.58 | 3.5 + 2.3 µs | 0.41 |
//! | 16 KiB | 54 + 25 µs | 0.43 | 49 + 25 µs | 0.42 |
//!
//! The table is of the codec alone, in a tight loop. With context takeover a message costs about a
//! microsecond more to decompress where the peer's window has 15 bits and is full, and a tenth of
//! that with 12 bits: the decompressor is shared, and told what the connection remembers. A
//! connection keeps, from its first compressed message on:
//!
//! | window bits of the side | 8, 9 | 10 | 11 | 12 | 13 | 14 | 15 |
//! |---|---|---|---|---|---|---|---|
//! | to compress what it sends | 144 kB | 146 kB | 150 kB | 158 kB | 174 kB | 207 kB | 273 kB |
//! | to decompress what it receives | 256 B, 512 B | 1 KiB | 2 KiB | 4 KiB | 8 KiB | 16 KiB | 32 KiB |
//!
//! Without, a thread keeps at most four compressors and four decompressors (48 kB each) for all
//! its connections. Whatever is agreed on, a message that is arriving in several reads holds a
//! decompressor for that time.
//!
//! What comes out is bounded like any message by
//! [`Config::message_bytes_max`](crate::Config::message_bytes_max): a bomb stops there, with
//! [`Fault::MessageTooBig`](crate::Fault::MessageTooBig), and 16 KiB are decompressed at a time,
//! so that no more than that is ever beyond.

mod compressor;
mod decompressor;
pub(crate) mod negotiation;
pub(crate) mod pool;

pub(crate) use self::decompressor::{Incoming, Inflating};

use self::compressor::Outgoing;
use crate::event::Fragment;
use crate::frame::Role;

/// What the two ends agreed on in the handshake; its fields are the parameters of RFC 7692,
/// section 7.1.
///
/// The default is an agreement on no parameter at all: both sides take their context over, with
/// windows of 15 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The server compresses each message on its own (7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own (7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The server refers at most two to the power of this many bytes back (7.1.2.1): 8 to 15.
    pub server_max_window_bits: u8,
    /// The client refers at most two to the power of this many bytes back (7.1.2.2): 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for Agreement {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WINDOW_BITS_MAX,
            client_max_window_bits: WINDOW_BITS_MAX,
        }
    }
}

/// One direction of an [`Agreement`]: how one side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) takeover: ContextTakeover,
    /// 8 to 15.
    pub(crate) window_bits: u8,
}

impl Agreement {
    /// How the end of this role compresses.
    pub(crate) fn sent_by(self, role: Role) -> Direction {
        let (no_context_takeover, window_bits) = match role {
            Role::Server => (self.server_no_context_takeover, self.server_max_window_bits),
            Role::Client => (self.client_no_context_takeover, self.client_max_window_bits),
        };
        Direction {
            takeover: if no_context_takeover {
                ContextTakeover::Refuse
            } else {
                ContextTakeover::Allow
            },
            window_bits: window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX),
        }
    }
}

/// What an endpoint wants of compression, in either role: how to negotiate, and how to
/// compress what it sends.
///
/// ```
/// use tidings_websocket::deflate::{ContextTakeover, Policy};
///
/// // A server of many connections that remembers what its clients said, in 4 KiB for each, but
/// // not what it said itself.
/// let policy = Policy {
///     client_context_takeover: ContextTakeover::Allow,
///     client_max_window_bits: 12,
///     ..Policy::default()
/// };
/// # assert_eq!(policy.level, Policy::default().level);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether the server's messages may refer to those before them. Default: they may not.
    pub server_context_takeover: ContextTakeover,
    /// Whether the client's messages may refer to those before them. Default: they may not.
    pub client_context_takeover: ContextTakeover,
    /// The largest window of the server's compressor, as its binary logarithm: 8 to 15.
    ///
    /// Default 15, 32 KiB.
    pub server_max_window_bits: u8,
    /// The largest window of the client's compressor, as its binary logarithm: 8 to 15.
    ///
    /// Default 15, 32 KiB. A client that does not offer the parameter uses 15 whatever a
    /// server wants.
    pub client_max_window_bits: u8,
    /// Messages of fewer bytes than this are sent uncompressed. One in fragments is compressed
    /// whatever its size.
    ///
    /// Default 256 bytes: below, a message on its own shrinks by less than a sixth, for more work
    /// than all else that sending it takes. With context takeover small messages gain the most,
    /// see [`with_context_takeover`](Self::with_context_takeover).
    pub compress_from: usize,
    /// How hard to compress, 1 (fast) to 9 (small).
    ///
    /// Default 1. Level 6 takes three times as long for 1 KiB (0.45 of the plain size instead of
    /// 0.58) and five times for 16 KiB (0.29 instead of 0.43): worth it for a message that is
    /// compressed once for many, as a [`Prepared`](crate::Prepared).
    pub level: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Refuse,
            client_context_takeover: ContextTakeover::Refuse,
            server_max_window_bits: WINDOW_BITS_MAX,
            client_max_window_bits: WINDOW_BITS_MAX,
            compress_from: 256,
            level: 1,
        }
    }
}

impl Policy {
    /// A policy for ends with few connections and many small messages: both sides remember, and
    /// messages are compressed from 32 bytes on. See the [module](self) for what it costs.
    pub fn with_context_takeover() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Allow,
            client_context_takeover: ContextTakeover::Allow,
            compress_from: 32,
            ..Self::default()
        }
    }
}

impl Policy {
    /// [`server_max_window_bits`](Self::server_max_window_bits), within what there is.
    pub(crate) fn server_window_bits(&self) -> u8 {
        self.server_max_window_bits
            .clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX)
    }
}

/// Whether a side's messages may refer to the ones it sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextTakeover {
    /// Each message is compressed on its own: the parameter `…_no_context_takeover` is asked
    /// for, and a peer's wish for it always granted.
    Refuse,
    /// A message may refer to the ones before it, unless the peer refuses.
    Allow,
}

/// The smallest window that RFC 7692 lets an endpoint ask for: 256 bytes.
pub const WINDOW_BITS_MIN: u8 = 8;

/// The largest window there is, and the one without a parameter: 32 KiB.
pub const WINDOW_BITS_MAX: u8 = 15;

/// What a connection keeps to compress what it sends and decompress what it receives. No heap
/// memory where no context is taken over, and none before the first compressed message.
pub(crate) struct Deflate {
    outgoing: Outgoing,
    incoming: Incoming,
}

impl Deflate {
    /// As the end of this role.
    pub(crate) fn new(agreement: Agreement, role: Role) -> Self {
        Self {
            outgoing: Outgoing::new(agreement.sent_by(role)),
            incoming: Incoming::new(agreement.sent_by(role.peer())),
        }
    }

    pub(crate) fn incoming(&mut self) -> &mut Incoming {
        &mut self.incoming
    }

    /// Compresses a whole message to the first bytes of `buffer` and gives how many they are;
    /// `None` where it is better sent as it is.
    pub(crate) fn message(
        &mut self,
        payload: &[u8],
        policy: &Policy,
        buffer: &mut Vec<u8>,
    ) -> Option<usize> {
        self.outgoing.message(payload, policy, buffer)
    }

    /// Says that the peer was sent a compressed message that another compressor made.
    pub(crate) fn make_stale(&mut self) {
        self.outgoing.make_stale();
    }

    /// How far back what is sent may refer.
    pub(crate) fn sending_window_bits(&self) -> u8 {
        self.outgoing.window_bits()
    }

    /// Compresses a part of a message to the first bytes of `buffer`; gives how many they are.
    pub(crate) fn fragment(
        &mut self,
        payload: &[u8],
        fragment: Fragment,
        policy: &Policy,
        buffer: &mut Vec<u8>,
    ) -> usize {
        self.outgoing.fragment(payload, fragment, policy, buffer)
    }
}

/// Gives `then` the message compressed with an empty window, as a server would, where that makes it
/// smaller.
pub(crate) fn alone<T>(
    payload: &[u8],
    policy: &Policy,
    then: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut buffer = pool::take_buffer(0);
    let bytes = compressor::alone(payload, policy, policy.server_window_bits(), &mut buffer);
    let result = bytes.map(|bytes| then(&buffer[..bytes]));
    pool::put_buffer(buffer);
    result
}
