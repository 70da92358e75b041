//! Ending: who ends it, and how everybody hears of it in time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidings_wire::{Reply, ReplyBody};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fault::Fault;

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// How long connections have to end in order; what is left then is cut.
    pub(crate) within: Duration,
    /// How long after the end has begun the first client comes back: to the next process, which needs time to
    /// begin.
    pub(crate) returns_after: Duration,
    /// How many clients a second come back then; at least one.
    pub(crate) returns_per_second: u32,
}

/// Tells everybody that the server is about to end.
#[derive(Debug)]
pub(crate) struct Drainer(Arc<Begin>);

/// Hears that the server is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Drain(Arc<Begin>);

#[derive(Debug)]
struct Begin {
    ending: Ending,
    is_announced: AtomicBool,
    begun_at: OnceLock<Instant>,
    /// Every connection waits for it, in less room than for a channel of tokio's.
    told: Notify,
    /// Clients of all shards that were told when to come back.
    returning: AtomicU64,
}

/// Both ends.
pub(crate) fn drain(ending: Ending) -> (Drainer, Drain) {
    let begin = Arc::new(Begin {
        ending,
        is_announced: AtomicBool::new(false),
        begun_at: OnceLock::new(),
        told: Notify::new(),
        returning: AtomicU64::new(0),
    });
    (Drainer(begin.clone()), Drain(begin))
}

impl Drainer {
    /// From now on the server says that it is not ready, and does everything as before.
    pub(crate) fn announce(&self) {
        self.0.is_announced.store(true, SeqCst);
    }

    /// From now on everybody ends.
    pub(crate) fn begin(&self) {
        self.announce();
        // It begins once.
        let _ = self.0.begun_at.set(Instant::now());
        self.0.told.notify_waiters();
    }
}

impl Drain {
    /// Whether it has been announced; no more should come.
    pub(crate) fn is_announced(&self) -> bool {
        self.0.is_announced.load(SeqCst)
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.begun_at.get().is_some()
    }

    /// Waits until it has begun. Cancel safe.
    pub(crate) async fn begun(&self) {
        // It hears of what begins after this line; what has begun before it is seen by the next one.
        let told = self.0.told.notified();
        if !self.has_begun() {
            told.await;
        }
    }

    /// [`Drain::begun`], for whoever has no place of its own to borrow from.
    pub(crate) async fn into_begun(self) {
        self.begun().await;
    }

    /// How long connections have to end in order.
    pub(crate) fn within(&self) -> Duration {
        self.0.ending.within
    }

    /// What the next client is told, once it has begun: its own time to come back, by which all clients of all
    /// shards are spaced out evenly, however long it takes to tell them.
    pub(crate) fn reconnect(&self) -> Reply {
        let Begin {
            ending,
            begun_at,
            returning,
            ..
        } = &*self.0;
        let number = u128::from(returning.fetch_add(1, Relaxed));
        let ms = number * 1000 / u128::from(ending.returns_per_second);
        let due = ms + ending.returns_after.as_millis();
        let since = begun_at.get().map_or(0, |at| at.elapsed().as_millis());
        let after_ms = u64::try_from(due.saturating_sub(since)).unwrap_or(u64::MAX);
        Reply::unasked(ReplyBody::Reconnect { after_ms })
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

    const ENDING: Ending = Ending {
        within: Duration::from_secs(5),
        returns_after: Duration::from_secs(1),
        returns_per_second: 2000,
    };

    #[tokio::test]
    async fn everybody_hears_of_the_end_whenever_they_began_to_listen() {
        let (drainer, drain) = drain(ENDING);
        let waiting = drain.begun();
        let mut polled = Box::pin(drain.begun());
        assert_eq!((&mut polled).now_or_never(), None);
        drainer.announce();
        assert_eq!((&mut polled).now_or_never(), None);
        assert!(drain.is_announced() && !drain.has_begun());
        drainer.begin();
        waiting.await;
        polled.await;
        drain.begun().await;
        assert!(drain.is_announced() && drain.has_begun());
    }

    fn after_ms(drain: &Drain) -> u64 {
        match drain.reconnect().body {
            ReplyBody::Reconnect { after_ms } => after_ms,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_its_own_time_whoever_tells_it_and_when() {
        let (drainer, drain) = drain(ENDING);
        drainer.begin();
        let others = drain.clone();
        assert_eq!([after_ms(&drain), after_ms(&others)], [1000, 1000]);
        assert_eq!([after_ms(&drain), after_ms(&others)], [1001, 1001]);
        for _ in 4..2000 {
            drain.reconnect();
        }
        assert_eq!(after_ms(&drain), 2000);
        // Who is told later has the less to wait.
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!([after_ms(&drain), after_ms(&others)], [1700, 1701]);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(after_ms(&drain), 0, "it is late already");
    }
}
