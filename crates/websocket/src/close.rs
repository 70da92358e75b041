//! Why a connection closes (RFC 6455 section 7.4): codes, and the body of a Close frame.
//!
//! Three codes are never sent. 1005 and 1006 are what an endpoint *concludes*: the peer's
//! Close frame said nothing, or there was none. Both may therefore stand in a [`Close`] that
//! was received, and neither in one to send.

use std::borrow::Cow;
use std::fmt;

use crate::error::Fault;
use crate::frame::CONTROL_BYTES_MAX;
use crate::utf8;

/// Why the connection closed: what the peer said, or what was concluded from its silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code; [`CloseCode::NO_STATUS`] where the peer gave none, [`CloseCode::ABNORMAL`] where
    /// no Close came.
    pub code: CloseCode,
    /// Words for a human, at most [`REASON_BYTES_MAX`] bytes; often empty.
    pub reason: Cow<'a, str>,
}

impl<'a> Close<'a> {
    /// A reason to close for.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'a, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The stream ended without a Close frame.
    pub fn abnormal() -> Self {
        Self::new(CloseCode::ABNORMAL, "")
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Close<'static> {
        Close {
            code: self.code,
            reason: Cow::Owned(self.reason.into_owned()),
        }
    }

    /// Reads the payload of a Close frame.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Fault> {
        match payload {
            [] => Ok(Self::new(CloseCode::NO_STATUS, "")),
            // RFC 6455, 5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer".
            [_] => Err(Fault::CloseTooShort),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let code = CloseCode::new(code).ok_or(Fault::CloseCode(code))?;
                Ok(Self::new(code, utf8::whole(reason)?))
            }
        }
    }

    /// Writes the payload of a Close frame. A reason that is too long is cut at a character.
    pub(crate) fn payload(&self) -> Vec<u8> {
        // RFC 6455, 7.4.1: 1005 "MUST NOT be set as a status code in a Close control frame".
        if !self.code.may_be_sent() {
            return Vec::new();
        }
        let reason = &self.reason[..self.reason.floor_char_boundary(REASON_BYTES_MAX)];
        [&self.code.0.to_be_bytes(), reason.as_bytes()].concat()
    }
}

/// A control frame's payload without the code.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// A number from 1000 to 4999 that says why a connection closes.
///
/// ```
/// use tidings_websocket::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(1005), None); // never on the wire
/// const LATE: CloseCode = CloseCode::application(4004);
/// assert_eq!(LATE.to_string(), "4004");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: what was wanted is done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: concluded, never sent: the peer's Close gave no code.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: concluded, never sent: the stream ended without a Close.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that is not what its type says, as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: against the endpoint's policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension that it needs.
    pub const EXTENSION_NEEDED: Self = Self(1010);
    /// 1011: the endpoint failed.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the service restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: overloaded; try later.
    pub const TRY_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer from behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code of that number, where it may stand in a Close frame.
    ///
    /// RFC 6455 section 7.4.2 and the IANA registry: 1000 to 1003, 1007 to 1014, and 3000 to 4999.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// A code of the application's own, 4000 to 4999 (or 3000 to 3999, registered with IANA).
    ///
    /// # Panics
    ///
    /// On any other number; used for a constant, the compiler says so.
    pub const fn application(code: u16) -> Self {
        assert!(
            matches!(code, 3000..=4999),
            "an application's close codes are 3000 to 4999"
        );
        Self(code)
    }

    /// Whether the code may stand in a Close frame: all but 1005 and 1006.
    pub const fn may_be_sent(self) -> bool {
        Self::new(self.0).is_some()
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_and_private_codes_may_be_on_the_wire() {
        let valid: Vec<u16> = (0..=u16::MAX)
            .filter(|code| CloseCode::new(*code).is_some())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(valid, expected);
    }

    #[test]
    fn a_close_without_a_body_has_no_status() {
        assert_eq!(Close::parse(b""), Ok(Close::new(CloseCode::NO_STATUS, "")));
        assert!(
            Close::new(CloseCode::NO_STATUS, "unsaid")
                .payload()
                .is_empty()
        );
    }

    #[test]
    fn bodies_that_break_the_rules_are_faults() {
        assert_eq!(Close::parse(b"\x03"), Err(Fault::CloseTooShort));
        assert_eq!(Close::parse(b"\x03\xee"), Err(Fault::CloseCode(1006)));
        assert_eq!(Close::parse(b"\x03\xe8\xff"), Err(Fault::InvalidUtf8));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let close = Close::new(CloseCode::NORMAL, "é".repeat(100));
        let payload = close.payload();
        assert_eq!(payload.len(), CONTROL_BYTES_MAX - 1);
        assert_eq!(
            Close::parse(&payload),
            Ok(Close::new(CloseCode::NORMAL, "é".repeat(61)))
        );
    }
}
