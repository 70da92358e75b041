//! What can go wrong in the protocol, by whose fault it is, and the one table to close codes.
//!
//! A [`Fault`] is the peer's: the connection fails, and the Close frame that says why is
//! already in the output. A [`SendError`] is the caller's, or nobody's, and changes nothing.

use crate::close::CloseCode;

/// The peer broke the protocol or a limit. The connection is over; its last output says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// RFC 6455, 5.2: a reserved bit is set, and no extension that would use it was agreed on.
    #[error("a frame has reserved bits set")]
    ReservedBits,
    /// RFC 6455, 5.2: opcodes 3 to 7 and 11 to 15 mean nothing.
    #[error("a frame has the reserved opcode {0}")]
    ReservedOpcode(u8),
    /// RFC 6455, 5.1: a client must mask.
    #[error("a frame from the client is not masked")]
    MaskMissing,
    /// RFC 6455, 5.1: a server must not.
    #[error("a frame from the server is masked")]
    MaskUnexpected,
    /// RFC 6455, 5.5: control frames are whole.
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// RFC 6455, 5.5: control frames carry at most 125 bytes.
    #[error("a control frame carries more than 125 bytes")]
    ControlTooLong,
    /// RFC 6455, 5.2: "the minimal number of bytes MUST be used to encode the length".
    #[error("a frame's length takes more bytes than it needs")]
    LengthNotMinimal,
    /// RFC 6455, 5.2: "the most significant bit MUST be 0".
    #[error("a frame's length has its highest bit set")]
    LengthTooHigh,
    /// RFC 6455, 5.4: a continuation continues something.
    #[error("a continuation frame continues no message")]
    ContinuationWithoutMessage,
    /// RFC 6455, 5.4: the fragments of two messages are not interleaved.
    #[error("a new message begins before the last one ended")]
    MessageInterrupted,
    /// RFC 6455, 5.5.1: the body of a Close frame begins with a code of two bytes.
    #[error("a Close frame has a body of one byte")]
    CloseTooShort,
    /// RFC 6455, 7.4: a code that may not be sent.
    #[error("a Close frame has the code {0}, which may not be sent")]
    CloseCode(u16),
    /// RFC 6455, 8.1: text, and the reason of a Close frame, is UTF-8.
    #[error("a text is not UTF-8")]
    InvalidUtf8,
    /// RFC 7692, 7.2.2: what a compressed message holds is DEFLATE, whole and unbroken.
    #[error("a compressed message does not decompress")]
    Deflate,
    /// A frame says that it is longer than
    /// [`Config::frame_bytes_max`](crate::Config::frame_bytes_max).
    #[error("a frame of {bytes} bytes is more than the limit of {max}")]
    FrameTooBig {
        /// What its header says.
        bytes: u64,
        /// The limit.
        max: usize,
    },
    /// A message grows beyond [`Config::message_bytes_max`](crate::Config::message_bytes_max).
    #[error("a message is more than the limit of {max} bytes")]
    MessageTooBig {
        /// The limit.
        max: usize,
    },
    /// A message has more frames than [`Config::fragments_max`](crate::Config::fragments_max).
    #[error("a message has more than {max} fragments")]
    TooManyFragments {
        /// The limit.
        max: u32,
    },
}

impl Fault {
    /// The code that the peer is told: the one table from errors to close codes.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::MaskMissing
            | Self::MaskUnexpected
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthTooHigh
            | Self::ContinuationWithoutMessage
            | Self::MessageInterrupted
            | Self::CloseTooShort
            | Self::CloseCode(_) => CloseCode::PROTOCOL,
            Self::InvalidUtf8 | Self::Deflate => CloseCode::INVALID_DATA,
            Self::FrameTooBig { .. }
            | Self::MessageTooBig { .. }
            | Self::TooManyFragments { .. } => CloseCode::TOO_BIG,
        }
    }
}

/// Nothing was sent, and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent already, or the stream ended. Nobody's fault: the peer may close at
    /// any moment.
    #[error("the connection is closing")]
    Closed,
    /// A ping or pong of more than [`CONTROL_BYTES_MAX`](crate::frame::CONTROL_BYTES_MAX) bytes.
    #[error("a control frame carries at most 125 bytes, not {0}")]
    ControlTooLong(usize),
    /// A message was begun in fragments: send its last one before another message, and keep to its
    /// kind.
    #[error("a fragmented message must be finished before another begins")]
    MessageUnfinished,
    /// Frames encoded for many are a server's: a client masks each with a key of its own.
    #[error("a client cannot send frames that were encoded for a server")]
    NotAServer,
    /// A code that may not stand in a Close frame, or a conclusion (1005, 1006) rather than a
    /// reason.
    #[error("close code {0} may not be sent")]
    CloseCode(CloseCode),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_code_that_may_be_sent() {
        for fault in [
            Fault::ReservedBits,
            Fault::InvalidUtf8,
            Fault::Deflate,
            Fault::TooManyFragments { max: 1 },
        ] {
            assert!(fault.close_code().may_be_sent(), "{fault}");
        }
    }
}
