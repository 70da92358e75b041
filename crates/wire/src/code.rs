//! Every way in which something is refused: one table to problem codes, HTTP and close codes.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why something was refused. The text is stable, so that programs may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// It is not in the protocol: not parsable, a field missing or out of bounds.
    BadRequest,
    /// Nobody is known behind the request: no token, or one that does not verify.
    Unauthenticated,
    /// The token was good and is too old.
    TokenExpired,
    /// The user may not do this on this channel.
    Forbidden,
    /// The page that asks is of an origin that is not allowed.
    OriginRefused,
    /// There is nothing under this path.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body's media type is none that is understood here.
    UnsupportedMediaType,
    /// A body, frame or message is over its limit.
    TooLarge,
    /// A count is over its limit: channels of a session or a stream. The same again will not do.
    LimitReached,
    /// More at a time than can be taken; the same again will do later.
    Busy,
    /// The server ends, or the engine behind it is away; the same again will do later.
    Unavailable,
    /// The disk is full. Reads go on; the same again will do when there is room.
    StorageFull,
    /// No heartbeat came in time.
    Idle,
    /// The first frame, `hello`, did not come in time.
    HelloLate,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code, for the documents and the tests.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::TokenExpired,
        Self::Forbidden,
        Self::OriginRefused,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::TooLarge,
        Self::LimitReached,
        Self::Busy,
        Self::Unavailable,
        Self::StorageFull,
        Self::Idle,
        Self::HelloLate,
        Self::Internal,
    ];

    /// The table: text, HTTP status, WebSocket close code, whether the same again can do later.
    const fn row(self) -> (&'static str, u16, u16, bool) {
        match self {
            Self::BadRequest => ("bad_request", 400, 1008, false),
            Self::Unauthenticated => ("unauthenticated", 401, 4001, false),
            Self::TokenExpired => ("token_expired", 401, 4002, false),
            Self::Forbidden => ("forbidden", 403, 1008, false),
            Self::OriginRefused => ("origin_refused", 403, 1008, false),
            Self::NotFound => ("not_found", 404, 1008, false),
            Self::MethodNotAllowed => ("method_not_allowed", 405, 1008, false),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415, 1003, false),
            Self::TooLarge => ("too_large", 413, 1009, false),
            Self::LimitReached => ("limit_reached", 403, 1008, false),
            Self::Busy => ("busy", 503, 1013, true),
            Self::Unavailable => ("unavailable", 503, 1012, true),
            Self::StorageFull => ("storage_full", 507, 1013, true),
            Self::Idle => ("idle", 408, 4003, true),
            Self::HelloLate => ("hello_late", 408, 4004, true),
            Self::Internal => ("internal", 500, 1011, true),
        }
    }

    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status of an HTTP answer that says so.
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// The close code of a connection that ends for this reason.
    pub const fn close_code(self) -> u16 {
        self.row().2
    }

    /// Whether the same request can succeed later, so that a client should keep it and try again.
    pub const fn is_transient(self) -> bool {
        self.row().3
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_are_distinct_and_statuses_are_errors() {
        let texts: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert!(
                (1002..=1013).contains(&code.close_code())
                    || (4001..=4004).contains(&code.close_code())
            );
        }
    }
}
