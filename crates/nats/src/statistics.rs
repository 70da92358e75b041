//! What the engine counts, for whoever watches over it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, which only grow.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) stored: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) tries_again: AtomicU64,
    pub(crate) heard: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) filled: AtomicU64,
    pub(crate) jumps: AtomicU64,
    pub(crate) stale: AtomicU64,
}

/// How the engine is, and what it has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Whether NATS is connected, or has been away only for a moment.
    pub connected: bool,
    /// How many nodes there are, this one included.
    pub nodes: usize,
    /// Messages stored.
    pub stored: u64,
    /// Publishes that a stream had already.
    pub repeated: u64,
    /// Requests to publish that had to be made again: no leader, no answer, or another node's message in between.
    pub tries_again: u64,
    /// Messages heard as they were stored.
    pub heard: u64,
    /// Gaps found in what was heard.
    pub gaps: u64,
    /// Messages read to fill them.
    pub filled: u64,
    /// Gaps too large to fill: whoever follows reads for themselves.
    pub jumps: u64,
    /// Answers of a server that was late, which its leader was asked for again.
    pub stale: u64,
    /// The streams, and of each the newest place known.
    pub heads: Vec<(String, u64)>,
}

impl Counts {
    pub(crate) fn statistics(
        &self,
        connected: bool,
        nodes: usize,
        heads: Vec<(String, u64)>,
    ) -> Statistics {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Statistics {
            connected,
            nodes,
            stored: get(&self.stored),
            repeated: get(&self.repeated),
            tries_again: get(&self.tries_again),
            heard: get(&self.heard),
            gaps: get(&self.gaps),
            filled: get(&self.filled),
            jumps: get(&self.jumps),
            stale: get(&self.stale),
            heads,
        }
    }
}

/// One more, or several.
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
