//! The connection to NATS: whether it is there, and since when it is not.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_nats::Event;
use tidings_engine::EngineError;
use tokio::sync::watch;

use crate::shared::lock;

/// A reconnect to another server takes less than this. Who publishes meanwhile waits; after it they are told at once
/// that NATS is away.
const AWAY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    gone: Mutex<Option<Instant>>,
    /// Counts what may have cost messages on their way to us.
    breaks: watch::Sender<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            gone: Mutex::default(),
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
            Event::ClientError(error) => tracing::warn!(%error, "the connection to NATS"),
            other => tracing::warn!(event = %other, "the connection to NATS"),
        }
    }

    /// Whether the connection has been away for longer than a change of server takes.
    pub(crate) fn is_away(&self) -> bool {
        lock(&self.gone).is_some_and(|gone| gone.elapsed() > AWAY_AFTER)
    }

    /// What is said while it is away.
    pub(crate) fn away(&self) -> EngineError {
        EngineError::Unavailable("NATS is away; it is tried again and again".to_owned())
    }

    /// Hears of each time that messages may have been missed.
    pub(crate) fn breaks(&self) -> watch::Receiver<u64> {
        self.breaks.subscribe()
    }
}
