//! WebSockets over TLS, by rustls: [`connect`](super::connect) does it for `wss:` addresses,
//! [`accept`] on a server.
//!
//! The configurations made here use ring, TLS 1.2 and 1.3, and say by ALPN that HTTP/1.1 is
//! spoken. For anything else make them with [`rustls`] itself.
//!
//! ```no_run
//! use std::error::Error;
//!
//! use tidings_websocket::handshake::server;
//! use tidings_websocket::tokio::{Options, tls};
//! use tokio::net::TcpListener;
//!
//! # async fn run() -> Result<(), Box<dyn Error>> {
//! let config = tls::server_config(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
//! let listener = TcpListener::bind("127.0.0.1:9443").await?;
//! let (stream, _) = listener.accept().await?;
//! let offer = server::Options::default();
//! let mut websocket = tls::accept(stream, config, &offer, Options::default()).await?.websocket;
//! websocket.send("welcome").await?;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::sync::{Arc, OnceLock};

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::TcpStream;
use http::{HeaderMap, Request, Response, Uri};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::handshake::{self, Accepted, Connected, HandshakeError, within};
use super::{MaybeTls, Options};
use crate::handshake::client::InvalidRequest;
use crate::handshake::{client, server};

pub use tokio_rustls::rustls;

/// [`connect`](super::connect) with a TLS configuration of your own: other roots of trust, a
/// client's certificate.
///
/// Whatever the configuration says of ALPN, HTTP/1.1 is what is offered. A `ws:` address is
/// connected to without TLS.
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn connect_with(
    url: &str,
    client: &client::Options<'_>,
    options: Options,
    config: Arc<ClientConfig>,
) -> Result<Connected<MaybeTls<TcpStream>>, HandshakeError> {
    let uri: Uri = url.parse()?;
    within(options.handshake_within, async {
        let stream = handshake::dial(&uri).await?;
        let stream = if handshake::is_encrypted(&uri)? {
            connect_stream(stream, &uri, config).await?
        } else {
            MaybeTls::Plain(stream)
        };
        handshake::open(stream, &uri, client, options).await
    })
    .await
}

/// Does a server's handshakes, TLS and then WebSocket, on a stream on which nothing was read.
/// Both together have [`Options::handshake_within`].
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn accept<S>(
    stream: S,
    config: Arc<ServerConfig>,
    server: &server::Options<'_>,
    options: Options,
) -> Result<Accepted<MaybeTls<S>>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept_with(stream, config, server, options, |_| Ok(HeaderMap::new())).await
}

/// [`accept`] where the application has a say, as in [`accept_with`](super::accept_with).
///
/// **Not cancel safe**: dropping the future ends the handshake and the stream.
///
/// # Errors
///
/// A [`HandshakeError`].
pub async fn accept_with<S, J>(
    stream: S,
    config: Arc<ServerConfig>,
    server: &server::Options<'_>,
    options: Options,
    judge: J,
) -> Result<Accepted<MaybeTls<S>>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    J: FnOnce(&Request<()>) -> Result<HeaderMap, Box<Response<String>>>,
{
    within(options.handshake_within, async {
        let accepted = TlsAcceptor::from(config).accept(stream).await;
        let stream = accepted.map_err(TlsError::of_handshake)?;
        let stream = MaybeTls::Tls(Box::new(stream.into()));
        handshake::accept_with(stream, server, options, judge).await
    })
    .await
}

/// What a client needs that trusts `roots`.
///
/// # Errors
///
/// [`TlsError::Rustls`] if ring is not what rustls expects: never with the versions that this
/// crate asks for.
pub fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// What a server needs that shows the certificates of `chain_pem`, its own first, and has the
/// private key of `key_pem`: the files that ACME clients write.
///
/// # Errors
///
/// [`TlsError::Pem`] where one of the two is not PEM or lacks what it is for, and
/// [`TlsError::Rustls`] where they do not belong together.
pub fn server_config(chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem("certificates", error))?;
    if chain.is_empty() {
        return Err(TlsError::Pem("certificates", pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|error| TlsError::Pem("private key", error))?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// The configuration of [`connect`](super::connect): trusts what the operating system trusts,
/// which is read once, the first time.
///
/// Not the list of roots that some crates carry: that grows old with the binary, and knows no
/// company's own.
///
/// # Errors
///
/// [`TlsError::NoRoots`] on a system that has none.
pub fn system_client_config() -> Result<Arc<ClientConfig>, TlsError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry some that rustls does not understand, for uses of their own.
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(reasons.join("; ")));
    }
    let config = client_config(roots)?;
    Ok(Arc::clone(CONFIG.get_or_init(|| config)))
}

/// The client's TLS handshake with the server of `uri`.
async fn connect_stream<S>(
    stream: S,
    uri: &Uri,
    config: Arc<ClientConfig>,
) -> Result<MaybeTls<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = handshake::host(uri)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| InvalidRequest::Host)?;
    let connector = TlsConnector::from(offering_http_1_1(config));
    let connected = connector.connect(name, stream).await;
    let stream = connected.map_err(TlsError::of_handshake)?;
    Ok(MaybeTls::Tls(Box::new(stream.into())))
}

/// A server of HTTP/2 would otherwise rightly expect that.
fn offering_http_1_1(config: Arc<ClientConfig>) -> Arc<ClientConfig> {
    if config.alpn_protocols == [HTTP_1_1] {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Arc::new(config)
}

/// RFC 7301's name for it.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer's certificate is not trusted or not for this host, or there is no version that both
    /// speak; the peer was told.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    /// The operating system trusts nobody, with what was wrong where it was looked.
    #[error(
        "no certificates that this system trusts were found ({0}): install them \
         (Debian's package ca-certificates), or use connect_with"
    )]
    NoRoots(String),
    /// The first of the two is what was looked for in a file.
    #[error("no {0} could be read from PEM: {1}")]
    Pem(&'static str, #[source] pem::Error),
    /// The stream failed or ended.
    #[error("the connection failed during the TLS handshake: {0}")]
    Io(#[source] io::Error),
}

impl TlsError {
    /// tokio-rustls wraps what rustls says.
    fn of_handshake(error: io::Error) -> Self {
        match error.downcast::<rustls::Error>() {
            Ok(error) => Self::Rustls(error),
            Err(error) => Self::Io(error),
        }
    }
}
