//! The connection to NATS: whether it is there and whether the streams answer, and since when not.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_nats::Event;
use tidings_engine::EngineError;
use tokio::sync::watch;

use crate::shared::lock;

/// A reconnect to another server takes less than this. Who publishes meanwhile waits; after it they are told at once
/// that NATS is away.
const AWAY_AFTER: Duration = Duration::from_secs(1);

/// A stream without a leader has another one in 4 to 9 s. One that does not answer for longer than this may be one whose
/// other servers ours has lost: another server is tried, and the node is not ready.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// Until when the leader of a stream is certain to be its only one. Behind another connection it may be another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) until: Instant,
    /// The [connection](crate::api::Api::connection) over which it was asked for.
    pub(crate) connection: u64,
}

impl Lease {
    /// Whether what the leader was asked since was answered by the stream's only one, if that came over `connection`. Another
    /// one may have lost the others, which go on without it.
    pub(crate) fn holds(self, connection: u64) -> bool {
        Instant::now() < self.until && connection == self.connection
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    gone: Mutex<Option<Instant>>,
    /// The streams that do not answer, by their log, and since when.
    silent: Mutex<HashMap<usize, Instant>>,
    /// What is known of the streams' leaders, by log.
    leases: Mutex<HashMap<usize, Lease>>,
    /// When another server was last tried for their sake.
    moved: Mutex<Option<Instant>>,
    /// Counts what may have cost messages on their way to us.
    breaks: watch::Sender<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            gone: Mutex::default(),
            silent: Mutex::default(),
            leases: Mutex::default(),
            moved: Mutex::default(),
            breaks: watch::Sender::new(0),
        }
    }
}

impl Link {
    /// What the client library says of the connection.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => {
                *lock(&self.gone) = None;
                self.breaks.send_modify(|breaks| *breaks += 1);
                tracing::info!("connected to NATS");
            }
            Event::Disconnected => {
                lock(&self.gone).get_or_insert_with(Instant::now);
                tracing::warn!("the connection to NATS is lost; trying again");
            }
            Event::SlowConsumer(_) => {
                self.breaks.send_modify(|breaks| *breaks += 1);
                tracing::warn!(
                    "NATS tells of more than can be taken at a time; what was missed is read again"
                );
            }
            Event::LameDuckMode => {
                tracing::info!("the NATS server is about to end; going to another one")
            }
            other => tracing::warn!(event = %other, "the connection to NATS"),
        }
    }

    /// The stream of a log has answered.
    pub(crate) fn answered(&self, log: usize) {
        lock(&self.silent).remove(&log);
    }

    /// The leader of a log's stream has given a lease.
    pub(crate) fn lease(&self, log: usize, lease: Lease) {
        lock(&self.leases).insert(log, lease);
    }

    /// What is known of the leader of a log's stream, if that still holds over this connection.
    pub(crate) fn leased(&self, log: usize, connection: u64) -> Option<Lease> {
        let lease = lock(&self.leases).get(&log).copied();
        lease.filter(|lease| lease.holds(connection))
    }

    /// The stream has not answered. Whether that goes on for so long that another server should be tried, which is then not said again
    /// for as long.
    pub(crate) fn unanswered(&self, log: usize) -> bool {
        let mut silent = lock(&self.silent);
        let since = silent.entry(log).or_insert_with(Instant::now);
        if since.elapsed() <= SILENT_AFTER {
            return false;
        }
        // The next server is given its time.
        let mut moved = lock(&self.moved);
        let is_due = moved.is_none_or(|moved| moved.elapsed() > SILENT_AFTER);
        if is_due {
            *moved = Some(Instant::now());
        }
        is_due
    }

    /// Whether the connection has been away for longer than a change of server takes.
    pub(crate) fn is_away(&self) -> bool {
        lock(&self.gone).is_some_and(|gone| gone.elapsed() > AWAY_AFTER)
    }

    /// Whether messages can be stored and read, as far as is known; if not, why.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.check_logs(|_| true)
    }

    /// The same for one log.
    pub(crate) fn check_log(&self, log: usize) -> Result<(), EngineError> {
        self.check_logs(|it| it == log)
    }

    fn check_logs(&self, counts: impl Fn(usize) -> bool) -> Result<(), EngineError> {
        let away = |what| EngineError::Unavailable(format!("{what}; it is tried again and again"));
        if self.is_away() {
            return Err(away("NATS is away"));
        }
        let silent = lock(&self.silent);
        let mut silent = silent.iter().filter(|(log, _)| counts(**log));
        match silent.any(|(_, since)| since.elapsed() > SILENT_AFTER) {
            true => Err(away("a stream does not answer")),
            false => Ok(()),
        }
    }

    /// Hears of each time that messages may have been missed.
    pub(crate) fn breaks(&self) -> watch::Receiver<u64> {
        self.breaks.subscribe()
    }
}
