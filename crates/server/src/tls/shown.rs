//! The certificates that clients are shown now: the same for all shards, and replaced at any time.
//!
//! Connections that are open keep what they were opened with; nobody notices.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::Protocol;

/// See the module. It is read once a handshake, which takes a thousand times as long.
#[derive(Debug, Default)]
pub(super) struct Shown(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    /// `None` until there is a first one.
    own: Option<Arc<CertifiedKey>>,
    /// By which a certificate authority sees that the domain is ours, each by its domain (RFC 8737).
    challenges: BTreeMap<String, Arc<CertifiedKey>>,
}

impl Shown {
    /// From now on `certified`.
    pub(super) fn replace(&self, certified: Arc<CertifiedKey>) {
        self.write().own = Some(certified);
    }

    /// Shows a certificate authority these from now on, and no others.
    pub(super) fn replace_challenges(&self, challenges: BTreeMap<String, Arc<CertifiedKey>>) {
        self.write().challenges = challenges;
    }

    // Whoever panicked while holding it has replaced something or not.

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let state = self.read();
        let offered = client.alpn().into_iter().flatten();
        // RFC 8737, section 3: an authority offers this protocol and no other.
        match offered.eq([Protocol::Challenge.name()]) {
            true => state.challenges.get(client.server_name()?).cloned(),
            false => state.own.clone(),
        }
    }
}
