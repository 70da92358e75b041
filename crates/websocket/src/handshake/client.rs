//! The client's side of the handshake (RFC 6455 sections 4.1 and 4.2.2): make the request, judge
//! the answer.
//!
//! ```
//! use tidings_websocket::handshake::client::{self, Options};
//!
//! let uri = "ws://example.org/chat".parse()?;
//! let nonce = [7; 16]; // from the operating system's randomness
//! let request = client::request(&uri, nonce, &Options { subprotocols: &["chat.v1"], ..Options::default() })?;
//! assert_eq!(request.headers()["Host"], "example.org");
//! // Send it, read the response, then: client::check(&request, &response)?
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use base64::Engine as _;
use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};

use super::server::KEY_BYTES;
use super::{BASE64, VERSION, accept_value, headers, terms};
#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Policy};

/// What the client wants.
///
/// Write it with `..Options::default()`: the crate's features add fields.
#[derive(Debug, Clone, Default)]
pub struct Options<'o> {
    /// The subprotocols that the client speaks, the one it likes best first: at most 64.
    pub subprotocols: &'o [&'o str],
    /// Headers of the application: `Authorization`, `Cookie`, `Origin`. The handshake's own replace
    /// theirs.
    pub headers: HeaderMap,
    /// How messages are compressed where the server agrees (permessage-deflate, RFC 7692).
    ///
    /// Default `None`: not at all.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Policy>,
}

/// What the server chose of what was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The subprotocol.
    pub subprotocol: Option<String>,
    /// How messages are compressed: for [`Connection::with_deflate`](crate::Connection::with_deflate).
    #[cfg(feature = "deflate")]
    pub deflate: Option<Agreement>,
}

/// The request that asks `uri`, a `ws:` or `wss:` address, for a WebSocket.
///
/// `nonce` is random and new for each connection. The request's URI is the path and query
/// alone, as HTTP/1.1 writes it.
///
/// # Errors
///
/// [`InvalidRequest`] for an address without a host or of another scheme, or for subprotocols
/// that are not different tokens, or more than 64.
pub fn request(
    uri: &Uri,
    nonce: [u8; KEY_BYTES],
    options: &Options<'_>,
) -> Result<Request<()>, InvalidRequest> {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or(PathAndQuery::from_static("/"));
    let mut request = Request::new(());
    *request.uri_mut() = path.into();
    let fields = request.headers_mut();
    fields.extend(options.headers.clone());
    fields.insert(HOST, host(uri)?);
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let key = HeaderValue::try_from(BASE64.encode(nonce)).expect("base64 is visible ASCII");
    fields.insert(SEC_WEBSOCKET_KEY, key);
    fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    terms::offer(fields, options)?;
    Ok(request)
}

/// 4.1: the host, and the port unless it is the scheme's own. Never a user's name.
pub(super) fn host(uri: &Uri) -> Result<HeaderValue, InvalidRequest> {
    let standard_port = match uri.scheme_str() {
        Some("ws" | "http") => 80,
        Some("wss" | "https") => 443,
        _ => return Err(InvalidRequest::Scheme),
    };
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or(InvalidRequest::Host)?;
    let value = match uri.port_u16() {
        Some(port) if port != standard_port => HeaderValue::try_from(format!("{host}:{port}")),
        _ => HeaderValue::from_str(host),
    };
    value.map_err(|_| InvalidRequest::Host)
}

/// Judges the answer to `request`; gives what the server chose of what `request` offers.
///
/// It is the final answer: other 1xx than 101 may come before it (RFC 9110, 15.2), and are the caller's
/// to skip.
///
/// # Errors
///
/// A [`Rejection`]. Close the stream without another byte.
pub fn check<B>(request: &Request<()>, response: &Response<B>) -> Result<Agreed, Rejection> {
    let fields = response.headers();
    // 4.1, 1: "If the status code received from the server is not 101 [...]".
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Rejection::Status(response.status()));
    }
    // 2 and 3: "Upgrade" is "websocket", and "Connection" has the token "upgrade", in any case.
    let mut upgrades = fields.get_all(UPGRADE).iter();
    match (upgrades.next(), upgrades.next()) {
        (Some(upgrade), None) if upgrade.as_bytes().eq_ignore_ascii_case(b"websocket") => {}
        _ => return Err(Rejection::Upgrade),
    }
    if !headers::has_token(fields, &CONNECTION, "upgrade") {
        return Err(Rejection::Connection);
    }
    // 4: the answer to the key.
    let expected = request.headers().get(SEC_WEBSOCKET_KEY).map(accept_value);
    let mut accepts = fields.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    match (accepts.next(), accepts.next()) {
        (Some(accept), None) if Some(accept) == expected.as_ref() => {}
        _ => return Err(Rejection::Accept),
    }
    // 5 and 6: extensions and the subprotocol.
    terms::check(request.headers(), fields)
}

/// The request could not be made: the caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The address is not `ws:` or `wss:`.
    #[error("a WebSocket's address begins with ws:// or wss://")]
    Scheme,
    /// The address names no host.
    #[error("the address names no host")]
    Host,
    /// The subprotocols are not tokens, one is there twice, or they are more than 64.
    #[error("subprotocols must be different tokens, at most 64")]
    Subprotocols,
}

/// The server did not agree to a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not 101; the response says why: redirection, authentication, not found.
    #[error("the server answered {0} instead of switching to WebSocket")]
    Status(StatusCode),
    /// The header `Upgrade: websocket` is missing, or says something else.
    #[error("the server's answer lacks 'Upgrade: websocket'")]
    Upgrade,
    /// The header `Connection: Upgrade` is missing.
    #[error("the server's answer lacks 'Connection: Upgrade'")]
    Connection,
    /// The answer to the key is wrong: a cache, or no WebSocket server.
    #[error("the server's Sec-WebSocket-Accept does not answer the request's key")]
    Accept,
    /// An extension that was not offered.
    #[error("the server uses an extension that was not offered")]
    Extension,
    /// The list of extensions is none.
    #[error("the server's Sec-WebSocket-Extensions header is malformed")]
    MalformedExtensions,
    /// Parameters of permessage-deflate that are wrong, or do not fit what was offered (RFC 7692,
    /// 7.1).
    #[error("the server's answer to 'permessage-deflate' does not fit the offer")]
    Deflate,
    /// A subprotocol that was not offered.
    #[error("the server chose a subprotocol that was not offered")]
    Subprotocol,
}
