//! The readers: threads with a connection each, which answer queries (shell).
//!
//! Every page is bounded work: a channel is a chain from its newest message backwards, and every 64th
//! message left a row in `skip`, so that any place is at most 64 steps from where one can begin.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tidings_engine::{EngineError, Page, Query, Responder};
use tidings_wire::{ChannelName, Message};

use crate::channels::Channel;
use crate::error::engine_error;
use crate::rows::{Said, find_channel, forgotten_floor, said_in};
use crate::schema::SKIP;
use crate::shared::{Shared, lock};

/// A query, and who waits for its page.
pub(crate) struct Read {
    pub(crate) query: Query,
    pub(crate) responder: Responder<Page>,
}

/// Bytes of data in a page, beyond which it ends early and says `more`: what readers and the answers
/// under way hold in memory when messages are large.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Messages in a page, whatever its query asks for, beyond which it ends early and says `more`.
pub const PAGE_MESSAGES_MAX: usize = 1 << 14;

/// How long a reader waits for a lock of somebody else's, in milliseconds; in a WAL readers wait for
/// nobody but a recovery.
const READ_BUSY_MS: u64 = 1_000;

/// Opens a reader's own view of the log.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_millis(READ_BUSY_MS))?;
    connection.execute_batch("PRAGMA cache_size = -8192")?;
    Ok(connection)
}

/// Answers reads until there are no more to come.
pub(crate) fn run(connection: &Connection, shared: &Shared, reads: &Arc<Mutex<Receiver<Read>>>) {
    loop {
        // Held while waiting: one reader waits for a read, the others for it.
        let next = lock(reads).recv();
        let Ok(Read { query, responder }) = next else {
            return;
        };
        let begun = Instant::now();
        let page = read(connection, shared, &query);
        let took = begun.elapsed();
        lock(&shared.statistics)
            .read_durations
            .observe_duration(took);
        responder.answer(page);
    }
}

fn read(connection: &Connection, shared: &Shared, query: &Query) -> Result<Page, EngineError> {
    // In this order: the snapshot has all that was known before it.
    let head = shared.head();
    let channel_head = shared.unsaved_head(&query.channel);
    let page = connection
        .unchecked_transaction()
        .map_err(Failure::from)
        .and_then(|_snapshot| {
            let reader = Reader::new(connection, &query.channel, channel_head)?;
            reader.page(query)
        });
    match page {
        Ok(mut page) => {
            let newest = page.messages.last().map_or(0, |message| message.seq);
            page.head = head.max(newest);
            Ok(page)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// What kept somebody from reading.
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    Damage(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => engine_error(&error),
            Failure::Damage(detail) => Self::Failed(detail),
        }
    }
}

/// One channel in one snapshot.
struct Reader<'a> {
    connection: &'a Connection,
    name: &'a ChannelName,
    /// Absent: nothing is kept.
    channel: Option<Channel>,
    /// `seq` up to which messages were deleted.
    floor: u64,
}

/// A run of messages, and whether it was cut short.
#[derive(Default)]
struct Run {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    more: bool,
}

impl<'a> Reader<'a> {
    fn new(
        connection: &'a Connection,
        name: &'a ChannelName,
        unsaved_head: Option<u64>,
    ) -> Result<Self, Failure> {
        let row = find_channel(connection, name)?;
        let floor = match &row {
            Some(channel) => channel.floor,
            None => forgotten_floor(connection, name)?,
        };
        let channel = row.map(|channel| Channel {
            head: channel.head.max(unsaved_head.unwrap_or(0)),
            ..channel
        });
        Ok(Self {
            connection,
            name,
            channel,
            floor,
        })
    }

    fn page(&self, query: &Query) -> Result<Page, Failure> {
        let before = query.before.unwrap_or(u64::MAX);
        let limit = query.limit.min(PAGE_MESSAGES_MAX);
        let run = match query.after {
            Some(after) => self.forwards(after, before, limit)?,
            None => self.backwards(before, limit)?,
        };
        let truncated = match query.after {
            Some(after) => after < self.floor,
            None => !run.more && self.floor > 0,
        };
        Ok(Page {
            oldest: self.oldest()?,
            messages: run.messages.into(),
            more: run.more,
            truncated,
            head: 0,
        })
    }

    /// The newest `limit` messages before `before`: so many steps and 64 at most.
    fn backwards(&self, before: u64, limit: usize) -> Result<Run, Failure> {
        let mut run = Run::default();
        let mut seq = self.newest_before(before)?;
        while seq > self.floor {
            if run.messages.len() == limit {
                run.more = true;
                break;
            }
            let message = self.message(seq)?;
            run.bytes += message.data.len();
            if run.bytes > PAGE_BYTES_MAX && !run.messages.is_empty() {
                run.more = true;
                break;
            }
            seq = message.prev;
            run.messages.push_front(message);
        }
        Ok(run)
    }

    /// The oldest `limit` messages after `after` and before `before`: from a place at most 128
    /// messages behind them backwards.
    fn forwards(&self, after: u64, before: u64, limit: usize) -> Result<Run, Failure> {
        let mut run = Run::default();
        let after = after.max(self.floor);
        let mut seq = match self.skip_after(after, limit)? {
            Some(skip) if skip < before => skip,
            _ => self.newest_before(before)?,
        };
        while seq > after {
            let message = self.message(seq)?;
            seq = message.prev;
            run.bytes += message.data.len();
            run.messages.push_front(message);
            while run.messages.len() > limit
                || (run.bytes > PAGE_BYTES_MAX && run.messages.len() > 1)
            {
                let newest = run.messages.pop_back();
                run.bytes -= newest.map_or(0, |message| message.data.len());
                run.more = true;
            }
        }
        Ok(run)
    }

    /// The row in `skip` with more than `limit` messages from `after` up to it.
    fn skip_after(&self, after: u64, limit: usize) -> Result<Option<u64>, Failure> {
        let Some(channel) = &self.channel else {
            return Ok(None);
        };
        let rows = (limit as u64).div_ceil(SKIP);
        let skip = self
            .connection
            .prepare_cached(
                "SELECT seq FROM skip WHERE channel = ?1 AND seq > ?2
                 ORDER BY seq LIMIT 1 OFFSET ?3",
            )?
            .query_row((channel.id, bounded(after), rows), |row| row.get(0))
            .optional()?;
        Ok(skip)
    }

    /// `seq` of the channel's newest message before `before`; 0: none.
    fn newest_before(&self, before: u64) -> Result<u64, Failure> {
        let Some(channel) = &self.channel else {
            return Ok(0);
        };
        if before > channel.head {
            return Ok(channel.head);
        }
        // Who pages back asks with a message of the channel, which knows the one before it.
        if let Some((id, prev)) = self.link(before)?
            && id == channel.id
        {
            return Ok(prev);
        }
        let mut seq = self
            .connection
            .prepare_cached(
                "SELECT seq FROM skip WHERE channel = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
            )?
            .query_row((channel.id, bounded(before)), |row| row.get(0))
            .optional()?
            .unwrap_or(channel.head);
        while seq >= before && seq > self.floor {
            seq = self.prev(seq)?;
        }
        Ok(seq)
    }

    /// `seq` of the oldest message that is kept, from the first row in `skip`, which is at most 64
    /// messages behind it; 0: none.
    fn oldest(&self) -> Result<u64, Failure> {
        let Some(channel) = &self.channel else {
            return Ok(0);
        };
        if channel.floor_nth == 0 {
            return Ok(channel.first);
        }
        let mut oldest = self.skip_after(self.floor, 0)?.unwrap_or(channel.head);
        loop {
            let prev = self.prev(oldest)?;
            if prev <= self.floor {
                return Ok(oldest);
            }
            oldest = prev;
        }
    }

    /// The channel of a message, and the message before it there; absent: there is no such message.
    fn link(&self, seq: u64) -> Result<Option<(u64, u64)>, Failure> {
        let link = self
            .connection
            .prepare_cached("SELECT channel, prev FROM message WHERE seq = ?1")?
            .query_row([bounded(seq)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(link)
    }

    /// One step back along the chain.
    fn prev(&self, seq: u64) -> Result<u64, Failure> {
        let link = self.link(seq)?;
        self.step(seq, link)
    }

    /// A step goes to an older message of the same channel, so that every walk ends.
    fn step(&self, seq: u64, link: Option<(u64, u64)>) -> Result<u64, Failure> {
        match (link, &self.channel) {
            (Some((id, prev)), Some(channel)) if id == channel.id && prev < seq => Ok(prev),
            _ => Err(Failure::Damage(format!(
                "the chain of channel {} is broken at message {seq}",
                self.name
            ))),
        }
    }

    fn message(&self, seq: u64) -> Result<Arc<Message>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT channel, prev, at, sender, id, data FROM message WHERE seq = ?1",
        )?;
        let mut rows = statement.query([seq])?;
        let Some(row) = rows.next()? else {
            self.step(seq, None)?;
            return Err(Failure::Damage(format!("message {seq} is missing")));
        };
        let prev = self.step(seq, Some((row.get(0)?, row.get(1)?)))?;
        let Said { from, id, data } =
            said_in(row, 3).map_err(|what| Failure::Damage(format!("message {seq} {what}")))?;
        Ok(Arc::new(Message {
            channel: self.name.clone(),
            seq,
            prev,
            id,
            at: row.get(2)?,
            from,
            data,
        }))
    }
}

/// SQLite's numbers end where no `seq` comes.
pub(crate) fn bounded(seq: u64) -> u64 {
    seq.min(i64::MAX as u64)
}
