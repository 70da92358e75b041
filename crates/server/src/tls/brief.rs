//! A certificate that lives for two weeks, which a page trusts by its hash (`serverCertificateHashes` of WebTransport):
//! so there is QUIC on a developer's machine, where no authority vouches for anything.
//!
//! It is kept nowhere: whoever connects has asked for the hashes just before. Another one follows in time, and its
//! hash is told beside the first one's before it is shown.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::pair::{Pair, PairError, Validity};
use super::self_signed;
use super::shown::Shown;
use crate::fault::Fault;

/// For how long it is valid: browsers take two weeks, and a day is left for what they and we may count otherwise.
const VALID_FOR: Duration = days(13);

/// How far its beginning lies back, for clients whose clocks are slow; it is part of the above.
const BACK_DATED: Duration = days(1);

/// The next one is made when less than this is left, for clients whose clocks are fast.
const RENEWED_BEFORE: Duration = days(2);

/// For how long the next one's hash is told before it is shown: much longer than from asking for the hashes to
/// connecting.
const TOLD_BEFORE: Duration = Duration::from_secs(3600);

/// How often the clock is looked at. It may have been set, or the machine have slept.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// The SHA-256 of a certificate (DER). Shown in hexadecimal, as `openssl x509 -fingerprint` does without colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    fn of(certified: &CertifiedKey) -> Self {
        let own = certified.cert.first();
        Self(Sha256::digest(own.map_or(&[][..], |own| own.as_ref())).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    #[error(transparent)]
    Read(#[from] PairError),
}

/// Keeps such a certificate.
pub(crate) struct Brief {
    shown: Arc<Shown>,
    current: Dated,
    /// The one that is shown next, and since when its hash is told.
    next: Option<(Dated, SystemTime)>,
    hashes: watch::Sender<Vec<Hash>>,
}

#[derive(Clone)]
struct Dated {
    certified: Arc<CertifiedKey>,
    hash: Hash,
    validity: Validity,
}

impl Brief {
    /// Makes the first one.
    pub(super) fn begin() -> Result<Self, Fault> {
        let fault = |error| Fault::failure(format!("cannot make a certificate for QUIC: {error}"));
        Self::begin_at(SystemTime::now()).map_err(fault)
    }

    fn begin_at(now: SystemTime) -> Result<Self, MakeError> {
        let current = Dated::make(now)?;
        let shown = Arc::new(Shown::default());
        shown.replace(current.certified.clone());
        let (hashes, _) = watch::channel(vec![current.hash]);
        Ok(Self {
            shown,
            current,
            next: None,
            hashes,
        })
    }

    /// What clients are shown.
    pub(super) fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }

    /// The hashes of those that a client may meet if it connects soon.
    pub(crate) fn hashes(&self) -> watch::Receiver<Vec<Hash>> {
        self.hashes.subscribe()
    }

    /// Renews it for as long as the runtime lives, of which this is called inside.
    pub(crate) async fn run(mut self) {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(error) = self.handle_time(SystemTime::now()) {
                tracing::error!(%error, "cannot renew the certificate of QUIC; trying again");
            }
        }
    }

    fn handle_time(&mut self, now: SystemTime) -> Result<(), MakeError> {
        let left = self.current.validity.left(now);
        if left.is_none() || now < self.current.validity.begins {
            // The machine has slept, or its clock was set: there is nothing to wait for.
            self.show(Dated::make(now)?);
        } else if let Some((next, since)) = &self.next {
            if *since + TOLD_BEFORE <= now {
                self.show(next.clone());
            }
        } else if left.is_some_and(|left| left < RENEWED_BEFORE) {
            let next = Dated::make(now)?;
            self.hashes.send_replace(vec![self.current.hash, next.hash]);
            self.next = Some((next, now));
        }
        Ok(())
    }

    fn show(&mut self, other: Dated) {
        self.shown.replace(other.certified.clone());
        self.hashes.send_replace(vec![other.hash]);
        self.current = other;
        self.next = None;
        tracing::info!(hash = %self.current.hash, "another certificate of QUIC is shown from now on");
    }
}

impl Dated {
    fn make(now: SystemTime) -> Result<Self, MakeError> {
        let begins = now - BACK_DATED;
        let ends = begins + VALID_FOR;
        let (chain, key) = self_signed::make(Validity { begins, ends })?;
        let Pair {
            certified,
            validity,
            ..
        } = Pair::parse(chain.as_bytes(), key.as_bytes())?;
        Ok(Self {
            hash: Hash::of(&certified),
            certified,
            validity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(now: SystemTime) -> (Brief, watch::Receiver<Vec<Hash>>) {
        let brief = Brief::begin_at(now).unwrap();
        let hashes = brief.hashes();
        (brief, hashes)
    }

    #[test]
    fn it_is_what_browsers_trust_by_its_hash() {
        let (brief, _) = begin(SystemTime::now());
        let Validity { begins, ends } = brief.current.validity;
        assert!(ends.duration_since(begins).unwrap() <= days(14));
        let certificate = &brief.current.certified.cert[0];
        // The public key of a P-256 certificate names the curve (RFC 5480, section 2.1.1.1).
        let prime256v1 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        assert!(certificate.windows(8).any(|it| it == prime256v1));
        assert_eq!(brief.current.hash.to_string().len(), 64);
    }

    #[test]
    fn another_is_told_of_before_it_is_shown_and_in_time() {
        let start = SystemTime::now();
        let (mut brief, hashes) = begin(start);
        let first = brief.current.hash;
        let renewed = start + VALID_FOR - BACK_DATED - RENEWED_BEFORE;
        let mut told = |at| {
            brief.handle_time(at).unwrap();
            (brief.current.hash, hashes.borrow().clone())
        };
        assert_eq!(told(renewed - LOOK_EVERY), (first, vec![first]));
        let (shown, both) = told(renewed + LOOK_EVERY);
        assert_eq!((shown, both.len()), (first, 2));
        assert_eq!(both[0], first);
        let second = both[1];
        assert_eq!(told(renewed + LOOK_EVERY * 2), (first, both));
        let after = renewed + LOOK_EVERY + TOLD_BEFORE;
        assert_eq!(told(after), (second, vec![second]));
        assert_eq!(told(after + days(1)), (second, vec![second]));
    }

    #[test]
    fn who_wakes_up_late_or_in_another_time_shows_a_valid_one() {
        let start = SystemTime::now();
        for woken in [start + days(100), start - days(100)] {
            let (mut brief, hashes) = begin(start);
            brief.handle_time(woken).unwrap();
            let Validity { begins, ends } = brief.current.validity;
            assert!(begins < woken && woken < ends);
            assert_eq!(*hashes.borrow(), [brief.current.hash]);
        }
    }
}
