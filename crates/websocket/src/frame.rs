//! Frames (RFC 6455 section 5.2): the header's 2 to 14 bytes, read and written.
//!
//! A server's frame carries no mask, so its bytes are the same for every client: what goes to
//! many is written once with [`encode_text`] or [`encode_binary`] and then shared.

use bytes::Bytes;

use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::{self, Policy};
use crate::error::Fault;
use crate::mask::MaskKey;
use crate::message::MessageKind;

/// The most payload of a control frame (RFC 6455, 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The longest header: two bytes, a length of eight, a mask of four.
pub const HEADER_BYTES_MAX: usize = 14;

/// A whole text message as one server frame, to be sent to any number of clients.
///
/// ```
/// # use tidings_websocket::frame;
/// assert_eq!(&frame::encode_text("Hello")[..], b"\x81\x05Hello");
/// ```
pub fn encode_text(payload: &str) -> Bytes {
    encode(
        Header::whole(Opcode::Text, payload.len()),
        payload.as_bytes(),
    )
}

/// A whole binary message as one server frame, to be sent to any number of clients.
pub fn encode_binary(payload: &[u8]) -> Bytes {
    encode(Header::whole(Opcode::Binary, payload.len()), payload)
}

/// A whole message as one compressed server frame, to be sent to any number of clients that agreed on
/// permessage-deflate with a window of the server's of at least
/// [`Policy::server_max_window_bits`]: it refers to nothing but itself, and no farther back than that.
/// Why that is right for all of them is told in [`prepared`](crate::prepared).
///
/// `None` where it is better sent as it is: for fewer bytes than [`Policy::compress_from`], and for
/// what does not shrink. That a text is UTF-8 is the caller's promise.
///
/// ```
/// use tidings_websocket::deflate::Policy;
/// use tidings_websocket::{MessageKind, frame};
///
/// let news = "all the same to everybody; ".repeat(20);
/// let frame = frame::encode_deflated(MessageKind::Text, news.as_bytes(), &Policy::default());
/// assert!(frame.is_some_and(|frame| frame[0] == 0xc1 && frame.len() < 60)); // FIN, RSV1, text
/// let brief = frame::encode_deflated(MessageKind::Text, b"hi", &Policy::default());
/// assert_eq!(brief, None);
/// ```
#[cfg(feature = "deflate")]
pub fn encode_deflated(kind: MessageKind, payload: &[u8], policy: &Policy) -> Option<Bytes> {
    if payload.len() < policy.compress_from {
        return None;
    }
    deflate::alone(payload, policy, |compressed| {
        let header = Header {
            compressed: true,
            ..Header::whole(Opcode::of(kind), compressed.len())
        };
        encode(header, compressed)
    })
}

/// A frame of that header and payload.
pub(crate) fn encode(header: Header, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
    header.write(&mut frame);
    frame.extend_from_slice(payload);
    frame.into()
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// 0: the next fragment of the message that was begun.
    Continuation,
    /// 1: the first fragment, or the whole, of a text.
    Text,
    /// 2: the first fragment, or the whole, of a binary message.
    Binary,
    /// 8: the last frame of this direction.
    Close,
    /// 9: answered with a pong.
    Ping,
    /// 10: the answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// The opcode of that number, where the RFC gives it a meaning.
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// The opcode of a message's first frame.
    pub const fn of(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Text => Self::Text,
            MessageKind::Binary => Self::Binary,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Close, ping or pong: short, whole, and allowed between the fragments of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Who an endpoint is. Clients mask what they send; servers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answered the handshake.
    Server,
    /// Began the handshake.
    Client,
}

impl Role {
    /// The other one.
    pub const fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Whether the handshake agreed on permessage-deflate, so that RSV1 has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Agreed,
    NotAgreed,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the frame ends its message.
    pub fin: bool,
    /// Whether the message that the frame begins is compressed: the first reserved bit, RSV1, of
    /// which RFC 7692, 6 makes that use.
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, on a client's frames.
    pub mask: Option<MaskKey>,
    /// The payload that follows, in bytes.
    pub payload_bytes: u64,
}

impl Header {
    /// The header of a server's frame that is a whole message, or a control frame.
    pub const fn whole(opcode: Opcode, payload_bytes: usize) -> Self {
        Self {
            fin: true,
            compressed: false,
            opcode,
            mask: None,
            payload_bytes: payload_bytes as u64,
        }
    }

    /// Appends the header to `output`, with the shortest length that holds.
    #[inline]
    pub fn write(&self, output: &mut Vec<u8>) {
        let fin = if self.fin { FIN } else { 0 };
        let compressed = if self.compressed { RSV1 } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let first = fin | compressed | self.opcode.number();
        match self.payload_bytes {
            bytes @ 0..LENGTH_16 => output.extend_from_slice(&[first, masked | bytes as u8]),
            bytes @ LENGTH_16..=0xffff => {
                output.extend_from_slice(&[first, masked | LENGTH_16 as u8]);
                output.extend_from_slice(&(bytes as u16).to_be_bytes());
            }
            bytes => {
                output.extend_from_slice(&[first, masked | LENGTH_64 as u8]);
                output.extend_from_slice(&bytes.to_be_bytes());
            }
        }
        if let Some(key) = &self.mask {
            output.extend_from_slice(key);
        }
    }

    /// Reads the header at the beginning of `bytes`, which came from the peer of `role` on a
    /// connection without extensions.
    ///
    /// Gives the header and its own length, or `None` where more bytes are needed. Whatever can
    /// be known from the bytes that are there is checked, so a bad frame fails early, and fails
    /// alike however its bytes were cut.
    ///
    /// # Errors
    ///
    /// A [`Fault`] for a header that the RFC or `config` forbids.
    pub fn parse(
        bytes: &[u8],
        role: Role,
        config: &Config,
    ) -> Result<Option<(Self, usize)>, Fault> {
        Self::parse_with(bytes, role, config, Compression::NotAgreed)
    }

    /// [`parse`](Self::parse) for a connection that may have an extension.
    #[inline(always)]
    pub(crate) fn parse_with(
        bytes: &[u8],
        role: Role,
        config: &Config,
        compression: Compression,
    ) -> Result<Option<(Self, usize)>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = check_first_bytes(*first, *second, role, compression)?;
        let (payload_bytes, length_bytes) = match u64::from(second & !MASKED) {
            LENGTH_16 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            length => (length, 0),
        };
        check_length(payload_bytes, length_bytes)?;
        if payload_bytes > config.frame_bytes_max as u64 && !opcode.is_control() {
            check_frame_bytes(payload_bytes, config, compression)?;
        }
        let (mask, mask_bytes) = match role {
            Role::Client => (None, 0),
            Role::Server => match rest[length_bytes..].first_chunk() {
                Some(key) => (Some(*key), key.len()),
                None => return Ok(None),
            },
        };
        let header = Self {
            fin: first & FIN != 0,
            compressed: first & RSV1 != 0,
            opcode,
            mask,
            payload_bytes,
        };
        Ok(Some((header, 2 + length_bytes + mask_bytes)))
    }
}

#[inline]
fn check_first_bytes(
    first: u8,
    second: u8,
    role: Role,
    compression: Compression,
) -> Result<Opcode, Fault> {
    if first & RESERVED != 0 {
        check_reserved(first, compression)?;
    }
    let opcode = Opcode::new(first & OPCODE).ok_or(Fault::ReservedOpcode(first & OPCODE))?;
    // RFC 6455, 5.1: "a client MUST mask all frames", "a server MUST NOT mask any".
    match (role, second & MASKED != 0) {
        (Role::Server, false) => return Err(Fault::MaskMissing),
        (Role::Client, true) => return Err(Fault::MaskUnexpected),
        _ => {}
    }
    if opcode.is_control() {
        // RFC 6455, 5.5: "MUST have a payload length of 125 bytes or less and MUST NOT be
        // fragmented".
        if first & FIN == 0 {
            return Err(Fault::ControlFragmented);
        }
        if usize::from(second & !MASKED) > CONTROL_BYTES_MAX {
            return Err(Fault::ControlTooLong);
        }
    }
    Ok(opcode)
}

/// RFC 6455, 5.2: reserved bits "MUST be 0 unless an extension is negotiated that defines meanings".
#[cold]
fn check_reserved(first: u8, compression: Compression) -> Result<(), Fault> {
    // RFC 7692, 6: the bit stands on the first frame of a data message, and on no other.
    match (compression, first & RESERVED, Opcode::new(first & OPCODE)) {
        (Compression::Agreed, RSV1, Some(Opcode::Text | Opcode::Binary)) => Ok(()),
        _ => Err(Fault::ReservedBits),
    }
}

/// A message that does not shrink is a little longer when it is compressed, and some compress
/// everything: that may not keep a message of `message_bytes_max` out.
#[cold]
fn check_frame_bytes(bytes: u64, config: &Config, compression: Compression) -> Result<(), Fault> {
    let max = config.frame_bytes_max;
    let excess = match compression {
        Compression::Agreed => max / CODED_SHARE + CODED_EXCESS,
        Compression::NotAgreed => 0,
    };
    if bytes > max.saturating_add(excess) as u64 {
        return Err(Fault::FrameTooBig { bytes, max });
    }
    Ok(())
}

/// RFC 1951, 3.2.6: the fixed codes have at most nine bits for a byte. Fast compressors know no
/// others, and stored blocks add less.
const CODED_SHARE: usize = 8;

/// For the ends of the blocks.
const CODED_EXCESS: usize = 16;

#[inline]
fn check_length(payload_bytes: u64, length_bytes: usize) -> Result<(), Fault> {
    match (length_bytes, payload_bytes) {
        (2, 0..LENGTH_16) | (8, 0..=0xffff) => Err(Fault::LengthNotMinimal),
        (8, bytes) if bytes >> 63 != 0 => Err(Fault::LengthTooHigh),
        _ => Ok(()),
    }
}

const FIN: u8 = 0b1000_0000;
const RESERVED: u8 = 0b0111_0000;
const RSV1: u8 = 0b0100_0000;
const OPCODE: u8 = 0b0000_1111;
const MASKED: u8 = 0b1000_0000;
/// A length of 126 says that the length is in the next two bytes; 127, in the next eight.
const LENGTH_16: u64 = 126;
const LENGTH_64: u64 = 127;
