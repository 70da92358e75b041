//! What an operator can see: counts, and a look at what is there, in Prometheus' text format.
//!
//! Shards count in cells of their own ([`counts`]). What only a shard's thread can see it tells when a scrape
//! [asks](look); the engine is asked as well, and the [system](process). All of it is put together in
//! [`families`], written by [`exposition`], and given out by the server's doors or by a [`listener`] of its
//! own. docs/metrics.md explains each family; a test holds it to that.

mod counts;
pub(crate) mod exposition;
mod families;
pub(crate) mod listener;
mod look;
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub(crate) use counts::{Counts, Handshake};
pub(crate) use look::{Asked, Look};

use crate::engine::WatchedEngine;
use look::Asker;
use process::Process;

/// Where a scrape finds everything. It keeps nothing alive.
pub(crate) struct Metrics {
    shards: Vec<(Arc<Counts>, Asker)>,
    engine: WatchedEngine,
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
    /// Of so many shards, and of `engine`; with the ends of the shards, in their order.
    pub(crate) fn new(
        shards: usize,
        engine: WatchedEngine,
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
            engine,
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
            engine: self.engine.statistics(),
            process: process.ok().flatten(),
            connections_max: self.connections_max,
        };
        seen.text()
    }
}
