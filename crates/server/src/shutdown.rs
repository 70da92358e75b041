//! Ending: who ends it, and how everybody hears of it in time.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::fault::Fault;

/// Over how long clients should spread their return, as `reconnect` tells them.
pub(crate) const RECONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long connections have to end in order; what is left then is cut.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Tells everybody that the server is about to end.
#[derive(Debug)]
pub(crate) struct Drainer(watch::Sender<bool>);

/// Hears that the server is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Drain(watch::Receiver<bool>);

/// Both ends.
pub(crate) fn drain() -> (Drainer, Drain) {
    let (sender, receiver) = watch::channel(false);
    (Drainer(sender), Drain(receiver))
}

impl Drainer {
    /// From now on everybody ends.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it has begun. Cancel safe.
    pub(crate) async fn begun(&mut self) {
        // A drainer that is gone will not begin anything: wait for ever.
        if self.0.wait_for(|begun| *begun).await.is_err() {
            std::future::pending().await
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
