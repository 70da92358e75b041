//! The opening handshake on a stream of bytes: as the server ([`accept`], [`accept_with`]) or as the
//! client ([`connect`], [`open`]).

use std::io;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink};
use ::tokio::net::TcpStream;
use ::tokio::time::timeout;
use bytes::BufMut as _;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};

#[cfg(feature = "rustls")]
use super::tls::{self, TlsError};
use super::websocket::random_mask_keys;
use super::{MaybeTls, Options, WebSocket};
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Agreement;
use crate::handshake::client::{self, InvalidRequest, Rejection};
use crate::handshake::head::{self, HEAD_BYTES_MAX, Incoming, InvalidHead};
use crate::handshake::server::{self, Refusal};
use crate::handshake::{headers, terms};

/// A server's connection, and what it was asked for.
#[derive(Debug)]
pub struct Accepted<S> {
    /// The connection.
    pub websocket: WebSocket<S>,
    /// The request that opened it: path, `Origin`, cookies.
    pub request: Request<()>,
    /// The subprotocol that was chosen.
    pub subprotocol: Option<String>,
    /// The compression that was agreed on.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Agreement>,
}

/// A client's connection, and how it was agreed on.
#[derive(Debug)]
pub struct Connected<S> {
    /// The connection.
    pub websocket: WebSocket<S>,
    /// The server's answer.
    pub response: Response<()>,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// The compression that was agreed on.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Agreement>,
}

/// Does a server's handshake on a stream on which nothing was read.
///
/// A request that cannot become a WebSocket is answered with what is wrong before this fails. The peer
/// then has a second to read the answer and to end the stream.
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn accept<S>(
    stream: S,
    server: &server::Options<'_>,
    options: Options,
) -> Result<Accepted<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept_with(stream, server, options, |_| Ok(HeaderMap::new())).await
}

/// [`accept`] where the application has a say: `judge` sees the request before it is answered.
///
/// It is asked only about requests that can become a WebSocket. It says yes with the headers that the
/// 101 shall have, such as `Set-Cookie`, or no with an answer of its own, which is sent with its
/// `Content-Length` and `Connection: close`.
///
/// The headers of the handshake itself (`Upgrade`, `Connection`, `Sec-WebSocket-*`), and those of a body,
/// which a 101 does not have, are not taken from it. But for one: `Sec-WebSocket-Protocol` chooses
/// among the subprotocols that the client offers, whatever [`server::Options`] would.
///
/// ```
/// use http::header::{AUTHORIZATION, SET_COOKIE, WWW_AUTHENTICATE};
/// use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
/// use tidings_websocket::handshake::server;
/// use tidings_websocket::tokio::{HandshakeError, Options, accept_with};
/// use tokio::net::TcpStream;
///
/// fn judge(request: &Request<()>) -> Result<HeaderMap, Box<Response<String>>> {
///     let token = request.headers().get(AUTHORIZATION);
///     if token.is_none_or(|token| token != "Bearer opensesame") {
///         let mut response = Response::new("who are you?\n".to_owned());
///         *response.status_mut() = StatusCode::UNAUTHORIZED;
///         let how = HeaderValue::from_static("Bearer");
///         response.headers_mut().insert(WWW_AUTHENTICATE, how);
///         return Err(Box::new(response));
///     }
///     let seen = HeaderValue::from_static("seen=1; Secure; HttpOnly; SameSite=Strict");
///     Ok(HeaderMap::from_iter([(SET_COOKIE, seen)]))
/// }
///
/// async fn serve(stream: TcpStream) -> Result<(), HandshakeError> {
///     let offer = server::Options::default();
///     let accepted = accept_with(stream, &offer, Options::default(), judge).await?;
///     println!("{} is open", accepted.request.uri());
///     Ok(())
/// }
/// # let request = Request::new(());
/// # assert_eq!(judge(&request).unwrap_err().status(), StatusCode::UNAUTHORIZED);
/// ```
///
/// A judge that has to wait, for a database or another server, is better asked between the functions
/// of [`handshake::server`](crate::handshake::server) behind an HTTP server.
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`]: [`Declined`](HandshakeError::Declined) where the judge said no.
pub async fn accept_with<S, J>(
    mut stream: S,
    server: &server::Options<'_>,
    options: Options,
    judge: J,
) -> Result<Accepted<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    J: FnOnce(&Request<()>) -> Result<HeaderMap, Box<Response<String>>>,
{
    // It is enough to say how to compress in one of the two places.
    #[cfg(feature = "deflate")]
    let (options, server) = {
        let mut options = options;
        options.config.deflate = server.deflate.or(options.config.deflate);
        let deflate = options.config.deflate;
        (options, &server::Options { deflate, ..*server })
    };
    within(options.handshake_within, async {
        let (request, read_ahead) =
            match read_head(&mut stream, Vec::new(), head::parse_request).await {
                Ok(head) => head,
                Err(HandshakeError::Head(error)) => {
                    let mut response = Response::new(format!("{error}\n"));
                    *response.status_mut() = error.status();
                    answer(&mut stream, response, &options).await?;
                    return Err(error.into());
                }
                Err(error) => return Err(error),
            };
        let accepted = match server::accept(&request, server) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                answer(&mut stream, refusal.response(), &options).await?;
                return Err(refusal.into());
            }
        };
        let headers = match judge(&request) {
            Ok(headers) => headers,
            Err(response) => {
                answer(&mut stream, response.as_ref().clone(), &options).await?;
                return Err(HandshakeError::Declined { response });
            }
        };
        let (response, subprotocol) = switching(&request, &accepted, &headers);
        stream.write_all(&head::write_response(&response)).await?;
        stream.flush().await?;
        let connection = Connection::server(options.shared_config());
        #[cfg(feature = "deflate")]
        let connection = match accepted.deflate {
            Some(agreement) => connection.with_deflate(agreement),
            None => connection,
        };
        let websocket = WebSocket::from_connection(stream, read_ahead, connection, options);
        Ok(Accepted {
            websocket,
            request,
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate: accepted.deflate,
        })
    })
    .await
}

/// The 101 with the application's headers, and the subprotocol that it names.
fn switching(
    request: &Request<()>,
    accepted: &server::Accepted<'_>,
    added: &HeaderMap,
) -> (Response<()>, Option<String>) {
    let offered = headers::subprotocols(request.headers()).unwrap_or_default();
    let wanted = added.get(SEC_WEBSOCKET_PROTOCOL);
    // 4.2.2, 4: chosen "by selecting one of the values from the |Sec-WebSocket-Protocol| field".
    let wanted = offered
        .into_iter()
        .find(|&offer| wanted.is_some_and(|wanted| wanted == offer));
    let subprotocol = wanted.or(accepted.subprotocol);
    let mut response = accepted.response();
    terms::answer(response.headers_mut(), subprotocol, None);
    for (name, value) in added {
        if !is_the_handshakes(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    (response, subprotocol.map(str::to_owned))
}

/// What an application cannot say in a 101. RFC 9110, 8.6, and RFC 9112, 6.1, forbid the last two there.
fn is_the_handshakes(name: &HeaderName) -> bool {
    [UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
        || name.as_str().starts_with("sec-websocket-")
}

/// Opens a WebSocket at a `ws://` address, or `wss://` with the crate's feature `rustls`.
///
/// A `wss:` server's certificate must be for the host of the address and trusted by the operating
/// system; for other roots there is `tls::connect_with`. For any other
/// way to the server make the stream and call [`open`].
///
/// ```no_run
/// use tidings_websocket::handshake::client;
/// use tidings_websocket::tokio::{self as websocket, Options};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let offer = client::Options::default();
/// let mut connected = websocket::connect("ws://127.0.0.1:9001/", &offer, Options::default()).await?;
/// connected.websocket.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn connect(
    url: &str,
    client: &client::Options<'_>,
    options: Options,
) -> Result<Connected<MaybeTls<TcpStream>>, HandshakeError> {
    let uri: Uri = url.parse()?;
    if is_encrypted(&uri)? {
        #[cfg(feature = "rustls")]
        return tls::connect_with(url, client, options, tls::system_client_config()?).await;
        #[cfg(not(feature = "rustls"))]
        return Err(HandshakeError::TlsMissing);
    }
    within(options.handshake_within, async {
        let stream = MaybeTls::Plain(dial(&uri).await?);
        open(stream, &uri, client, options).await
    })
    .await
}

/// A socket to the server of an address.
pub(super) async fn dial(uri: &Uri) -> Result<TcpStream, HandshakeError> {
    let standard_port = if is_encrypted(uri)? { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(standard_port);
    let stream = TcpStream::connect((host(uri)?, port)).await?;
    // Frames are gathered here, so waiting for more in the kernel only costs time.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The host's name, or its IP address without brackets.
pub(super) fn host(uri: &Uri) -> Result<&str, InvalidRequest> {
    let host = uri.host().ok_or(InvalidRequest::Host)?;
    Ok(host.trim_matches(['[', ']']))
}

/// Whether an address is `wss:` and not `ws:`.
pub(super) fn is_encrypted(uri: &Uri) -> Result<bool, InvalidRequest> {
    match uri.scheme_str() {
        Some("ws") => Ok(false),
        Some("wss") => Ok(true),
        _ => Err(InvalidRequest::Scheme),
    }
}

/// Does a client's handshake on a stream that leads to the server of `uri`.
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn open<S>(
    mut stream: S,
    uri: &Uri,
    client: &client::Options<'_>,
    options: Options,
) -> Result<Connected<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // It is enough to say how to compress in one of the two places.
    #[cfg(feature = "deflate")]
    let (options, client) = {
        let mut options = options;
        options.config.deflate = client.deflate.or(options.config.deflate);
        let deflate = options.config.deflate;
        (
            options,
            &client::Options {
                deflate,
                ..client.clone()
            },
        )
    };
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let request = client::request(uri, nonce, client)?;
    within(options.handshake_within, async {
        stream.write_all(&head::write_request(&request)).await?;
        stream.flush().await?;
        let (response, read_ahead) = read_answer(&mut stream).await?;
        match client::check(&request, &response) {
            Ok(agreed) => {
                let connection = Connection::client(options.shared_config(), random_mask_keys());
                #[cfg(feature = "deflate")]
                let connection = match agreed.deflate {
                    Some(agreement) => connection.with_deflate(agreement),
                    None => connection,
                };
                let websocket = WebSocket::from_connection(stream, read_ahead, connection, options);
                Ok(Connected {
                    websocket,
                    response,
                    subprotocol: agreed.subprotocol,
                    #[cfg(feature = "deflate")]
                    deflate: agreed.deflate,
                })
            }
            Err(rejection) => {
                let body = read_body(&mut stream, &response, read_ahead, &options).await;
                Err(HandshakeError::Rejected {
                    rejection,
                    response: Box::new(response.map(|()| body)),
                })
            }
        }
    })
    .await
}

/// What the server says of why it does not agree. It began with `body`.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    response: &Response<()>,
    mut body: Vec<u8>,
    options: &Options,
) -> Vec<u8> {
    let bytes = body_bytes(response);
    body.truncate(bytes);
    let rest = async {
        while body.len() < bytes {
            let room = bytes - body.len();
            match stream.read_buf(&mut (&mut body).limit(room)).await {
                Ok(1..) => {}
                // However it ended: what has come is what there is.
                Ok(0) | Err(_) => break,
            }
        }
    };
    let _ = timeout(linger_within(options), rest).await;
    body
}

/// How much of a body is read (RFC 9112, 6.3).
fn body_bytes(response: &Response<()>) -> usize {
    let (status, fields) = (response.status(), response.headers());
    // "1. [...] any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status
    // code is always terminated by the first empty line".
    let has_none = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // 3 and 4: chunks, or something compressed, which is no text to show.
    if has_none || fields.contains_key(TRANSFER_ENCODING) {
        return 0;
    }
    // 6 and 8: that many bytes, or all until the end of the stream.
    let length = fields.get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let length = length.and_then(|length| length.ok()?.parse::<usize>().ok());
    length.map_or(BODY_BYTES_MAX, |length| length.min(BODY_BYTES_MAX))
}

/// The most of a body that says why there is no WebSocket: as much as a head may have. A page for
/// people is longer, a reason that a program can do something with is not.
const BODY_BYTES_MAX: usize = HEAD_BYTES_MAX;

/// Gives a handshake so long, in a box: a task that does a handshake and then holds the connection
/// would keep the kilobytes that only the handshake needs.
pub(super) fn within<T>(
    limit: Duration,
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> impl Future<Output = Result<T, HandshakeError>> {
    let handshake = timeout(limit, Box::pin(handshake));
    async move {
        handshake
            .await
            .unwrap_or(Err(HandshakeError::TimedOut(limit)))
    }
}

/// Reads the server's final answer; gives it with what was read beyond it.
async fn read_answer<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Response<()>, Vec<u8>), HandshakeError> {
    let mut head = read_head(stream, Vec::new(), head::parse_response).await?;
    // RFC 9110, 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a
    // final response". 101 is the one that nothing of HTTP follows.
    for _ in 0..INTERIM_MAX {
        let status = head.0.status();
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break;
        }
        head = read_head(stream, head.1, head::parse_response).await?;
    }
    Ok(head)
}

/// The most 1xx responses before the answer: there is a use for one or two, early hints and a proxy's
/// "Processing". One more is taken for the answer, which it is not.
const INTERIM_MAX: usize = 8;

/// Reads on from `read_ahead` until `parse` finds a whole head; gives it with what was read beyond it.
async fn read_head<S: AsyncRead + Unpin, H>(
    stream: &mut S,
    read_ahead: Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<Option<(H, usize)>, InvalidHead>,
) -> Result<(H, Vec<u8>), HandshakeError> {
    let mut head = Incoming::new();
    // It came through a room as big as this one, so it fits.
    head.room().put_slice(&read_ahead);
    loop {
        if let Some(whole) = head.parse(&parse)? {
            return Ok(whole);
        }
        // With HEAD_BYTES_MAX bytes the head is whole or too big, so there is always room.
        if stream.read_buf(&mut head.room()).await? == 0 {
            return Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Answers, and ends the stream so that the other end sees it.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut response: Response<String>,
    options: &Options,
) -> io::Result<()> {
    let length = response.body().len();
    let headers = response.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, length.into());
    // A 426 names its upgrade as an option of this connection, which ends here.
    let close = if headers.contains_key(UPGRADE) {
        "Upgrade, close"
    } else {
        "close"
    };
    headers.insert(CONNECTION, HeaderValue::from_static(close));
    stream.write_all(&head::write_response(&response)).await?;
    stream.write_all(response.body().as_bytes()).await?;
    stream.shutdown().await?;
    // A socket that is closed with bytes unread, or that some come to afterwards, is reset, and a
    // reset can overtake the answer. Whatever these bytes are, and however they end, we are done.
    let mut unread = stream.take(UNREAD_BYTES_MAX);
    let _ = timeout(linger_within(options), copy(&mut unread, &mut sink())).await;
    Ok(())
}

/// The most that is read of a request behind its head after it was refused: a form fits, and reading
/// it costs little.
const UNREAD_BYTES_MAX: u64 = 64 * 1024;

/// How long a handshake that has failed may still take. A client that reads its answer then ends the
/// stream, which is a round trip; a server sends its reason right behind the head.
const LINGER_WITHIN: Duration = Duration::from_secs(1);

/// [`LINGER_WITHIN`], and of a short handshake a quarter: or its end would come first, and be told
/// in place of the reason.
fn linger_within(options: &Options) -> Duration {
    LINGER_WITHIN.min(options.handshake_within / 4)
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The address is none.
    #[error("'ws://host:port/path' or 'wss://…' was expected: {0}")]
    Address(#[from] http::uri::InvalidUri),
    /// The caller asked for what cannot be asked.
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    /// The peer does not speak HTTP/1.1.
    #[error(transparent)]
    Head(#[from] InvalidHead),
    /// We are the server: the request cannot become a WebSocket, and was answered so.
    #[error("the request was refused: {0}")]
    Refused(#[from] Refusal),
    /// We are the server: the judge of [`accept_with`] said no, which was answered.
    #[error("the request was declined: {}", response.status())]
    Declined {
        /// The judge's answer.
        response: Box<Response<String>>,
    },
    /// We are the client: the server does not agree.
    #[error("{rejection}")]
    Rejected {
        /// What is wrong with the answer.
        rejection: Rejection,
        /// The answer, with the beginning of its body: at most 16 KiB, and what has come within a second.
        ///
        /// The body is as it came, compressed if `Content-Encoding` says so, and empty where
        /// `Transfer-Encoding` does: that is not undone here.
        response: Box<Response<Vec<u8>>>,
    },
    /// There is no TLS with the other end.
    #[cfg(feature = "rustls")]
    #[error("no TLS: {0}")]
    Tls(#[from] TlsError),
    /// A `wss:` address in a build that knows no TLS.
    #[error(
        "this build has no TLS for wss: turn on the feature `rustls` of tidings-websocket, \
         or make the stream and call `open`"
    )]
    TlsMissing,
    /// [`Options::handshake_within`] has passed.
    #[error("the handshake was not done within {0:?}")]
    TimedOut(Duration),
    /// The stream failed or ended.
    #[error("the connection failed during the handshake: {0}")]
    Io(#[from] io::Error),
}

impl HandshakeError {
    /// The status of the server's answer, where there was one that was not 101.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Rejected { response, .. } => Some(response.status()),
            _ => None,
        }
    }
}
