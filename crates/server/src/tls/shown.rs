//! The certificate that clients are shown now: one for all shards, which may be replaced at any time.
//!
//! Connections that are open keep what they were opened with; nobody notices.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// See the module. It is read once a handshake, which takes a thousand times as long.
#[derive(Debug)]
pub(super) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// `certified` first.
    pub(super) fn new(certified: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(certified))
    }

    /// From now on `certified`.
    pub(super) fn replace(&self, certified: Arc<CertifiedKey>) {
        // Whoever panicked while holding it has replaced it or not.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}
