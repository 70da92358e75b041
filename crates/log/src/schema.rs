//! The file's format: its tables, and how a file of ours is told from any other.
//!
//! `docs/log-format.md` explains it to people; a change here is a change there.

use rusqlite::{Connection, OptionalExtension};

/// The name of the log's file.
pub(crate) const LOG_FILE: &str = "messages.db";

/// "Tdgs" in the file's header: a log of Tidings.
pub(crate) const APPLICATION_ID: i32 = 0x5464_6773;

/// The format written here, as the file's `user_version`.
pub(crate) const FORMAT: u32 = 1;

/// Every message of a channel whose number is a multiple of this leaves a row in `skip`.
pub(crate) const SKIP: u64 = 64;

const TABLES: &str = "
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    seq     INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    nth     INTEGER NOT NULL,
    prev    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    id      TEXT NOT NULL,
    data    ANY NOT NULL
) STRICT;

CREATE TABLE channel (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    first     INTEGER NOT NULL,
    head      INTEGER NOT NULL,
    head_nth  INTEGER NOT NULL,
    floor     INTEGER NOT NULL,
    floor_nth INTEGER NOT NULL
) STRICT;

CREATE TABLE skip (
    channel INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    nth     INTEGER NOT NULL,
    PRIMARY KEY (channel, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    name  TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE forgotten (
    bucket INTEGER PRIMARY KEY,
    floor  INTEGER NOT NULL
) STRICT;

CREATE TABLE repeat (
    seq     INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    id      TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
";

/// What a database turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is in it yet.
    Empty,
    /// A log in a format known here.
    Log,
    /// A log in a format that is not.
    Newer(u32),
    /// Something else.
    Foreign(String),
}

/// Looks what `connection` holds.
pub(crate) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: u64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, format, tables) {
        (0, 0, 0) => Kind::Empty,
        (APPLICATION_ID, FORMAT, _) => Kind::Log,
        (APPLICATION_ID, newer, _) if newer > FORMAT => Kind::Newer(newer),
        (APPLICATION_ID, ..) => Kind::Foreign(format!("its format {format} never was")),
        _ => Kind::Foreign("it is another program's database".to_owned()),
    })
}

/// Makes the tables, all of them or none.
pub(crate) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    // Both stand in the file's header, which is part of the transaction.
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// The name of a table that is not as it is made here, if there is one.
pub(crate) fn misfit(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let pristine = Connection::open_in_memory()?;
    pristine.execute_batch(TABLES)?;
    let mut tables =
        pristine.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for table in tables {
        let (name, expected): (String, String) = table?;
        let found: Option<String> = connection
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE name = ?1",
                [&name],
                |row| row.get(0),
            )
            .optional()?;
        if found != Some(expected) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The single values of the log, in `meta`.
pub(crate) mod meta {
    use rusqlite::types::FromSql;
    use rusqlite::{Connection, ToSql};

    use super::OptionalExtension;

    /// The log's epoch. A file without one gets a fresh one: so a restored backup is given another.
    pub(crate) const EPOCH: &str = "epoch";
    /// `seq` of the newest message ever.
    pub(crate) const HEAD: &str = "head";
    /// Up to this `seq` the rows of `channel` tell of every message.
    pub(crate) const SETTLED: &str = "settled";
    /// The kernel's boot during which the log was last opened.
    pub(crate) const BOOT: &str = "boot";
    /// 1: the log was closed and nothing can be missing; 0: it is open, or was killed.
    pub(crate) const CLOSED: &str = "closed";

    pub(crate) fn read<T: FromSql>(
        connection: &Connection,
        key: &str,
    ) -> rusqlite::Result<Option<T>> {
        connection
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()
    }

    pub(crate) fn write(
        connection: &Connection,
        key: &str,
        value: impl ToSql,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
            )?
            .execute((key, value))
            .map(drop)
    }
}
