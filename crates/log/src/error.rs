//! Why a log could not be opened, and what SQLite's failures mean to a publisher.

use std::io;
use std::path::PathBuf;

use rusqlite::ffi;
use tidings_engine::EngineError;

/// Why a log could not be opened. Nothing was changed in the directory but its lock file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory, or a file in it, cannot be made or written.
    #[error("the data directory {} cannot be used: {source}; choose another or mend its permissions", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no log.
    #[error("there is no message log at {}; is it the right directory?", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// Another process has the log open.
    #[error("the data directory {} is in use by {}; stop that one first or choose another directory", dir.display(), process(*pid))]
    InUse {
        /// Which.
        dir: PathBuf,
        /// The other process, where it said so.
        pid: Option<u32>,
    },
    /// The file is not a log of Tidings.
    #[error("{} is not a message log of Tidings: {detail}; move it away or choose another directory", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        detail: String,
    },
    /// The file was written by a newer Tidings.
    #[error("{} has format {found}, and this version of Tidings knows up to {known}; start the newer version again", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The file is not what was written.
    #[error("{} is damaged: {detail}; restore a backup, or move it away to begin anew", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The disk has no room for what a start writes.
    #[error("the disk of {} is full; make room, then start again", path.display())]
    StorageFull {
        /// Which file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{} could not be opened: {detail}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What SQLite or the operating system said.
        detail: String,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
}

impl OpenError {
    pub(crate) fn of_sqlite(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match Fault::of(error) {
            Fault::Full => Self::StorageFull { path },
            Fault::Damaged => Self::Damaged {
                path,
                detail: error.to_string(),
            },
            Fault::Foreign => Self::Foreign {
                path,
                detail: "it is no SQLite database".to_owned(),
            },
            Fault::Locked | Fault::Unsynced | Fault::Other => Self::Failed {
                path,
                detail: error.to_string(),
            },
        }
    }
}

/// The kinds of SQLite's errors that differ in what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No room. The transaction is rolled back; the next one may do.
    Full,
    /// The file is not what SQLite wrote.
    Damaged,
    /// The file is no database.
    Foreign,
    /// The disk did not confirm a write. What was acknowledged before may be lost with the power, and
    /// the kernel will not say so twice: no more is to be promised until a restart has looked.
    Unsynced,
    /// Another process writes to the file. The next transaction may do.
    Locked,
    /// Something else; the next transaction may do.
    Other,
}

impl Fault {
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        let Some(error) = error.sqlite_error() else {
            return Self::Other;
        };
        match (error.extended_code, error.extended_code & 0xff) {
            (_, ffi::SQLITE_FULL)
            // The shared index of the WAL could not grow.
            | (ffi::SQLITE_IOERR_SHMSIZE, _) => Self::Full,
            (ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC, _) => Self::Unsynced,
            (_, ffi::SQLITE_CORRUPT) => Self::Damaged,
            (_, ffi::SQLITE_BUSY) => Self::Locked,
            (_, ffi::SQLITE_NOTADB) => Self::Foreign,
            _ => Self::Other,
        }
    }

    /// Whether nothing may be stored any more until the log was opened again.
    pub(crate) fn is_lasting(self) -> bool {
        matches!(self, Self::Damaged | Self::Foreign | Self::Unsynced)
    }
}

/// What a publisher or a reader is told of it.
pub(crate) fn engine_error(error: &rusqlite::Error) -> EngineError {
    match Fault::of(error) {
        Fault::Full => EngineError::StorageFull,
        Fault::Locked => EngineError::Busy,
        _ => EngineError::Failed(error.to_string()),
    }
}
