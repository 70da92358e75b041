//! Ending: who ends it, and how everybody hears of it in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::fault::Fault;

/// Over how long clients should spread their return, as `reconnect` tells them.
pub(crate) const RECONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long connections have to end in order; what is left then is cut.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Tells everybody that the server is about to end.
#[derive(Debug)]
pub(crate) struct Drainer(Arc<Begin>);

/// Hears that the server is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Drain(Arc<Begin>);

#[derive(Debug, Default)]
struct Begin {
    has_begun: AtomicBool,
    /// Every connection waits for it, in less room than for a channel of tokio's.
    told: Notify,
}

/// Both ends.
pub(crate) fn drain() -> (Drainer, Drain) {
    let begin = Arc::<Begin>::default();
    (Drainer(begin.clone()), Drain(begin))
}

impl Drainer {
    /// From now on everybody ends.
    pub(crate) fn begin(&self) {
        self.0.has_begun.store(true, SeqCst);
        self.0.told.notify_waiters();
    }
}

impl Drain {
    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_begun.load(SeqCst)
    }

    /// Waits until it has begun. Cancel safe.
    pub(crate) async fn begun(&self) {
        // It hears of what begins after this line; what has begun before it is seen by the next one.
        let told = self.0.told.notified();
        if !self.has_begun() {
            told.await;
        }
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; inside a runtime.
    pub(crate) fn listen() -> Result<Self, Fault> {
        let listen = |kind| {
            signal(kind).map_err(|error| Fault::failure(format!("cannot hear signals: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for either. Cancel safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn everybody_hears_of_the_end_whenever_they_began_to_listen() {
        let (drainer, drain) = drain();
        let waiting = drain.begun();
        let mut polled = Box::pin(drain.begun());
        assert_eq!((&mut polled).now_or_never(), None);
        assert!(!drain.has_begun());
        drainer.begin();
        waiting.await;
        polled.await;
        drain.begun().await;
        assert!(drain.has_begun());
    }
}
