//! A certificate whose files may change: read again when they do, or when the process is told so (SIGHUP).
//!
//! A pair that is broken is told of once, and the one before it goes on being shown.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::pair::{Files, Pair, Validity};
use super::shown::Shown;
use crate::fault::Fault;

/// How often the files are looked at. They are read when they have stayed the same from one look to the next,
/// for the two of them are not written at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is told that the certificate ends soon.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// See the module.
pub(crate) struct Renewal {
    files: Files,
    shown: Arc<Shown>,
    validity: Validity,
    /// What it was for at first.
    host: Option<String>,
    looks: Looks,
}

impl Renewal {
    /// Reads `files` for the first time.
    pub(super) fn begin(files: Files) -> Result<Self, Fault> {
        let looks = Looks::new(Traits::of(&files));
        let Pair {
            certified,
            validity,
            hosts,
        } = files.read().map_err(|error| {
            Fault::setup(format!(
                "TLS with {} and {}: {error}",
                files.certificate.display(),
                files.key.display()
            ))
            .advise(
                "Both are PEM: the certificate (fullchain.pem, its own first) and its private key.",
            )
        })?;
        let shown = Arc::new(Shown::default());
        shown.replace(certified);
        Ok(Self {
            files,
            shown,
            validity,
            host: hosts.into_iter().find(|host| !host.contains('*')),
            looks,
        })
    }

    /// What clients are shown.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// A host that the certificate is for, if it names one.
    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Looks after the certificate for as long as the runtime lives, of which this is called inside. From then on
    /// the signal is heard, which otherwise ends the process.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => Some(hangups),
            Err(error) => {
                tracing::warn!(%error, "cannot hear SIGHUP; changed files are noticed all the same");
                None
            }
        };
        self.look_after(hangups)
    }

    async fn look_after(mut self, mut hangups: Option<Signal>) {
        let mut warned: Option<Instant> = None;
        loop {
            if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) && self.warn() {
                warned = Some(Instant::now());
            }
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            let has_to = tokio::select! {
                () = sleep(LOOK_EVERY) => self.looks.handle(Traits::of(&self.files)),
                _ = hangup => true,
            };
            if has_to && self.reload() {
                warned = None;
            }
        }
    }

    /// Whether there was something to warn of.
    fn warn(&self) -> bool {
        let now = SystemTime::now();
        if !self.validity.ends_soon(now) {
            return false;
        }
        let certificate = self.files.certificate.display();
        match self.validity.left(now) {
            Some(left) => {
                let hours = left.as_secs() / 3600;
                tracing::warn!(%certificate, hours, "the certificate ends soon; what renews it?");
            }
            None => tracing::error!(%certificate, "the certificate has ended: clients refuse it"),
        }
        true
    }

    /// Whether another pair is shown from now on.
    fn reload(&mut self) -> bool {
        let certificate = self.files.certificate.display();
        match self.files.read() {
            Ok(pair) => {
                self.shown.replace(pair.certified);
                self.validity = pair.validity;
                tracing::info!(%certificate, "another certificate is shown from now on");
                true
            }
            Err(error) => {
                tracing::error!(%certificate, %error, "the certificate cannot be replaced; the old one stays");
                false
            }
        }
    }
}

/// What tells that a file is another: when it was written, its size, and its place on the disk.
type FileTraits = Option<(SystemTime, u64, u64)>;

/// Those of both files; `None` of one that cannot be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traits([FileTraits; 2]);

impl Traits {
    fn of(files: &Files) -> Self {
        Self([&files.certificate, &files.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        }))
    }
}

/// Decides when files are read.
#[derive(Debug)]
struct Looks<T = Traits> {
    /// Of what was read last.
    read: T,
    last: T,
}

impl<T: Copy + PartialEq> Looks<T> {
    /// What is `read` at the beginning.
    fn new(read: T) -> Self {
        Self { read, last: read }
    }

    /// Whether to read the files, which look like `now`.
    fn handle(&mut self, now: T) -> bool {
        let has_settled = now == self.last;
        self.last = now;
        if !has_settled || now == self.read {
            return false;
        }
        self.read = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_when_both_have_changed_and_stay() {
        let mut looks = Looks::new((1, 1));
        let mut seen = |now| looks.handle(now);
        assert!(!seen((1, 1)));
        assert!(!seen((2, 1)), "one of the two may still come");
        assert!(!seen((2, 2)));
        assert!(seen((2, 2)));
        assert!(!seen((2, 2)));
        assert!(!seen((3, 2)));
        assert!(seen((3, 2)), "nothing more comes");
        assert!(!seen((2, 2)));
        assert!(!seen((3, 2)), "it was read already");
    }
}
