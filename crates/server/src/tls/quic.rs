//! TLS inside QUIC (RFC 9001): its handshake and its keys, without its records.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::{ServerConfig, version};

use super::brief::{Brief, Hash};
use super::{Known, Opened};
use crate::fault::Fault;

/// What is spoken inside: HTTP/3, which carries WebTransport.
const PROTOCOL: &[u8] = web_transport_quinn::ALPN.as_bytes();

/// How QUIC is accepted, with its certificate.
pub(crate) struct QuicTls {
    pub(crate) config: Arc<ServerConfig>,
    /// Who replaces the certificate, where that is not done by whoever does so for TCP.
    pub(crate) keeper: Option<Brief>,
}

impl QuicTls {
    /// Shows the certificate of `opened`, or a [brief](super::brief) one where there is none, or one that nobody
    /// vouches for: no click makes a browser take that for WebTransport.
    ///
    /// # Errors
    ///
    /// A certificate cannot be made, or TLS not be set up.
    pub(crate) fn open(opened: Option<&Opened>) -> Result<Self, Fault> {
        match opened {
            Some(opened) if matches!(opened.known, Known::Host(_)) => {
                Self::showing(opened.keeper.shown(), None)
            }
            _ => {
                let brief = Brief::begin()?;
                Self::showing(brief.shown(), Some(brief))
            }
        }
    }

    /// The hashes of the certificates that a client may meet, where it cannot know them otherwise.
    pub(crate) fn hashes(&self) -> Option<watch::Receiver<Vec<Hash>>> {
        self.keeper.as_ref().map(Brief::hashes)
    }

    fn showing(
        certificates: Arc<dyn ResolvesServerCert>,
        keeper: Option<Brief>,
    ) -> Result<Self, Fault> {
        let fault = |error| Fault::failure(format!("TLS for QUIC cannot be set up: {error}"));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            // RFC 9001, section 4.2: nothing older.
            .with_protocol_versions(&[&version::TLS13])
            .map_err(fault)?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let config = Arc::new(config);
        Ok(Self { config, keeper })
    }
}
