//! How a log is opened: where it is, what it promises, and all of its bounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_engine::{Clock, DEDUP_KEYS_MAX, DEDUP_WINDOW, RetentionPolicies, SystemClock};

/// What an acknowledged message survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it comes. A power loss can take the last messages.
    #[default]
    Process,
    /// A power loss as well: each batch is on the disk before it is acknowledged.
    Disk,
}

/// A log's settings. [`LogConfig::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The directory of the log's files; made where there is none. One process at a time uses it.
    pub dir: PathBuf,
    /// What an acknowledged message survives; [`Durability::Process`] unless set.
    pub durability: Durability,
    /// How long messages are kept.
    pub retention: RetentionPolicies,
    /// For how long a message's id is remembered; five minutes unless set. Survives a restart.
    pub dedup_window: Duration,
    /// How many ids are remembered at most, the newest of them.
    pub dedup_keys_max: usize,
    /// How many publishes one commit takes at most; [`BATCH_MESSAGES_MAX`] unless set.
    pub batch_messages_max: usize,
    /// How many bytes of data one commit takes at most, but for a single larger message;
    /// [`BATCH_BYTES_MAX`] unless set.
    pub batch_bytes_max: usize,
    /// How many publishes wait for the writer at most; [`PUBLISHES_WAITING_MAX`] unless set.
    pub publishes_waiting_max: usize,
    /// How many bytes of data wait for the writer at most; [`BYTES_WAITING_MAX`] unless set.
    pub bytes_waiting_max: usize,
    /// How many threads read; [`READERS`] unless set, at least one.
    pub readers: usize,
    /// How many reads wait for a reader at most; [`READS_WAITING_MAX`] unless set.
    pub reads_waiting_max: usize,
    /// How many channels the writer keeps in mind; [`CHANNELS_KNOWN_MAX`] unless set. More channels
    /// are slower, not fewer.
    pub channels_known_max: usize,
    /// After how many messages the rows of their channels are written, which is what a start after a
    /// kill reads again; [`UNSETTLED_MAX`] unless set.
    pub unsettled_max: u64,
    /// How many pages of 4 KiB the write-ahead log has when it is taken over into the file;
    /// [`WAL_PAGES`] unless set.
    pub wal_pages: u64,
    /// Where the time comes from; the computer's clock unless set.
    pub clock: Arc<dyn Clock>,
}

/// At some 4 µs a message a commit of this size takes 4 ms, which is what a publish may have to wait
/// for the batch before it; larger ones are hardly cheaper by the message.
pub const BATCH_MESSAGES_MAX: usize = 1024;

/// Large messages make a batch smaller, so that it stays within SQLite's page cache.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Eight batches: some 30 ms of work. Who publishes more at a time is told to slow down.
pub const PUBLISHES_WAITING_MAX: usize = 8192;

/// What the queue may hold in memory when messages are large.
pub const BYTES_WAITING_MAX: usize = 64 << 20;

/// Two reads at a time: a page is some 0.3 ms of one core, and cores are for the shards.
pub const READERS: usize = 2;

/// At some 0.3 ms a page and two readers, the last one in the queue waits for 0.6 s.
pub const READS_WAITING_MAX: usize = 4096;

/// Some 200 bytes each: 25 MB when all are in use.
pub const CHANNELS_KNOWN_MAX: usize = 1 << 17;

/// Reading so many again takes some 50 ms, and the row of a busy channel is written once in so many
/// messages instead of with each.
pub const UNSETTLED_MAX: u64 = 1 << 15;

/// 16 MiB: seldom enough to write a page that changes often only once, often enough for the pause not
/// to be felt (some 30 ms).
pub const WAL_PAGES: u64 = 4096;

impl LogConfig {
    /// A log in `dir` with the defaults.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::default(),
            retention: RetentionPolicies::default(),
            dedup_window: DEDUP_WINDOW,
            dedup_keys_max: DEDUP_KEYS_MAX,
            batch_messages_max: BATCH_MESSAGES_MAX,
            batch_bytes_max: BATCH_BYTES_MAX,
            publishes_waiting_max: PUBLISHES_WAITING_MAX,
            bytes_waiting_max: BYTES_WAITING_MAX,
            readers: READERS,
            reads_waiting_max: READS_WAITING_MAX,
            channels_known_max: CHANNELS_KNOWN_MAX,
            unsettled_max: UNSETTLED_MAX,
            wal_pages: WAL_PAGES,
            clock: Arc::new(SystemClock),
        }
    }
}
