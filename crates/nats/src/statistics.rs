//! What the engine counts, for whoever watches over it.

use tidings_engine::Histogram;

/// How the engine is, and what it has done since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Whether NATS and its streams answer, or have been away only for a moment.
    pub is_well: bool,
    /// How many nodes there are, this one included.
    pub nodes: usize,
    /// The streams, and of each the newest place known.
    pub heads: Vec<(String, u64)>,
    /// Messages stored.
    pub stored: u64,
    /// Bytes of data in them.
    pub stored_bytes: u64,
    /// Publishes that a stream had already.
    pub repeated: u64,
    /// How long each publish took that was stored or repeated, with all its tries, in nanoseconds.
    pub publish_durations: Histogram,
    /// Requests to publish that had to be made again: no leader, no answer, or another node's message in between.
    pub tries_again: u64,
    /// Bytes of data that wait to be stored.
    pub waiting_bytes: u64,
    /// Signals sent.
    pub signals: u64,
    /// Messages heard as they were stored.
    pub heard: u64,
    /// Gaps found in what was heard.
    pub gaps: u64,
    /// Messages read to fill them.
    pub filled: u64,
    /// Gaps too large to fill: whoever follows reads for themselves.
    pub jumps: u64,
    /// How long each read took, without the wait for its turn, in nanoseconds.
    pub read_durations: Histogram,
    /// Answers of a server that was late, which its leader was asked for again.
    pub stale: u64,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            is_well: true,
            nodes: 1,
            heads: Vec::new(),
            stored: 0,
            stored_bytes: 0,
            repeated: 0,
            publish_durations: Histogram::of_durations(),
            tries_again: 0,
            waiting_bytes: 0,
            signals: 0,
            heard: 0,
            gaps: 0,
            filled: 0,
            jumps: 0,
            read_durations: Histogram::of_durations(),
            stale: 0,
        }
    }
}
