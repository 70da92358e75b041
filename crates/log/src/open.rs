//! Opening: whose the directory is, what the file is, and whether it is whole (shell).
//!
//! What is not ours is refused before anything of it is changed, and every refusal says what to do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::lock::DirectoryLock;
use crate::recovery::{Failure, Recovered, recover};
use crate::schema::{self, FORMAT, Kind, LOG_FILE};
use crate::{LogConfig, OpenError};

/// What a writer begins with.
pub(crate) struct Opened {
    pub(crate) lock: DirectoryLock,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) recovered: Recovered,
}

/// Files up to this size are checked page by page, in some 0.1 s; larger ones by their header, their
/// length, their schema and their newest messages alone, for a restart must not take minutes.
const CHECKED_BYTES_MAX: u64 = 64 << 20;

/// How long a start waits for somebody who looks at the file with other tools, in milliseconds.
const OPEN_BUSY_MS: u64 = 2_000;

/// Opens the log of `config`, during the kernel's boot `boot` if that is known.
pub(crate) fn open(config: &LogConfig, boot: Option<String>) -> Result<Opened, OpenError> {
    let lock = DirectoryLock::take(&config.dir)?;
    let path = config.dir.join(LOG_FILE);
    check_header(&path)?;
    let connection = connect(&path)?;
    let mut opening = Opening { path, connection };
    let recovered = opening.recover(config, boot)?;
    Ok(Opened {
        lock,
        path: opening.path,
        connection: opening.connection,
        recovered,
    })
}

/// The kernel's current boot, where the system tells.
pub(crate) fn current_boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// A file that is there begins as SQLite's files do.
pub(crate) fn check_header(path: &Path) -> Result<(), OpenError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let failed = |error: std::io::Error| OpenError::Failed {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut header = Vec::new();
    file.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut header)
        .map_err(failed)?;
    // An empty file is what a process leaves that was killed just after making it.
    if header.is_empty() || header == MAGIC {
        return Ok(());
    }
    Err(OpenError::Foreign {
        path: path.to_owned(),
        detail: "it is no SQLite database, or its beginning was overwritten".to_owned(),
    })
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.and_then(|connection| {
        connection.busy_timeout(std::time::Duration::from_millis(OPEN_BUSY_MS))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    });
    connection.map_err(|error| OpenError::of_sqlite(path, &error))
}

struct Opening {
    path: PathBuf,
    connection: Connection,
}

impl Opening {
    fn recover(
        &mut self,
        config: &LogConfig,
        boot: Option<String>,
    ) -> Result<Recovered, OpenError> {
        let is_new = self.check_kind()?;
        self.enter_wal()?;
        if is_new {
            let created = schema::create(&mut self.connection);
            created.map_err(|error| self.error(&error))?;
        }
        self.check_pages()?;
        self.check_tables()?;
        let transaction = self.connection.unchecked_transaction();
        let transaction = transaction.map_err(|error| self.error(&error))?;
        let recovered = recover(&transaction, config, boot);
        let recovered = recovered.map_err(|failure| match failure {
            Failure::Sqlite(error) => self.error(&error),
            Failure::Damage(detail) => self.damaged(detail),
        })?;
        transaction.commit().map_err(|error| self.error(&error))?;
        Ok(recovered)
    }

    /// True: there is nothing yet.
    fn check_kind(&self) -> Result<bool, OpenError> {
        let kind = schema::kind(&self.connection).map_err(|error| self.error(&error))?;
        let path = self.path.clone();
        match kind {
            Kind::Empty => Ok(true),
            Kind::Log => Ok(false),
            Kind::Foreign(detail) => Err(OpenError::Foreign { path, detail }),
            Kind::Newer(found) => Err(OpenError::Newer {
                path,
                found,
                known: FORMAT,
            }),
        }
    }

    /// What is written from here on is synced, whatever the durability, until the start is done: that
    /// the log is open must be known after a power loss.
    fn enter_wal(&self) -> Result<(), OpenError> {
        let mode = self
            .connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        let mode: String = mode.map_err(|error| self.error(&error))?;
        if mode != "wal" {
            return Err(OpenError::Failed {
                path: self.path.clone(),
                detail: format!("its file system has no shared memory (journal mode {mode:?})"),
            });
        }
        self.connection
            .execute_batch(
                "PRAGMA synchronous = FULL;
                 PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = 67108864;
                 PRAGMA cache_size = -65536;
                 PRAGMA temp_store = MEMORY;",
            )
            .map_err(|error| self.error(&error))
    }

    /// Takes over what is in the WAL, then compares the file's length with what it should be, and
    /// looks at every page if they are few.
    fn check_pages(&self) -> Result<(), OpenError> {
        let pages = || -> rusqlite::Result<(bool, u64, u64)> {
            let busy: u32 =
                self.connection
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            let pragma = |sql: &str| self.connection.query_row(sql, [], |row| row.get(0));
            let bytes = pragma("PRAGMA page_size")?;
            Ok((busy == 0, bytes, pragma("PRAGMA page_count")?))
        };
        let (is_whole, page_bytes, count) = pages().map_err(|error| self.error(&error))?;
        let bytes = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if is_whole && bytes < page_bytes * count {
            return Err(self.damaged(format!(
                "it ends after {bytes} bytes where {} should be",
                page_bytes * count
            )));
        }
        if bytes > CHECKED_BYTES_MAX {
            return Ok(());
        }
        let verdict = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .map_err(|error| self.error(&error))?;
        match verdict.as_str() {
            "ok" => Ok(()),
            detail => Err(self.damaged(detail.to_owned())),
        }
    }

    fn check_tables(&self) -> Result<(), OpenError> {
        match schema::misfit(&self.connection) {
            Ok(None) => Ok(()),
            Ok(Some(table)) => {
                Err(self.damaged(format!("its table {table:?} is not as it was made")))
            }
            Err(error) => Err(self.error(&error)),
        }
    }

    fn error(&self, error: &rusqlite::Error) -> OpenError {
        OpenError::of_sqlite(&self.path, error)
    }

    fn damaged(&self, detail: String) -> OpenError {
        OpenError::Damaged {
            path: self.path.clone(),
            detail,
        }
    }
}
