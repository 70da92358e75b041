//! The server's side of the handshake (RFC 6455 section 4.2): judge the request, choose the
//! subprotocol and the compression.
//!
//! What the RFC leaves to the application is left to it: look at `Origin`, the path and the
//! credentials before or after [`accept`].
//!
//! ```
//! use http::{Request, StatusCode};
//! use tidings_websocket::handshake::server::{self, Options};
//!
//! let request = Request::get("/chat")
//!     .header("Host", "example.org")
//!     .header("Upgrade", "websocket")
//!     .header("Connection", "keep-alive, Upgrade")
//!     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
//!     .header("Sec-WebSocket-Version", "13")
//!     .header("Sec-WebSocket-Protocol", "chat.v1, chat.v2")
//!     .body(())?;
//! let options = Options { subprotocols: &["chat.v2", "chat.v1"], ..Options::default() };
//! let accepted = server::accept(&request, &options)?;
//! assert_eq!(accepted.subprotocol, Some("chat.v2"));
//! let response = accepted.response(); // 101 with the headers that say yes
//! assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::terms::{self, Malformed, Terms};
use super::{VERSION, accept_value, headers};
#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Policy};

/// What the server offers.
///
/// Write it with `..Options::default()`: the crate's features add fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// The subprotocols that the server speaks, the one it likes best first.
    ///
    /// The first that the client offers as well is chosen; without one the connection is
    /// accepted without a subprotocol, and it is the client's to be content (4.1).
    pub subprotocols: &'o [&'o str],
    /// How messages are compressed where the client offers it (permessage-deflate, RFC 7692).
    ///
    /// Default `None`: not at all.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Policy>,
}

/// A request that may become a WebSocket connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<'o> {
    /// The subprotocol chosen, from [`Options::subprotocols`].
    pub subprotocol: Option<&'o str>,
    /// How messages are compressed: for [`Connection::with_deflate`](crate::Connection::with_deflate).
    #[cfg(feature = "deflate")]
    pub deflate: Option<Agreement>,
    accept: HeaderValue,
    extensions: Option<HeaderValue>,
}

impl Accepted<'_> {
    /// The answer that makes the connection a WebSocket: status 101, no body.
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        terms::answer(headers, self.subprotocol, self.extensions.as_ref());
        response
    }
}

/// Judges a request that wants to open a WebSocket connection over HTTP/1.1.
///
/// Everything of RFC 6455 section 4.2.1 is checked. Stricter than the RFC: duplicates of the
/// handshake's own headers are refused.
///
/// # Errors
///
/// A [`Refusal`] that knows its answer.
pub fn accept<'o, B>(request: &Request<B>, options: &Options<'o>) -> Result<Accepted<'o>, Refusal> {
    let key = check(request)?;
    let terms = Terms::choose(request.headers(), options)?;
    Ok(Accepted {
        subprotocol: terms.subprotocol,
        #[cfg(feature = "deflate")]
        deflate: terms.deflate,
        accept: accept_value(key),
        extensions: terms.extensions,
    })
}

/// Every demand but those of the offers; gives the key.
fn check<B>(request: &Request<B>) -> Result<&HeaderValue, Refusal> {
    let fields = request.headers();
    // 4.2.1: "an HTTP/1.1 or higher GET request".
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::HttpVersion);
    }
    // "A |Host| header field containing the server's authority." A framework may have moved it to
    // the URI.
    match fields.get_all(HOST).iter().count() {
        0 if request.uri().authority().is_none() => return Err(Refusal::Host),
        0 | 1 => {}
        _ => return Err(Refusal::Host),
    }
    // "An |Upgrade| header field containing the value "websocket"", in any case.
    if !headers::has_token(fields, &UPGRADE, "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    // "A |Connection| header field that includes the token "Upgrade"", in any case.
    if !headers::has_token(fields, &CONNECTION, "upgrade") {
        return Err(Refusal::NoConnectionUpgrade);
    }
    if !has_version(fields) {
        return Err(Refusal::Version);
    }
    check_key(fields)
}

/// "A |Sec-WebSocket-Version| header field, with a value of 13."
pub(super) fn has_version(fields: &HeaderMap) -> bool {
    let mut versions = fields.get_all(SEC_WEBSOCKET_VERSION).iter();
    matches!((versions.next(), versions.next()), (Some(version), None) if version == VERSION)
}

/// "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded, is 16 bytes
/// in length."
///
/// No more: the bits that the last letter has left over may be anything, as in the RFC's own example,
/// "AQIDBAUGBwgJCgsMDQ4PEC==" (4.1, 7).
fn check_key(fields: &HeaderMap) -> Result<&HeaderValue, Refusal> {
    let mut keys = fields.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None)
            if LENIENT_BASE64
                .decode(key)
                .is_ok_and(|bytes| bytes.len() == KEY_BYTES) =>
        {
            Ok(key)
        }
        _ => Err(Refusal::Key),
    }
}

const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// RFC 6455, 4.1: the nonce of the handshake.
pub(super) const KEY_BYTES: usize = 16;

/// Why a request cannot become a WebSocket connection. Each knows its status and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 405: only GET opens a WebSocket.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// 505: HTTP/1.0 and older cannot be upgraded; for HTTP/2 there is [`http2`](super::http2).
    #[error("a WebSocket is opened over HTTP/1.1")]
    HttpVersion,
    /// 400: HTTP/1.1 asks for exactly one.
    #[error("the request needs one Host header")]
    Host,
    /// 426: an ordinary request for a resource that only speaks WebSocket.
    #[error("this resource speaks WebSocket: the request needs the header 'Upgrade: websocket'")]
    NoUpgrade,
    /// 400: the token is missing, often because a proxy on the way does not know WebSocket.
    #[error(
        "the request needs the header 'Connection: Upgrade' (does a proxy on the way support WebSocket?)"
    )]
    NoConnectionUpgrade,
    /// 426 with the version that is spoken here (RFC 6455, 4.4).
    #[error("the request needs the header 'Sec-WebSocket-Version: 13'")]
    Version,
    /// 400: there must be one key of 16 bytes in base64.
    #[error("the request needs one Sec-WebSocket-Key header, 16 bytes in base64")]
    Key,
    /// 400: not tokens, one of them twice, or more than 64.
    #[error("the Sec-WebSocket-Protocol header must be a list of at most 64 different tokens")]
    Subprotocols,
    /// 400: not a list of extensions, or one of more than sixteen.
    #[error("the Sec-WebSocket-Extensions header is malformed")]
    Extensions,
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Host
            | Self::NoConnectionUpgrade
            | Self::Key
            | Self::Subprotocols
            | Self::Extensions => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers that the answer needs beside those of its body.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            // RFC 9110, 15.5.22: a 426 "MUST send an Upgrade header field", which goes with a
            // Connection.
            Self::NoUpgrade | Self::Version => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            _ => {}
        }
        headers
    }

    /// The whole answer, with the reason as plain text.
    pub fn response(&self) -> Response<String> {
        refuse(self.status(), self.headers(), self)
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Subprotocols => Self::Subprotocols,
            Malformed::Extensions => Self::Extensions,
        }
    }
}

/// A refusal's answer.
pub(super) fn refuse(
    status: StatusCode,
    headers: HeaderMap,
    reason: &impl std::fmt::Display,
) -> Response<String> {
    let mut response = Response::new(format!("{reason}\n"));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
