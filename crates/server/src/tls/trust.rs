//! Whom we trust where we are the client.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tidings_websocket::tokio::tls::client_config;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::fault::Fault;

/// A client that trusts the certificates in a PEM file, and nobody else.
///
/// # Errors
///
/// It cannot be read, or holds none.
pub(crate) fn trusting(path: &Path) -> Result<Arc<ClientConfig>, Fault> {
    let wrong = |why: &dyn fmt::Display| {
        let path = path.display();
        Fault::setup(format!("the certificates to trust in {path}: {why}"))
            .advise("It is a PEM file with at least one certificate.")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there are none"));
    }
    client_config(roots).map_err(Fault::failure)
}
