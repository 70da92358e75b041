//! Opening: what is checked, what a killed process left to be done, what the writer must know (shell).
//!
//! SQLite itself brings back every committed transaction and none in halves. On top of that the rows
//! of `channel`, which are written late, are made right from the messages that came after the last
//! time that all of them were; after that everything is settled, and nothing has to be remembered as
//! still to be done.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tidings_engine::{Place, Recent, fresh_epoch};
use tidings_wire::{ChannelName, Epoch, MessageId};

use crate::accounts::Accounts;
use crate::chain::Chain;
use crate::channels::Channel;
use crate::lock::DirectoryLock;
use crate::rows::{channel_in, name_in, save_channel};
use crate::schema::{self, FORMAT, Kind, LOG_FILE, meta};
use crate::{LogConfig, OpenError};

/// What a writer begins with.
pub(crate) struct Opened {
    pub(crate) lock: DirectoryLock,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) epoch: Epoch,
    pub(crate) chain: Chain,
    /// Whether ids of deleted messages are kept.
    pub(crate) has_repeats: bool,
}

/// After a power loss, `seq` goes on so much higher: the messages that the disk never got may have
/// been told to somebody, and their numbers must not come again. What is not synced is in the WAL,
/// which is synced each time it is taken over ([`LogConfig::wal_pages`](crate::LogConfig::wal_pages))
/// and which Linux writes out after some 30 s in any case: this is more than can be stored by then.
pub const POWER_LOSS_GAP: u64 = 1 << 24;

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
        epoch: recovered.epoch,
        chain: recovered.chain,
        has_repeats: recovered.has_repeats,
    })
}

/// The kernel's current boot, where the system tells.
pub(crate) fn current_boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// A file that is there begins as SQLite's files do.
fn check_header(path: &Path) -> Result<(), OpenError> {
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

struct Recovered {
    epoch: Epoch,
    chain: Chain,
    has_repeats: bool,
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

enum Failure {
    Sqlite(rusqlite::Error),
    Damage(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        // A column of another type, a table or column that is not there: not of our writing.
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::Unknown) | None => Self::Damage(error.to_string()),
            Some(_) => Self::Sqlite(error),
        }
    }
}

/// Makes everything right within one transaction.
fn recover(
    connection: &Connection,
    config: &LogConfig,
    boot: Option<String>,
) -> Result<Recovered, Failure> {
    let now = config.clock.now();
    let epoch = epoch(connection)?;
    let newest: u64 =
        connection.query_row("SELECT ifnull(max(seq), 0) FROM message", [], |row| {
            row.get(0)
        })?;
    let mut head = meta::read(connection, meta::HEAD)?.unwrap_or(0);
    if newest > head {
        return Err(Failure::Damage(format!(
            "it has a message {newest} behind its head {head}"
        )));
    }
    settle(connection)?;
    if is_power_loss(connection, boot.as_deref())? {
        tracing::warn!(
            head,
            gap = POWER_LOSS_GAP,
            "the machine went down while the log was open: its last messages may be lost, and their \
             numbers are left out"
        );
        head += POWER_LOSS_GAP;
    }
    meta::write(connection, meta::HEAD, head)?;
    meta::write(connection, meta::SETTLED, head)?;
    meta::write(connection, meta::CLOSED, 0)?;
    meta::write(connection, meta::BOOT, boot.unwrap_or_default())?;
    let next_channel: u64 =
        connection.query_row("SELECT ifnull(max(id), 0) + 1 FROM channel", [], |row| {
            row.get(0)
        })?;
    let accounts = accounts(connection, config)?;
    let (recent, has_repeats) = recent(connection, config, now)?;
    let chain = Chain::new(head, next_channel, accounts, recent, config);
    Ok(Recovered {
        epoch,
        chain,
        has_repeats,
    })
}

fn epoch(connection: &Connection) -> Result<Epoch, Failure> {
    if let Some(text) = meta::read::<String>(connection, meta::EPOCH)? {
        return Epoch::new(&text)
            .map_err(|_| Failure::Damage(format!("its epoch {text:?} is none")));
    }
    let epoch = fresh_epoch();
    meta::write(connection, meta::EPOCH, epoch.as_str())?;
    Ok(epoch)
}

/// Whether messages that were told to somebody may be missing: the log was not closed, and the kernel
/// that had its last pages is gone.
fn is_power_loss(connection: &Connection, boot: Option<&str>) -> Result<bool, Failure> {
    let closed: Option<u64> = meta::read(connection, meta::CLOSED)?;
    let last: Option<String> = meta::read(connection, meta::BOOT)?;
    let is_same = boot.is_some() && last.as_deref() == boot;
    Ok(closed == Some(0) && !is_same)
}

/// Makes the rows of `channel` tell of the messages that came since they all did last, and checks
/// that each of those follows the one before it.
fn settle(connection: &Connection) -> Result<(), Failure> {
    let settled: u64 = meta::read(connection, meta::SETTLED)?.unwrap_or(0);
    let mut behind: HashMap<u64, (Channel, bool)> = HashMap::new();
    let mut find = connection
        .prepare("SELECT id, first, head, head_nth, floor, floor_nth FROM channel WHERE id = ?1")?;
    let mut messages = connection
        .prepare("SELECT seq, channel, nth, prev FROM message WHERE seq > ?1 ORDER BY seq")?;
    let mut messages = messages.query([settled])?;
    while let Some(row) = messages.next()? {
        let (seq, id): (u64, u64) = (row.get(0)?, row.get(1)?);
        let (nth, prev): (u64, u64) = (row.get(2)?, row.get(3)?);
        let (channel, is_behind) = match behind.entry(id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let channel = find
                    .query_row([id], |row| channel_in(row, 0))
                    .map_err(|_| Failure::Damage(format!("message {seq} has no channel")))?;
                entry.insert((channel, false))
            }
        };
        // The row was written since.
        if seq <= channel.head {
            continue;
        }
        if nth != channel.head_nth + 1 || prev != channel.head {
            return Err(Failure::Damage(format!(
                "message {seq} does not follow the one before it in its channel"
            )));
        }
        channel.head = seq;
        channel.head_nth = nth;
        *is_behind = true;
    }
    let mut behind: Vec<_> = behind.into_values().filter(|(_, is)| *is).collect();
    behind.sort_unstable_by_key(|(channel, _)| channel.id);
    for (channel, _) in behind {
        save_channel(connection, &channel)?;
    }
    Ok(())
}

/// The sums of bytes. They are counted anew when other namespaces have policies of their own than at
/// the last run, which takes a second for some two million messages.
fn accounts(connection: &Connection, config: &LogConfig) -> Result<Accounts, Failure> {
    let mut accounts = Accounts::new(&config.retention);
    let mut statement = connection.prepare("SELECT name, bytes FROM account")?;
    let kept = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kept: Vec<(String, u64)> = kept.collect::<Result<_, _>>()?;
    let is_same = kept.len() == accounts.as_slice().len()
        && kept.iter().all(|(name, bytes)| accounts.set(name, *bytes));
    if is_same {
        return Ok(accounts);
    }
    let mut accounts = Accounts::new(&config.retention);
    let mut statement = connection.prepare(
        "SELECT c.name, sum(octet_length(m.data))
         FROM message m JOIN channel c ON c.id = m.channel GROUP BY m.channel",
    )?;
    let mut sums = statement.query([])?;
    while let Some(row) = sums.next()? {
        accounts.add(&name_in(row, 0)?, &config.retention, row.get(1)?);
    }
    connection.execute("DELETE FROM account", [])?;
    for account in accounts.as_slice() {
        save_account(connection, &account.name, account.bytes)?;
    }
    Ok(accounts)
}

/// Writes the sum of an account.
pub(crate) fn save_account(
    connection: &Connection,
    name: &str,
    bytes: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO account VALUES (?1, ?2) ON CONFLICT DO UPDATE SET bytes = ?2")?
        .execute((name, bytes))
        .map(drop)
}

/// The ids of the window: of messages that are kept, and of those that are not any more.
fn recent(
    connection: &Connection,
    config: &LogConfig,
    now: u64,
) -> Result<(Recent, bool), Failure> {
    let mut recent = Recent::new(config.dedup_window, config.dedup_keys_max);
    let mut found = Vec::new();
    let kept = "SELECT m.seq, m.at, m.id, c.name
                FROM message m JOIN channel c ON c.id = m.channel ORDER BY m.seq DESC";
    let deleted = "SELECT seq, at, id, channel FROM repeat ORDER BY seq DESC";
    let mut has_repeats = false;
    for (sql, is_kept) in [(kept, true), (deleted, false)] {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            has_repeats |= !is_kept;
            let (seq, at): (u64, u64) = (row.get(0)?, row.get(1)?);
            if count == config.dedup_keys_max || !recent.covers(at, now) {
                break;
            }
            let id = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            let id = MessageId::new(id)
                .map_err(|_| Failure::Damage(format!("the id of message {seq} is none")))?;
            found.push((name_in(row, 3)?, id, Place { seq, at }));
            count += 1;
        }
    }
    found.sort_unstable_by_key(|(_, _, place): &(ChannelName, MessageId, Place)| place.seq);
    for (channel, id, place) in found {
        recent.remember(recent.key(&channel, &id), place);
    }
    Ok((recent, has_repeats))
}
