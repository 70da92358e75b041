//! How shards hear of what an engine committed: a bounded ring that forgets rather than waits.
//!
//! A watcher that is too slow does not hold the engine up: it hears [`Notice::Lagged`] and reads
//! from the log what it missed.

use std::sync::Arc;
use std::time::Instant;

use tidings_wire::Encoded;
use tokio::sync::broadcast;

/// How many notices wait for the slowest watcher before it lags: at 500 messages a batch some two
/// million messages, and at one message a batch still a second of a busy server.
pub const WATCH_NOTICES_MAX: usize = 4096;

/// Something that watchers hear of. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Messages were committed.
    Committed(Arc<Batch>),
    /// A signal, a join or a leave: not stored.
    Passing(Arc<Encoded>),
    /// Notices were missed. What the logs have up to their [`Engine::head`](crate::Engine::head), read after
    /// this, may be among them; later batches come as usual.
    Lagged,
}

/// What one commit stored.
#[derive(Debug)]
pub struct Batch {
    /// The log that it is in, one of [`Engine::epochs`](crate::Engine::epochs).
    pub log: usize,
    /// The log's head before it.
    pub after: u64,
    /// Its messages as events, in the order of `seq`; never empty.
    pub events: Vec<Arc<Encoded>>,
}

impl Batch {
    /// The log's head behind it.
    pub fn head(&self) -> u64 {
        self.events
            .last()
            .and_then(|event| event.seq())
            .unwrap_or(self.after)
    }
}

/// The engine's end: tells all watchers.
#[derive(Clone, Debug)]
pub struct Notifier(broadcast::Sender<(Instant, Notice)>);

impl Default for Notifier {
    fn default() -> Self {
        Self(broadcast::Sender::new(WATCH_NOTICES_MAX))
    }
}

impl Notifier {
    /// Tells everybody who watches; nobody may.
    pub fn tell(&self, notice: Notice) {
        let _ = self.0.send((Instant::now(), notice));
    }

    /// One more watcher, from now on.
    pub fn watch(&self) -> Watch {
        Watch {
            notices: self.0.subscribe(),
            told_at: Instant::now(),
        }
    }
}

/// A watcher's end.
#[derive(Debug)]
pub struct Watch {
    notices: broadcast::Receiver<(Instant, Notice)>,
    told_at: Instant,
}

impl Watch {
    /// The next notice; `None` once the engine has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.notices.recv().await {
            Ok(told) => Some(self.hear(told)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Notice::Lagged),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next notice if there is one already, so that many are handled before anything is sent.
    pub fn try_next(&mut self) -> Option<Notice> {
        match self.notices.try_recv() {
            Ok(told) => Some(self.hear(told)),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Notice::Lagged),
            Err(_) => None,
        }
    }

    /// When the engine told the notice that was heard last: of a batch, just after its commit.
    pub fn told_at(&self) -> Instant {
        self.told_at
    }

    fn hear(&mut self, (told_at, notice): (Instant, Notice)) -> Notice {
        self.told_at = told_at;
        notice
    }
}
