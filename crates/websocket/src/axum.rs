//! An extractor for axum (feature `axum`): [`WebSocketUpgrade`] makes a WebSocket of a request, over
//! HTTP/1.1, and with the feature `axum-http2` over HTTP/2 as well (RFC 8441).
//!
//! ```
//! use axum::response::Response;
//! use axum::routing::any;
//! use axum::Router;
//! use tidings_websocket::axum::{WebSocket, WebSocketUpgrade};
//! use tidings_websocket::deflate::Policy;
//! use tidings_websocket::tokio::Error;
//!
//! // `any`, because HTTP/1.1 opens a WebSocket with GET and HTTP/2 with CONNECT.
//! let app: Router = Router::new().route("/chat", any(chat));
//!
//! async fn chat(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade
//!         .subprotocols(["chat.v2", "chat.v1"])
//!         .deflate(Policy::default())
//!         .on_upgrade(|websocket| async {
//!             if let Err(error) = echo(websocket).await {
//!                 eprintln!("{error}");
//!             }
//!         })
//! }
//!
//! async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
//!     while let Some(event) = websocket.recv().await? {
//!         if event.is_message() {
//!             websocket.feed(event)?; // written when `recv` has to wait
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! **`Origin` is yours to check.** A browser lets any page open a WebSocket to any server and sends
//! the user's cookies with it, whatever CORS says. If cookies say who a user is, look at the
//! header `Origin` before you upgrade, or let the page prove itself by a token.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;

use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Policy;
use crate::handshake::terms::{self, Terms};
use crate::handshake::{headers, http2, server};
use crate::tokio::{self, Options};

/// A WebSocket that was opened by a request to axum.
pub type WebSocket = tokio::WebSocket<Stream>;

/// A request that wants to become a WebSocket: see the [module](self).
///
/// As an argument of a handler it refuses every other request with the right status; as an
/// `Option` it is `None` for a request that does not ask for a WebSocket, for addresses that answer
/// both. Whatever ends the handler without [`on_upgrade`](Self::on_upgrade) is an ordinary answer.
#[must_use = "a request becomes a WebSocket by `on_upgrade`"]
pub struct WebSocketUpgrade {
    /// The answer, but for the terms.
    answer: http::Response<()>,
    /// The fields of the request that say what the client offers.
    offers: HeaderMap,
    subprotocol: Option<String>,
    options: Options,
    on_upgrade: OnUpgrade,
    on_failure: Box<dyn FnOnce(UpgradeError) + Send>,
}

impl WebSocketUpgrade {
    /// Chooses the first of these subprotocols that the client offers as well: the one you like
    /// best comes first.
    ///
    /// Without one in common the connection is opened without a subprotocol; see
    /// [`subprotocol`](Self::subprotocol) for whether that was so.
    pub fn subprotocols<I>(mut self, spoken: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let offered = self.offered_subprotocols();
        let chosen = spoken
            .into_iter()
            .find(|subprotocol| offered.contains(&subprotocol.as_ref()))
            .map(|subprotocol| subprotocol.as_ref().to_owned());
        self.subprotocol = chosen;
        self
    }

    /// What [`subprotocols`](Self::subprotocols) chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The subprotocols that the client offers, the one it likes best first.
    pub fn offered_subprotocols(&self) -> Vec<&str> {
        headers::subprotocols(&self.offers).unwrap_or_default()
    }

    /// Compresses messages (permessage-deflate) where the client offers it. Default: not at all.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, policy: Policy) -> Self {
        self.options.config.deflate = Some(policy);
        self
    }

    /// The largest message that the peer may send, in bytes. Default 1 MiB.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.options.config.frame_bytes_max = bytes;
        self.options.config.message_bytes_max = bytes;
        self
    }

    /// Every limit and time of the connection. It replaces what was set before, so it comes first.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What to do when the request is answered and the connection is lost all the same. Default:
    /// nothing.
    pub fn on_failed_upgrade(
        mut self,
        callback: impl FnOnce(UpgradeError) + Send + 'static,
    ) -> Self {
        self.on_failure = Box::new(callback);
        self
    }

    /// The answer that opens the WebSocket, which `callback` is then given in a task of its own.
    ///
    /// The connection lives as long as the callback's future keeps it. End it by
    /// [`close`](tokio::WebSocket::close), or by reading until `None`: a WebSocket that is
    /// dropped leaves its client to find out.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use = "the connection becomes a WebSocket when this answer is returned"]
    pub fn on_upgrade<C, F>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            answer,
            offers,
            subprotocol,
            options,
            on_upgrade,
            on_failure,
        } = self;
        let (connection, extensions) = connection(&offers, &options);
        let mut answer = answer.map(|()| Body::empty());
        terms::answer(
            answer.headers_mut(),
            subprotocol.as_deref(),
            extensions.as_ref(),
        );
        ::tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => {
                    let (stream, read_ahead) = Stream::new(upgraded);
                    let websocket =
                        WebSocket::from_connection(stream, read_ahead, connection, options);
                    callback(websocket).await;
                }
                Err(error) => on_failure(UpgradeError(error)),
            }
        });
        answer
    }
}

/// The connection that the client's offers lead to, and what is answered to them.
fn connection(offers: &HeaderMap, options: &Options) -> (Connection, Option<HeaderValue>) {
    let connection = Connection::server(options.shared_config());
    let wanted = server::Options {
        #[cfg(feature = "deflate")]
        deflate: options.config.deflate,
        ..server::Options::default()
    };
    // The offers are well formed, or the request would have been refused.
    let Ok(terms) = Terms::choose(offers, &wanted) else {
        return (connection, None);
    };
    #[cfg(feature = "deflate")]
    let connection = match terms.deflate {
        Some(agreement) => connection.with_deflate(agreement),
        None => connection,
    };
    (connection, terms.extensions)
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let answer = judge(parts)?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let mut offers = HeaderMap::new();
        for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
            for value in parts.headers.get_all(&name) {
                offers.append(name.clone(), value.clone());
            }
        }
        Ok(Self {
            answer,
            offers,
            subprotocol: None,
            options: Options::default(),
            on_upgrade: on_upgrade.ok_or(Rejection::NotUpgradable)?,
            on_failure: Box::new(|_| {}),
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let asks = if is_http2(parts) {
            parts.method == Method::CONNECT
        } else {
            headers::has_token(&parts.headers, &UPGRADE, "websocket")
        };
        if !asks {
            return Ok(None);
        }
        let upgrade = <Self as FromRequestParts<S>>::from_request_parts(parts, state);
        Ok(Some(upgrade.await?))
    }
}

impl std::fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebSocketUpgrade")
            .field("offers", &self.offers)
            .field("subprotocol", &self.subprotocol)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The handshake of the request's version of HTTP, without terms.
fn judge(parts: &mut Parts) -> Result<http::Response<()>, Rejection> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    // Lent, not copied: they may be large.
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    let options = server::Options::default();
    let answer = if is_http2(parts) {
        let accepted = http2::accept(&request, protocol(parts), &options);
        accepted
            .map(|accepted| accepted.response())
            .map_err(Rejection::Http2)
    } else {
        let accepted = server::accept(&request, &options);
        accepted
            .map(|accepted| accepted.response())
            .map_err(Rejection::Http1)
    };
    parts.headers = std::mem::take(request.headers_mut());
    answer
}

fn is_http2(parts: &Parts) -> bool {
    matches!(parts.version, Version::HTTP_2 | Version::HTTP_3)
}

/// The pseudo-header `:protocol`.
#[cfg(feature = "axum-http2")]
fn protocol(parts: &Parts) -> Option<&str> {
    let protocol = parts.extensions.get::<hyper::ext::Protocol>()?;
    Some(protocol.as_str())
}

/// hyper knows of it only with its own feature for HTTP/2.
#[cfg(not(feature = "axum-http2"))]
fn protocol(_: &Parts) -> Option<&str> {
    None
}

/// Why a request was refused. As an answer it has the status, the headers and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request is no handshake over HTTP/1.1.
    #[error(transparent)]
    Http1(server::Refusal),
    /// The request is no handshake over HTTP/2.
    #[error(transparent)]
    Http2(http2::Refusal),
    /// 500: the request is good, and whatever runs the service cannot hand its connection over. With
    /// hyper, serve it `with_upgrades`; `axum::serve` does.
    #[error("this server does not hand over its connections, so it cannot open a WebSocket")]
    NotUpgradable,
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let response = match self {
            Self::Http1(refusal) => refusal.response(),
            Self::Http2(refusal) => refusal.response(),
            Self::NotUpgradable => {
                let reason = format!("{self}\n");
                return (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response();
            }
        };
        response.map(Body::from)
    }
}

/// The connection was lost between the answer and the WebSocket.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost before it became a WebSocket: {0}")]
pub struct UpgradeError(#[source] hyper::Error);

/// What a [`WebSocket`] of axum's runs on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// The socket itself, taken back from HTTP/1.1 as `axum::serve` has it on a `TcpListener`.
    Tcp(TcpStream),
    /// Anything else: TLS, a Unix socket, a stream of HTTP/2.
    Http(TokioIo<Upgraded>),
}

impl Stream {
    /// With what was read from it beyond the request.
    fn new(upgraded: Upgraded) -> (Self, Vec<u8>) {
        // hyper-util's server wraps the socket once more than hyper's own.
        let upgraded = match upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::tcp(parts.io, &parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Self::tcp(parts.io, &parts.read_buf),
            Err(upgraded) => (Self::Http(TokioIo::new(upgraded)), Vec::new()),
        }
    }

    fn tcp(stream: TokioIo<TcpStream>, read_ahead: &[u8]) -> (Self, Vec<u8>) {
        let stream = stream.into_inner();
        // Frames are gathered before they are written, so waiting for more in the kernel only costs
        // time. A socket that cannot be told is told so by its next write.
        let _ = stream.set_nodelay(true);
        (Self::Tcp(stream), read_ahead.to_vec())
    }
}

/// The WebSocket on its bare socket, for a loop that holds many of them on one thread.
///
/// `options` is what the connection goes on with; its limits and its compression it keeps.
///
/// # Errors
///
/// The WebSocket, unharmed, where it does not run on a socket of its own.
pub fn into_tcp(
    websocket: WebSocket,
    options: Options,
) -> Result<tokio::WebSocket<TcpStream>, Box<WebSocket>> {
    if !matches!(websocket.stream(), Stream::Tcp(_)) {
        return Err(Box::new(websocket));
    }
    let tokio::Parts {
        stream,
        connection,
        read_ahead,
        ..
    } = websocket.into_parts();
    match stream {
        Stream::Tcp(stream) => Ok(tokio::WebSocket::from_connection(
            stream, read_ahead, connection, options,
        )),
        stream => Err(Box::new(WebSocket::from_connection(
            stream, read_ahead, connection, options,
        ))),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Http(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Http(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Http(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Http(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Http(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Http(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
