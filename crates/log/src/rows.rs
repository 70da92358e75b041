//! The rows of single messages and channels, as both the writer and the readers know them (shell).

use bytes::Bytes;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql};
use tidings_engine::{Draft, Forgotten};
use tidings_wire::{ChannelName, Data, MessageId, User};

use crate::chain;
use crate::channels::Channel;

/// The channel's row; absent: it has no messages.
pub(crate) fn find_channel(
    connection: &Connection,
    name: &ChannelName,
) -> rusqlite::Result<Option<Channel>> {
    connection
        .prepare_cached(
            "SELECT id, first, head, head_nth, floor, floor_nth FROM channel WHERE name = ?1",
        )?
        .query_row([name.as_str()], |row| channel_in(row, 0))
        .optional()
}

/// The channel in six columns of `row`, from `column` on.
pub(crate) fn channel_in(row: &Row<'_>, column: usize) -> rusqlite::Result<Channel> {
    Ok(Channel {
        id: row.get(column)?,
        first: row.get(column + 1)?,
        head: row.get(column + 2)?,
        head_nth: row.get(column + 3)?,
        floor: row.get(column + 4)?,
        floor_nth: row.get(column + 5)?,
    })
}

/// A channel's name in `column` of `row`; one that no channel can have is damage.
pub(crate) fn name_in(row: &Row<'_>, column: usize) -> rusqlite::Result<ChannelName> {
    let name = row.get_ref(column)?.as_str()?;
    ChannelName::new(name).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

/// What was said by whom.
pub(crate) struct Said {
    pub(crate) from: User,
    pub(crate) id: MessageId,
    pub(crate) data: Data,
}

/// Sender, id and data in three columns of `row`, from `column` on. The error says of the message what
/// is wrong with it.
pub(crate) fn said_in(row: &Row<'_>, column: usize) -> Result<Said, &'static str> {
    let text = |column| {
        let text = row.get_ref(column).ok()?.as_str().ok()?;
        MessageId::new(text).ok()
    };
    let data = || match row.get_ref(column + 2).ok()? {
        ValueRef::Text(json) => Some(Data::Json(std::str::from_utf8(json).ok()?.into())),
        ValueRef::Blob(blob) => Some(Data::Bytes(Bytes::copy_from_slice(blob))),
        _ => None,
    };
    Ok(Said {
        from: text(column).ok_or("has no sender that can be read")?,
        id: text(column + 1).ok_or("has no id that can be read")?,
        data: data().ok_or("has no data that can be read")?,
    })
}

/// Up to where a channel without a row may have had messages.
pub(crate) fn forgotten_floor(
    connection: &Connection,
    name: &ChannelName,
) -> rusqlite::Result<u64> {
    let floor = connection
        .prepare_cached("SELECT floor FROM forgotten WHERE bucket = ?1")?
        .query_row([Forgotten::bucket(name) as u64], |row| row.get(0))
        .optional()?;
    Ok(floor.unwrap_or(0))
}

/// Writes messages, and what else their places ask for.
pub(crate) struct Inserter<'a> {
    message: CachedStatement<'a>,
    channel: CachedStatement<'a>,
    skip: CachedStatement<'a>,
}

impl<'a> Inserter<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            message: connection
                .prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?,
            channel: connection
                .prepare_cached("INSERT INTO channel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            skip: connection.prepare_cached("INSERT INTO skip VALUES (?1, ?2, ?3)")?,
        })
    }

    /// Writes `draft` where `row` says.
    pub(crate) fn insert(&mut self, draft: &Draft, row: &chain::Row) -> rusqlite::Result<()> {
        let chain::Row { seq, channel, .. } = row;
        if row.is_first {
            self.channel.execute((
                channel.id,
                draft.channel.as_str(),
                channel.first,
                channel.head,
                channel.head_nth,
                channel.floor,
                channel.floor_nth,
            ))?;
        }
        let data: &dyn ToSql = match &draft.data {
            Data::Json(text) => &&**text,
            Data::Bytes(bytes) => &&**bytes,
        };
        self.message.execute((
            seq,
            channel.id,
            channel.head_nth,
            row.prev,
            row.at,
            draft.from.as_str(),
            draft.id.as_str(),
            data,
        ))?;
        if row.is_skip {
            self.skip.execute((channel.id, seq, channel.head_nth))?;
        }
        Ok(())
    }
}

/// Brings the rows of channels up to what the writer knows.
pub(crate) fn save_channels(
    connection: &Connection,
    channels: &[(ChannelName, Channel)],
) -> rusqlite::Result<()> {
    for (_, channel) in channels {
        save_channel(connection, channel)?;
    }
    Ok(())
}

/// Brings the row of `channel` up to what the writer knows.
pub(crate) fn save_channel(connection: &Connection, channel: &Channel) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE channel SET head = ?2, head_nth = ?3, floor = ?4, floor_nth = ?5 WHERE id = ?1",
        )?
        .execute((
            channel.id,
            channel.head,
            channel.head_nth,
            channel.floor,
            channel.floor_nth,
        ))
        .map(drop)
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
