//! One message for many: encoded once, compressed once, shared by all connections of a server.
//!
//! Without compression that is plain: a server does not mask, so a frame is the same for
//! everybody. A compressed message is not obviously so, because each connection agreed on
//! something else, and may remember what it received before. One compressed frame serves them
//! all the same, for these reasons:
//!
//! - It is compressed with an *empty* window, so it refers to nothing but itself. That is right
//!   with context takeover too: RFC 7692 gives the sender leave to refer to what came before
//!   (7.1.1), and the receiver the duty to remember it; nobody has to refer to anything.
//! - It never refers farther back than it is long. So whoever agreed on a window of `w` bits can
//!   read it if it has at most two to the power of `w` bytes; a follower with a smaller
//!   window gets the plain frame (7.2.3.2: a message may always be sent uncompressed).
//! - It ends as every message does, with a flush rather than an end (7.2.1), so the receiver's
//!   stream goes on.
//! - Afterwards the receiver's window holds bytes that the connection's own compressor has not
//!   seen, and what that remembers lies farther back than it believes. So with context
//!   takeover the compressor begins anew, with an empty window, at its next message.
//!
//! The last is the price: where shared messages take turns with a connection's own, context
//! takeover saves little, and without it nothing is lost.

use bytes::Bytes;

#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Policy};
use crate::frame::{self, Header, Opcode};
use crate::message::MessageKind;

/// A message to be sent by [`Connection::send_prepared`](crate::Connection::send_prepared) on any
/// number of connections. Cheap to clone.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use bytes::Buf;
/// use tidings_websocket::deflate::{Agreement, Policy};
/// use tidings_websocket::{Config, Connection, Prepared};
///
/// let news = Prepared::text(&"all the same to everybody; ".repeat(20)).deflated(&Policy::default());
///
/// let mut plain = Connection::server(Config::default());
/// plain.send_prepared(&news)?;
/// assert_eq!(plain.unsent_bytes(), 4 + 540);
///
/// let mut compressed = Connection::server(Config::default()).with_deflate(Agreement::default());
/// compressed.send_prepared(&news)?;
/// assert!(compressed.unsent_bytes() < 60);
/// # }
/// # Ok::<(), tidings_websocket::SendError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prepared {
    kind: MessageKind,
    payload_bytes: usize,
    /// The frame as it is.
    plain: Bytes,
    /// The frame compressed, where that is smaller.
    #[cfg(feature = "deflate")]
    compressed: Option<Bytes>,
}

impl Prepared {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::new(MessageKind::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(MessageKind::Binary, bytes)
    }

    fn new(kind: MessageKind, payload: &[u8]) -> Self {
        Self {
            kind,
            payload_bytes: payload.len(),
            plain: frame::encode(Header::whole(Opcode::of(kind), payload.len()), payload),
            #[cfg(feature = "deflate")]
            compressed: None,
        }
    }

    /// The same, for connections with compression as well, as [`frame::encode_deflated`] compresses.
    ///
    /// As it is done once for all, a higher [`Policy::level`] than a connection's own is worth a
    /// thought.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflated(mut self, policy: &Policy) -> Self {
        self.compressed = frame::encode_deflated(self.kind, self.payload(), policy);
        self
    }

    /// What the message is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// What it says.
    pub fn payload(&self) -> &[u8] {
        &self.plain[self.plain.len() - self.payload_bytes..]
    }

    /// The frame as every client without compression gets it.
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The compressed frame, if a client that agreed on this can read it.
    #[cfg(feature = "deflate")]
    pub fn compressed(&self, agreement: Agreement) -> Option<&Bytes> {
        let window_bits = agreement.sent_by(crate::frame::Role::Server).window_bits;
        self.compressed_within(window_bits)
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn compressed_within(&self, window_bits: u8) -> Option<&Bytes> {
        self.compressed
            .as_ref()
            .filter(|_| self.payload_bytes <= 1 << window_bits)
    }
}
