//! A certificate and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::nom::Err;
use x509_parser::parse_x509_certificate;

/// Where the two are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// PEM: the server's, and behind it those that lead to a root.
    pub(crate) certificate: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
}

/// A certificate with its key, which belong together.
#[derive(Debug)]
pub(super) struct Pair {
    /// As rustls shows it.
    pub(super) certified: Arc<CertifiedKey>,
    /// From when on and until when clients trust it.
    pub(super) validity: Validity,
    /// The names of hosts that it is for.
    pub(super) hosts: Vec<String>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) begins: SystemTime,
    pub(super) ends: SystemTime,
}

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
pub(super) enum PairError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// The first of the two is what was looked for.
    #[error("there is no {0} in PEM: {1}")]
    Pem(&'static str, #[source] pem::Error),
    #[error(
        "the certificate and the key do not belong together, or are of no kind that TLS uses: {0}"
    )]
    Mismatch(#[from] rustls::Error),
    #[error("the certificate is none: {0}")]
    Certificate(#[from] X509Error),
}

impl Files {
    /// Reads both.
    pub(super) fn read(&self) -> Result<Pair, PairError> {
        Pair::parse(&contents(&self.certificate)?, &contents(&self.key)?)
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, PairError> {
    fs::read(path).map_err(|error| PairError::Read {
        path: path.to_owned(),
        error,
    })
}

impl Pair {
    /// Reads what the two files hold.
    pub(super) fn parse(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, PairError> {
        let chain = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PairError::Pem("certificate", error))?;
        let Some(own) = chain.first() else {
            return Err(PairError::Pem("certificate", pem::Error::NoItemsFound));
        };
        let own = parse(own)?;
        let (validity, hosts) = (Validity::of(&own), hosts(&own));
        let key = PrivateKeyDer::from_pem_slice(key_pem)
            .map_err(|error| PairError::Pem("private key", error))?;
        let certified = CertifiedKey::from_der(chain.clone(), key, &ring::default_provider())?;
        Ok(Self {
            certified: Arc::new(certified),
            validity,
            hosts,
        })
    }

    /// Whether it is for all of these hosts, by name; what wildcards may stand for is not looked at.
    pub(super) fn is_for(&self, hosts: &[String]) -> bool {
        hosts.iter().all(|host| self.hosts.contains(host))
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PairError> {
    match parse_x509_certificate(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(Err::Error(error) | Err::Failure(error)) => Err(error.into()),
        Err(Err::Incomplete(_)) => Err(X509Error::InvalidCertificate.into()),
    }
}

fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names
        .into_iter()
        .flat_map(|names| &names.value.general_names);
    let hosts = names.filter_map(|name| match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        _ => None,
    });
    hosts.collect()
}

impl Validity {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            begins: validity.not_before.to_datetime().into(),
            ends: validity.not_after.to_datetime().into(),
        }
    }

    /// For how long it is valid yet; `None` if it is not.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        self.ends.duration_since(now).ok()
    }

    /// Whether somebody should have replaced it by now: what renews by itself does so earlier.
    pub(super) fn ends_soon(&self, now: SystemTime) -> bool {
        let whole = self.ends.duration_since(self.begins).unwrap_or_default();
        self.left(now)
            .is_none_or(|left| left < SOON_MAX.min(whole / SOON_PART))
    }
}

/// certbot and its like renew a certificate of 90 days in its last 30, so something is wrong in its last 14.
const SOON_MAX: Duration = Duration::from_secs(14 * 24 * 3600);

/// Of a certificate for days only, what is left is a small part of the whole by then.
const SOON_PART: u32 = 5;

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_a_certificate_with_its_own_key() {
        let ((chain, key), (_, other)) = (made(), made());
        let pair = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap();
        assert!(pair.validity.left(SystemTime::now()).is_some());
        let is_for =
            |hosts: &[&str]| pair.is_for(&hosts.iter().map(|it| (*it).into()).collect::<Vec<_>>());
        assert!(is_for(&["localhost"]) && is_for(&[]));
        assert!(!is_for(&["localhost", "a.example"]));
        let fail = |chain: &str, key: &str| {
            let error = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap_err();
            error.to_string()
        };
        assert!(fail(&chain, &other).contains("belong together"));
        assert!(fail("", &key).contains("no certificate"));
        assert!(fail(&key, &key).contains("no certificate"));
        assert!(fail(&chain, "").contains("no private key"));
        assert!(fail(&chain, &chain).contains("no private key"));
        let cut = chain.replace("-----END", "");
        assert!(fail(&cut, &key).contains("no certificate"));
    }

    #[test]
    fn soon_is_measured_by_how_long_it_is_valid_at_all() {
        let begins = SystemTime::UNIX_EPOCH;
        let soon = |days: u32, left: Duration| {
            let ends = begins + DAY * days;
            Validity { begins, ends }.ends_soon(ends - left)
        };
        assert!(!soon(90, DAY * 14));
        assert!(soon(90, DAY * 14 - Duration::from_secs(1)));
        assert!(!soon(5, DAY));
        assert!(soon(5, DAY - Duration::from_secs(1)));
        let over = Validity {
            begins,
            ends: begins + DAY,
        };
        assert!(over.ends_soon(begins + DAY * 2));
        assert_eq!(over.left(begins + DAY * 2), None);
    }
}
