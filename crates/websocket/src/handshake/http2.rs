//! The handshake over HTTP/2 (RFC 8441), both sides, and over HTTP/3, which does the same
//! (RFC 9220).
//!
//! There is no upgrade here: a WebSocket is one stream of a connection that has many. The client
//! sends a CONNECT with the pseudo-header `:protocol`, a 200 says yes, and from then on the
//! stream's data is the WebSocket. HTTP/2 itself proves that the server understood, so there is
//! no key to answer.
//!
//! `http`'s types have no place for `:protocol`. Each library has one of its own: hyper a
//! `hyper::ext::Protocol` and `h2` an `h2::ext::Protocol` among the request's extensions.
//!
//! ```
//! use http::{Method, Request, StatusCode, Version};
//! use tidings_websocket::handshake::http2::{self, PROTOCOL};
//! use tidings_websocket::handshake::{client, server};
//!
//! // The client, after the server's settings have SETTINGS_ENABLE_CONNECT_PROTOCOL:
//! let uri = "wss://example.org/chat".parse()?;
//! let offer = client::Options { subprotocols: &["chat.v1"], ..client::Options::default() };
//! let request = http2::request(&uri, &offer)?;
//! assert_eq!(request.method(), Method::CONNECT);
//! // … it adds `:protocol`: request.extensions_mut().insert(hyper::ext::Protocol::from_static(PROTOCOL));
//!
//! // The server:
//! let spoken = server::Options { subprotocols: &["chat.v1"], ..server::Options::default() };
//! let accepted = http2::accept(&request, Some("websocket"), &spoken)?;
//! let response = accepted.response();
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! // The client again:
//! assert_eq!(http2::check(&request, &response)?.subprotocol.as_deref(), Some("chat.v1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use http::header::{
    ALLOW, CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};

use super::VERSION;
use super::client::{self, Agreed, InvalidRequest, Rejection};
use super::server;
use super::terms::{self, Malformed, Terms};
#[cfg(feature = "deflate")]
use crate::deflate::Agreement;

/// The value of `:protocol`.
pub const PROTOCOL: &str = "websocket";

/// A request that may become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted<'o> {
    /// The subprotocol chosen, from [`server::Options::subprotocols`].
    pub subprotocol: Option<&'o str>,
    /// How messages are compressed: for [`Connection::with_deflate`](crate::Connection::with_deflate).
    #[cfg(feature = "deflate")]
    pub deflate: Option<Agreement>,
    extensions: Option<HeaderValue>,
}

impl Accepted<'_> {
    /// The answer that makes the stream a WebSocket: status 200, no body.
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.version_mut() = Version::HTTP_2;
        let fields = response.headers_mut();
        terms::answer(fields, self.subprotocol, self.extensions.as_ref());
        response
    }
}

/// Judges a request that wants to open a WebSocket over HTTP/2 or HTTP/3.
///
/// `protocol` is the pseudo-header `:protocol`, where there is one. `:scheme` and `:path`, without
/// which an extended CONNECT is malformed (RFC 8441, section 4), and header fields that HTTP/2 does
/// not have are the HTTP library's to refuse: it does so by resetting the stream (RFC 9113, 8.1.1),
/// and no answer with a status would be right. `Sec-WebSocket-Key` is not looked at (section 5).
///
/// # Errors
///
/// A [`Refusal`] that knows its answer.
pub fn accept<'o, B>(
    request: &Request<B>,
    protocol: Option<&str>,
    options: &server::Options<'o>,
) -> Result<Accepted<'o>, Refusal> {
    let fields = request.headers();
    if !matches!(request.version(), Version::HTTP_2 | Version::HTTP_3) {
        return Err(Refusal::HttpVersion);
    }
    // 4: "The :method of this request is CONNECT".
    if request.method() != Method::CONNECT {
        return Err(Refusal::Method);
    }
    // 5: "The :protocol pseudo-header field MUST be included in the CONNECT request, and it MUST
    // have a value of "websocket"". As a pseudo-header's value it is compared as it is.
    match protocol {
        Some(PROTOCOL) => {}
        Some(_) => return Err(Refusal::Protocol),
        None => return Err(Refusal::Tunnel),
    }
    // RFC 9113, 8.3.1: ":authority", which a framework may have moved to `Host`.
    let hosts = fields.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.uri().authority().is_none()) {
        return Err(Refusal::Authority);
    }
    // 5: Sec-WebSocket-Version, -Protocol and -Extensions "are used in the CONNECT request and
    // response in the same way as defined in RFC 6455".
    if !server::has_version(fields) {
        return Err(Refusal::Version);
    }
    let terms = Terms::choose(fields, options)?;
    Ok(Accepted {
        subprotocol: terms.subprotocol,
        #[cfg(feature = "deflate")]
        deflate: terms.deflate,
        extensions: terms.extensions,
    })
}

/// Why a request cannot become a WebSocket. Each knows its status and headers.
///
/// None is a 426, which over HTTP/1.1 asks for an upgrade: it has to name the protocol in an
/// `Upgrade` header (RFC 9110, 15.5.22), and HTTP/2 has no such header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 505: the request came over HTTP/1, which opens WebSockets in another way.
    #[error("this way to open a WebSocket needs HTTP/2 or HTTP/3")]
    HttpVersion,
    /// 405: an ordinary request for a resource that only speaks WebSocket.
    #[error("this resource speaks WebSocket: over HTTP/2 it is opened with CONNECT (RFC 8441)")]
    Method,
    /// 501: a CONNECT without `:protocol` asks for a tunnel, which "most origin servers do not
    /// implement" (RFC 9110, 9.3.6).
    #[error("CONNECT needs ':protocol' with the value 'websocket'")]
    Tunnel,
    /// 501: a `:protocol` that is not spoken here. RFC 9220, section 3, names the status; RFC 8441
    /// none.
    #[error("the value of ':protocol' must be 'websocket'")]
    Protocol,
    /// 400: no `:authority`, or several `Host` headers.
    #[error("the request needs ':authority'")]
    Authority,
    /// 400 with the version that is spoken here: RFC 6455, 4.2.2, leaves the status open.
    #[error("the request needs the header 'Sec-WebSocket-Version: 13'")]
    Version,
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
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Tunnel | Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::Authority | Self::Version | Self::Subprotocols | Self::Extensions => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// The headers that the answer needs beside those of its body.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("CONNECT"));
            }
            Self::Version => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            _ => {}
        }
        headers
    }

    /// The whole answer, with the reason as plain text.
    pub fn response(&self) -> Response<String> {
        server::refuse(self.status(), self.headers(), self)
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

/// The request that asks `uri`, a `ws:` or `wss:` address, for a WebSocket.
///
/// What remains to the caller is `:protocol`, see the [module](self), and to wait until the
/// server's settings have allowed it (section 3).
///
/// # Errors
///
/// [`InvalidRequest`], as [`client::request`]'s.
pub fn request(uri: &Uri, options: &client::Options<'_>) -> Result<Request<()>, InvalidRequest> {
    // 5: "The scheme of the target URI [...] MUST be "https" for "wss"-schemed WebSockets and
    // "http" for "ws"-schemed WebSockets." The authority is the host alone, never a user's name.
    let host = client::host(uri)?;
    let scheme = match uri.scheme_str() {
        Some("wss" | "https") => Scheme::HTTPS,
        _ => Scheme::HTTP,
    };
    let path = uri.path_and_query().cloned();
    let target = Uri::builder()
        .scheme(scheme)
        .authority(host.as_bytes())
        .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
        .build()
        .map_err(|_| InvalidRequest::Host)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = target;
    *request.version_mut() = Version::HTTP_2;
    let fields = request.headers_mut();
    fields.extend(options.headers.clone());
    for superseded in [
        HOST,
        UPGRADE,
        CONNECTION,
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_ACCEPT,
    ] {
        fields.remove(superseded);
    }
    fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    terms::offer(fields, options)?;
    Ok(request)
}

/// Judges the answer to `request`; gives what the server chose of what `request` offers.
///
/// # Errors
///
/// A [`Rejection`]. Reset the stream; the others of the connection go on.
pub fn check<B>(request: &Request<()>, response: &Response<B>) -> Result<Agreed, Rejection> {
    // RFC 9110, 9.3.6: "Any 2xx (Successful) response indicates" that the stream is open.
    if !response.status().is_success() {
        return Err(Rejection::Status(response.status()));
    }
    terms::check(request.headers(), response.headers())
}
