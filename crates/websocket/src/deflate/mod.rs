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
/// // A client with few connections can afford to remember, and saves the most.
/// let policy = Policy {
///     server_context_takeover: ContextTakeover::Allow,
///     client_context_takeover: ContextTakeover::Allow,
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
    /// Messages of fewer bytes than this are sent uncompressed.
    ///
    /// Default 128 bytes.
    pub compress_from: usize,
    /// How hard to compress, 1 (fast) to 9 (small).
    ///
    /// Default 1.
    pub level: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Refuse,
            client_context_takeover: ContextTakeover::Refuse,
            server_max_window_bits: WINDOW_BITS_MAX,
            client_max_window_bits: WINDOW_BITS_MAX,
            compress_from: 128,
            level: 1,
        }
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

/// Gives `then` the message compressed with an empty window, where that makes it smaller.
pub(crate) fn alone<T>(
    payload: &[u8],
    policy: &Policy,
    then: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut buffer = pool::take_buffer(0);
    let bytes = compressor::alone(payload, policy, WINDOW_BITS_MAX, &mut buffer);
    let result = bytes.map(|bytes| then(&buffer[..bytes]));
    pool::put_buffer(buffer);
    result
}
