//! What the log tells whoever watches over a server: how it commits, how it reads, how large it is.
//!
//! Counted once a batch or a read; what has to be looked for, such as the sizes of files, is looked for
//! by the writer once in [`LOOK_EVERY`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tidings_engine::Histogram;

/// A copy of what the log has counted since it was opened.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Messages that each batch stored; a batch of repeated publishes alone stores none.
    pub commit_messages: Histogram,
    /// How long the transaction of each batch took, in nanoseconds.
    pub commit_durations: Histogram,
    /// Transactions that failed; the publishers in them were refused.
    pub commits_failed: u64,
    /// Bytes of data in the messages that were stored.
    pub stored_bytes: u64,
    /// Publishes that were answered with the place of an earlier one with the same id.
    pub repeated: u64,
    /// Signals, which are told and not stored.
    pub signals: u64,
    /// Messages that retention has deleted.
    pub deleted: u64,
    /// How long each read took, in nanoseconds, without the wait for its turn.
    pub read_durations: Histogram,
    /// `seq` of the newest message; 0: there was never any.
    pub head: u64,
    /// `seq` of the oldest message that is kept; 0: none is.
    pub oldest: u64,
    /// Bytes of data in the messages that are kept.
    pub kept_bytes: u64,
    /// Bytes of data that wait to be stored.
    pub waiting_bytes: u64,
    /// Size of the database's file, in bytes.
    pub database_bytes: u64,
    /// Size of the file of its write-ahead log, in bytes.
    pub wal_bytes: u64,
}

/// How often the writer looks for what it cannot count: more often than anybody who watches asks, and too
/// seldom to be felt.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One for each power of two up to the largest batch.
const BATCH_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

impl Default for Statistics {
    fn default() -> Self {
        Self {
            commit_messages: Histogram::new(&BATCH_BOUNDS),
            commit_durations: Histogram::of_durations(),
            commits_failed: 0,
            stored_bytes: 0,
            repeated: 0,
            signals: 0,
            deleted: 0,
            read_durations: Histogram::of_durations(),
            head: 0,
            oldest: 0,
            kept_bytes: 0,
            waiting_bytes: 0,
            database_bytes: 0,
            wal_bytes: 0,
        }
    }
}

/// The log's files.
#[derive(Debug)]
pub(crate) struct Files {
    database: PathBuf,
    wal: PathBuf,
}

impl Files {
    /// Those of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self {
            database: path.to_owned(),
            wal: wal.into(),
        }
    }

    /// The sizes of the database and of its WAL, in bytes.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let size = |path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        (size(&self.database), size(&self.wal))
    }
}

/// `seq` of the oldest message; 0: there is none, or it cannot be read.
pub(crate) fn oldest(connection: &Connection) -> u64 {
    let oldest = connection
        .prepare_cached("SELECT ifnull(min(seq), 0) FROM message")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    oldest.unwrap_or(0)
}
