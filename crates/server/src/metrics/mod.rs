//! What an operator can see: counts, and a look at what is there, in Prometheus' text format.
//!
//! Shards count in cells of their own ([`counts`]). What only a shard's thread can see it tells when a scrape
//! [asks](look); the log is asked as well, and the [system](process). All of it is put together in
//! [`families`], written by [`exposition`], and given out by the server's doors or by a [`listener`] of its
//! own. docs/metrics.md explains each family; a test holds it to that.

mod counts;
pub(crate) mod exposition;
mod families;
pub(crate) mod listener;
mod look;
mod process;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use tidings_log::Log;

pub(crate) use counts::{Counts, Handshake};
pub(crate) use look::{Asked, Look};

use look::Asker;
use process::Process;

/// Where a scrape finds everything. It keeps nothing alive.
pub(crate) struct Metrics {
    shards: Vec<(Arc<Counts>, Asker)>,
    log: Weak<Log>,
    connections_max: usize,
}

/// A shard's own end.
pub(crate) struct ShardMetrics {
    /// Where it counts.
    pub(crate) counts: Arc<Counts>,
    /// Where it is asked.
    pub(crate) asked: Asked,
}

impl Metrics {
    /// Of so many shards, and of `log`; with the ends of the shards, in their order.
    pub(crate) fn new(
        shards: usize,
        log: &Arc<Log>,
        connections_max: usize,
    ) -> (Self, Vec<ShardMetrics>) {
        let everywhere = Arc::new(AtomicUsize::new(0));
        let ends = (0..shards).map(|_| {
            let counts = Arc::new(Counts::new(everywhere.clone()));
            let (asker, asked) = look::ways();
            ((counts.clone(), asker), ShardMetrics { counts, asked })
        });
        let (shards, ends) = ends.unzip();
        let metrics = Self {
            shards,
            log: Arc::downgrade(log),
            connections_max,
        };
        (metrics, ends)
    }

    /// All of them, as they are now.
    pub(crate) async fn text(&self) -> String {
        let looks = look::ask(self.shards.iter().map(|(_, asker)| asker)).await;
        let process = tokio::task::spawn_blocking(Process::look).await;
        let counts = self.shards.iter().map(|(counts, _)| &**counts);
        let seen = families::Seen {
            shards: counts.zip(looks).collect(),
            log: self.log.upgrade().map(|log| log.statistics()),
            process: process.ok().flatten(),
            connections_max: self.connections_max,
        };
        seen.text()
    }
}
