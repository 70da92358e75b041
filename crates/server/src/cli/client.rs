//! HTTP for the terminal commands: one server, one connection, kept while it does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tidings_websocket::Config;
use tidings_websocket::tokio::MaybeTls;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::traffic::{Counted, Traffic};
use super::{ServerArgs, tls};
use crate::fault::Fault;

/// How long a server may take to answer what it does not let wait.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The largest answer that is read whole: a page of the largest messages.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The largest object that is taken over a WebSocket or WebTransport: the server's limits may be set higher than
/// their defaults.
pub(super) const OBJECT_BYTES_MAX: usize = 16 << 20;

/// What a name in a path or a query may keep.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':');

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same again fails again.
    Lasting(Fault),
    /// The same again can do, after a while if the server said so.
    Passing {
        /// What happened.
        message: String,
        /// Not before.
        after: Option<Duration>,
    },
}

impl Failure {
    /// Something that can be mended by trying again.
    pub(super) fn passing(message: impl ToString) -> Self {
        Self::Passing {
            message: message.to_string(),
            after: None,
        }
    }

    /// The server ends, and has named the time to come back.
    pub(super) fn reconnect(after_ms: u64) -> Self {
        Self::Passing {
            message: "the server ends".to_owned(),
            after: Some(Duration::from_millis(after_ms)),
        }
    }

    /// For who will not try again.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Lasting(fault) => fault,
            Self::Passing { message, .. } => Fault::failure(message),
        }
    }
}

/// A connection whose bytes are counted as they go over the network.
pub(super) type Dialled = MaybeTls<Counted<TcpStream>>;

/// A server and who asks it.
pub(super) struct Client {
    authority: Authority,
    /// What stands before `/v1`, where the server does not have a host of its own.
    prefix: String,
    /// Whom it trusts, where the server speaks https.
    trust: Option<Arc<ClientConfig>>,
    token: Option<String>,
    /// Where the server was found, where that is not asked each time.
    address: Option<SocketAddr>,
    /// What every request bears besides its own.
    headers: HeaderMap,
    traffic: Arc<Traffic>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Reads where the server is. Nothing is sent.
    pub(super) fn new(args: &ServerArgs) -> Result<Self, Fault> {
        let wrong = |why: &str| {
            Fault::setup(format!("--url {}: {why}", args.url)).advise(
                "Write it as https://HOST:PORT or http://HOST:PORT, such as http://127.0.0.1:7007.",
            )
        };
        let uri: Uri = args
            .url
            .parse()
            .map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        let trust = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(args.trust.config()?),
            _ => return Err(wrong("it begins with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        Ok(Self {
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            trust,
            token: args.token.clone(),
            address: None,
            headers: HeaderMap::new(),
            traffic: Arc::default(),
            sender: None,
        })
    }

    /// Finds the server once for all that [`another`](Self::another) makes: gives a connection to it.
    pub(super) async fn find(&mut self) -> Result<TcpStream, Failure> {
        let stream = self.dial_plain().await?;
        self.address = Some(stream.peer_addr().map_err(Failure::passing)?);
        Ok(stream)
    }

    /// One more for the same server, with a connection of its own, whose bytes `traffic` counts.
    pub(super) fn another(&self, traffic: &Arc<Traffic>) -> Self {
        Self {
            authority: self.authority.clone(),
            prefix: self.prefix.clone(),
            trust: self.trust.clone(),
            token: self.token.clone(),
            address: self.address,
            headers: self.headers.clone(),
            traffic: Arc::clone(traffic),
            sender: None,
        }
    }

    /// Has every request bear these headers besides its own.
    pub(super) fn bear(&mut self, headers: HeaderMap) {
        self.headers = headers;
    }

    /// What every request bears besides its own.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Has the next request open a connection of its own.
    pub(super) fn part(&mut self) {
        self.sender = None;
    }

    /// Where what it does is counted.
    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Where the server was found.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The token, for a hello.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The address of the door for WebSockets.
    pub(super) fn websocket_url(&self) -> String {
        let scheme = if self.trust.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}/v1/connect", self.authority, self.prefix)
    }

    /// `name`, fit for a path or a query.
    pub(super) fn encode(name: &str) -> String {
        utf8_percent_encode(name, NAME).to_string()
    }

    /// Asks for `path`; an error status is a failure, and no answer `within` so long. The answer's body is
    /// still to be read.
    pub(super) async fn get(
        &mut self,
        path: &str,
        accept: &'static str,
        within: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let request = self.request(Method::GET, path, Full::default(), |headers| {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        })?;
        self.send(request, within).await
    }

    /// Sends JSON to `path` and gives the answer's.
    pub(super) async fn post(&mut self, path: &str, json: String) -> Result<Bytes, Failure> {
        let request = self.request(Method::POST, path, json.into(), |headers| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        })?;
        let response = self.send(request, ANSWER_WITHIN).await?;
        body(response).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Full<Bytes>,
        also: impl FnOnce(&mut HeaderMap),
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let wrong = |why: &str| Failure::Lasting(Fault::setup(why));
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.prefix)
            .parse()
            .map_err(|_| wrong("the channels' names are too long for one request"))?;
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(self.authority.as_str());
        headers.insert(HOST, host.map_err(|_| wrong("the URL's host is not text"))?);
        if let Some(token) = &self.token {
            // A guest's name is any text: it goes as UTF-8, byte by byte.
            let bearer = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
            let bearer = bearer.map_err(|_| {
                wrong("the token has characters that HTTP cannot carry; is it all of it?")
            })?;
            headers.insert(AUTHORIZATION, bearer);
        }
        also(headers);
        Ok(request)
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let answering = async {
            let mut sender = match self.sender.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => self.connect().await?,
            };
            sender.ready().await.map_err(Failure::passing)?;
            self.traffic.request();
            let response = sender.send_request(request).await;
            let response = response.map_err(Failure::passing)?;
            Ok((sender, response))
        };
        let (sender, response) = timeout(within, answering)
            .await
            .unwrap_or_else(|_| Err(Failure::passing("no answer in time")))?;
        self.sender = Some(sender);
        match response.status().is_success() {
            true => Ok(response),
            false => Err(problem(response).await),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = self.dial().await?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::passing)?;
        // It ends with the sender, and what goes wrong is told to whoever waits for an answer.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A bare connection, encrypted where the server speaks https.
    pub(super) async fn dial(&self) -> Result<Dialled, Failure> {
        self.dial_with(self.trust.clone()).await
    }

    /// The same for HTTP/2; without TLS it is known that the server speaks it.
    pub(super) async fn dial_http2(&self) -> Result<Dialled, Failure> {
        let trust = self.trust.as_deref().cloned().map(|mut trust| {
            trust.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(trust)
        });
        self.dial_with(trust).await
    }

    async fn dial_with(&self, trust: Option<Arc<ClientConfig>>) -> Result<Dialled, Failure> {
        let stream = self.dial_plain().await?;
        let stream = Counted::new(stream, Arc::clone(&self.traffic));
        let Some(trust) = trust else {
            return Ok(MaybeTls::Plain(stream));
        };
        let wrong = |_| Failure::Lasting(Fault::setup("the URL's host is no name for TLS"));
        let name = ServerName::try_from(self.host().to_owned()).map_err(wrong)?;
        let connector = TlsConnector::from(trust);
        match timeout(ANSWER_WITHIN, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(MaybeTls::Tls(Box::new(stream.into()))),
            Ok(Err(error)) => Err(tls::failure(error)),
            Err(_) => Err(Failure::passing("the TLS handshake took too long")),
        }
    }

    fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    async fn dial_plain(&self) -> Result<TcpStream, Failure> {
        let (scheme, default) = match self.trust {
            None => ("http", 80),
            Some(_) => ("https", 443),
        };
        let port = self.authority.port_u16().unwrap_or(default);
        let dialled = match self.address {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((self.host(), port)).await,
        };
        let stream = dialled.map_err(|error| {
            let message = format!("cannot reach {scheme}://{}: {error}", self.authority);
            match error.kind() {
                io::ErrorKind::AddrNotAvailable => Failure::Lasting(Fault::failure(message).advise(
                    "No local port is left for another connection to this address: open fewer, or \
                     widen /proc/sys/net/ipv4/ip_local_port_range.",
                )),
                _ => Failure::passing(message),
            }
        })?;
        stream.set_nodelay(true).map_err(Failure::passing)?;
        self.traffic.connect();
        Ok(stream)
    }
}

/// All of an answer's body.
pub(super) async fn body(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let reading = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
    match timeout(ANSWER_WITHIN, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(Failure::passing(error)),
        Err(_) => Err(Failure::passing("the answer did not come in time")),
    }
}

/// An answer that should have been an object.
pub(super) async fn object<T: serde::de::DeserializeOwned>(
    response: Response<Incoming>,
) -> Result<T, Failure> {
    let bytes = body(response).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Lasting(Fault::failure(format!(
            "the answer is not from a Tidings server: {error}"
        )))
    })
}

/// What is taken over a WebSocket.
pub(super) fn frame_limits() -> Config {
    Config {
        frame_bytes_max: OBJECT_BYTES_MAX,
        message_bytes_max: OBJECT_BYTES_MAX,
        ..Config::default()
    }
}

#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

/// What the server says is wrong, and whether to come again.
async fn problem(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
    let problem = body(response).await.ok();
    let problem = problem.and_then(|bytes| serde_json::from_slice::<Problem>(&bytes).ok());
    let words = problem.and_then(|problem| problem.detail.or(problem.title));
    let message = format!(
        "the server answered {status}: {}",
        words.unwrap_or_default()
    );
    if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
        return Failure::Passing {
            message,
            after: after.map(Duration::from_secs),
        };
    }
    let fault = Fault::failure(message);
    Failure::Lasting(match status.as_u16() {
        401 => fault.advise("Give a token: --token, or TIDINGS_TOKEN (`tidings token --help`)."),
        _ => fault,
    })
}
