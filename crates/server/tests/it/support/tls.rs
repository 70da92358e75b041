//! Clients of TLS.

use std::path::Path;
use std::sync::Arc;

use tidings_websocket::tokio::MaybeTls;
use tidings_websocket::tokio::tls::client_config;
use tidings_websocket::tokio::tls::rustls::pki_types::pem::PemObject as _;
use tidings_websocket::tokio::tls::rustls::pki_types::{CertificateDer, ServerName};
use tidings_websocket::tokio::tls::rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

/// What tests speak over, encrypted or not.
pub(crate) type Stream = MaybeTls<TcpStream>;

/// The settings of a server that makes its certificate itself.
pub(crate) const SELF_SIGNED: &str = "[tls]\nself_signed = true\n";

/// The certificates in a file.
pub(crate) fn roots(path: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}

/// A client that trusts the certificates in a file, and nothing else.
pub(crate) fn trusting(path: &Path) -> Arc<ClientConfig> {
    client_config(roots(path)).unwrap()
}

/// A client that trusts nobody: for servers without TLS.
pub(crate) fn trusting_nobody() -> Arc<ClientConfig> {
    client_config(RootCertStore::empty()).unwrap()
}

/// The client's handshake with a server that is asked as `name`.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    name: &str,
    stream: TcpStream,
) -> std::io::Result<Stream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(MaybeTls::Tls(Box::new(TlsStream::from(stream))))
}

/// The connection below TLS, which goes on there with whatever is written.
pub(crate) fn without(stream: Stream) -> TcpStream {
    match stream {
        MaybeTls::Tls(stream) => match *stream {
            TlsStream::Client(stream) => stream.into_inner().0,
            TlsStream::Server(stream) => stream.into_inner().0,
        },
        MaybeTls::Plain(stream) => stream,
        _ => unreachable!("there are no other streams"),
    }
}
