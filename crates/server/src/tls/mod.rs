//! TLS: what a connection goes through before its first request.
//!
//! [`pair`] is a certificate with its key, read, or made here ([`self_signed`]); [`shown`] holds the one that is
//! shown to clients now, for all shards. [`renewal`] replaces it when its files change, or [`acme`] before it ends. A connection is
//! [greeted](greeting): TLS is accepted, after which both sides know the [`protocol`] that is spoken, and
//! whoever comes without TLS is [redirected](redirect). [`quic`] shows the same certificate, or where nobody
//! vouches for that, a [brief] one.

mod acme;
mod brief;
mod files;
mod greeting;
mod pair;
mod protocol;
mod quic;
pub(crate) mod redirect;
mod renewal;
mod self_signed;
mod shown;
pub(crate) mod trust;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::{ServerConfig, version};

pub(crate) use brief::Hash;
pub(crate) use greeting::Greeted;
pub(crate) use protocol::Protocol;
pub(crate) use quic::QuicTls;

use crate::config::{CertificateSource, Span, TlsConfig, TlsVersion};
use crate::fault::Fault;
use acme::Acme;
use pair::Files;
use renewal::Renewal;
use shown::Shown;

/// The directory of what TLS keeps, inside that of the messages.
const DIRECTORY: &str = "tls";

/// Sessions that a client of TLS 1.3 may resume after each handshake. Browsers keep one; rustls' own default
/// is two, each a write of some 250 bytes more.
const TICKETS: usize = 1;

/// How TLS is accepted. Shared by all shards.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    handshake_within: Duration,
}

/// TLS as it is configured, with its certificate.
pub(crate) struct Opened {
    /// How it is accepted.
    pub(crate) tls: Arc<Tls>,
    /// Who replaces the certificate.
    pub(crate) keeper: Keeper,
    /// How people find it.
    pub(crate) known: Known,
}

/// What a server is known by to those who look for it with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its address, and a certificate that was made here, which is in this file.
    SelfSigned(PathBuf),
    /// A host that its certificate is for; `None` if that names none, but addresses or a wildcard.
    Host(Option<String>),
}

/// Who sees to it that there is a certificate.
pub(crate) enum Keeper {
    Renewal(Box<Renewal>),
    Acme(Box<Acme>),
}

impl Keeper {
    fn shown(&self) -> Arc<Shown> {
        match self {
            Self::Renewal(renewal) => renewal.shown(),
            Self::Acme(acme) => acme.shown(),
        }
    }

    /// Does so for as long as the runtime lives, of which this is called inside.
    pub(crate) fn run(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Self::Renewal(renewal) => Box::pin(renewal.run()),
            Self::Acme(acme) => Box::pin(acme.run()),
        }
    }
}

/// Opens TLS; `None` where there is to be none. What it makes is kept in the directory `data`, which exists.
///
/// # Errors
///
/// The certificate cannot be read, or not be made.
pub(crate) fn open(config: &TlsConfig, data: &Path) -> Result<Option<Opened>, Fault> {
    let Some(source) = config.source()? else {
        return Ok(None);
    };
    let directory = data.join(DIRECTORY);
    let (keeper, known) = match source {
        CertificateSource::Files { certificate, key } => {
            let (certificate, key) = (certificate.clone(), key.clone());
            let renewal = Renewal::begin(Files { certificate, key })?;
            let known = Known::Host(renewal.host().map(str::to_owned));
            (Keeper::Renewal(Box::new(renewal)), known)
        }
        CertificateSource::SelfSigned => {
            let files = self_signed::keep(&directory)?;
            let known = Known::SelfSigned(files.certificate.clone());
            (Keeper::Renewal(Box::new(Renewal::begin(files)?)), known)
        }
        CertificateSource::Acme(acme) => {
            let known = Known::Host(acme.domains.first().cloned());
            (
                Keeper::Acme(Box::new(Acme::begin(acme, &directory)?)),
                known,
            )
        }
    };
    Ok(Some(Opened {
        tls: Arc::new(Tls::new(config, keeper.shown())?),
        keeper,
        known,
    }))
}

/// What answers say by which browsers never again ask this host without TLS (RFC 6797).
pub(crate) fn hsts(config: &TlsConfig) -> Option<HeaderValue> {
    let Span(age) = config.hsts?;
    HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok()
}

impl Tls {
    fn new(config: &TlsConfig, shown: Arc<Shown>) -> Result<Self, Fault> {
        let fault = |error| Fault::failure(format!("TLS cannot be set up: {error}"));
        let versions = match config.min_version {
            TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12][..],
            TlsVersion::Tls13 => &[&version::TLS13],
        };
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(fault)?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        server.alpn_protocols = Protocol::offered();
        // Sessions are resumed by tickets that the clients keep: no state here, and any shard understands them.
        server.ticketer = ring::Ticketer::new().map_err(fault)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = TICKETS;
        Ok(Self {
            config: Arc::new(server),
            handshake_within: config.handshake_timeout.0,
        })
    }
}
