//! What a start makes right, and what the writer must know from then on (shell).
//!
//! SQLite itself brings back every committed transaction and none in halves. On top of that the rows
//! of `channel`, which are written late, are made right from the messages that came after the last
//! time that all of them were; after that everything is settled, and nothing has to be remembered as
//! still to be done.

use std::collections::HashMap;

use rusqlite::Connection;
use tidings_engine::{Place, Recent, fresh_epoch};
use tidings_wire::{ChannelName, Epoch, MessageId};

use crate::LogConfig;
use crate::accounts::Accounts;
use crate::chain::Chain;
use crate::channels::Channel;
use crate::rows::{channel_in, name_in, save_account, save_channel};
use crate::schema::meta;

/// After a power loss, `seq` goes on so much higher: the messages that the disk never got may have
/// been told to somebody, and their numbers must not come again. What is not synced is in the WAL,
/// which is synced each time it is taken over ([`LogConfig::wal_pages`](crate::LogConfig::wal_pages))
/// and which Linux writes out after some 30 s in any case: this is more than can be stored by then.
pub const POWER_LOSS_GAP: u64 = 1 << 24;

/// What a start found out.
pub(crate) struct Recovered {
    pub(crate) epoch: Epoch,
    pub(crate) chain: Chain,
    /// Whether ids of deleted messages are kept.
    pub(crate) has_repeats: bool,
}

/// Why a log cannot be made right.
pub(crate) enum Failure {
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
pub(crate) fn recover(
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

/// The ids of the window: of messages that are kept, and of those that are not any more.
fn recent(
    connection: &Connection,
    config: &LogConfig,
    now: u64,
) -> Result<(Recent, bool), Failure> {
    let mut recent = Recent::new(config.dedup_window, config.dedup_keys_max);
    let window = u64::try_from(config.dedup_window.as_millis()).unwrap_or(u64::MAX);
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
            // Behind one that the window has left, one that it has not may stand: the clock was set
            // back between them. By less than a window is looked for, which bounds what is read.
            if count == config.dedup_keys_max || !recent.covers(at, now.saturating_sub(window)) {
                break;
            }
            count += 1;
            if !recent.covers(at, now) {
                continue;
            }
            let id = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            let id = MessageId::new(id)
                .map_err(|_| Failure::Damage(format!("the id of message {seq} is none")))?;
            found.push((name_in(row, 3)?, id, Place { seq, at }));
        }
    }
    found.sort_unstable_by_key(|(_, _, place): &(ChannelName, MessageId, Place)| place.seq);
    // Those before what was brought from elsewhere may stand in both.
    found.dedup_by_key(|(_, _, place)| place.seq);
    for (channel, id, place) in found {
        recent.remember(recent.key(&channel, &id), place);
    }
    Ok((recent, has_repeats))
}
