//! Everything that a log keeps, in the order of `seq`, beside whatever process has it open (shell).
//!
//! It is read in pages, and each page in a read transaction of its own that is over before anybody looks
//! at the page. One transaction for all of it would be one snapshot, and would keep the writer from
//! beginning its WAL anew for as long as it is open: the WAL would grow with everything that is published
//! meanwhile, and the writer would wait for the reader again and again
//! ([`WAL_GROWTH_MAX`](crate::WAL_GROWTH_MAX)). Messages never change, and new ones come behind the end
//! that was there when the scan began, so that pages of different snapshots differ only by what retention
//! deletes meanwhile.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidings_engine::EngineError;
use tidings_wire::{Epoch, Message};

use crate::OpenError;
use crate::open::check_header;
use crate::reader::{Failure, PAGE_BYTES_MAX, bounded, connect};
use crate::rows::{Said, name_in, said_in};
use crate::schema::{FORMAT, Kind, LOG_FILE, kind, meta};

/// Messages in a page: some 10 ms of one core, a tenth of what the writer waits for readers when its
/// WAL is too long. A page ends early when it has [`PAGE_BYTES_MAX`] of data.
pub const SCAN_MESSAGES_MAX: usize = 4096;

/// A walk through all messages that a log keeps, oldest first, up to those that were there as it began.
///
/// What is kept when it ends, and was there when it began, is given, once and in order. What retention
/// deletes in between may be given or not.
///
/// No lock is taken, and nothing is written: whether a server has the log open makes no difference to
/// either.
#[derive(Debug)]
pub struct Scan {
    connection: Connection,
    epoch: Epoch,
    /// `seq` of the oldest message that was kept as it began; 0: there was none.
    first: u64,
    /// `seq` of the newest one.
    last: u64,
    /// Everything up to here was given.
    after: u64,
}

impl Scan {
    /// Looks at the log in `dir`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the directory or the file, and what to do. A directory or a
    /// file that is not there is not made.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOG_FILE);
        if !path.exists() {
            return Err(OpenError::Missing { path });
        }
        check_header(&path)?;
        let opened = connect(&path).and_then(|connection| {
            let kind = kind(&connection)?;
            Ok((connection, kind))
        });
        let (connection, kind) = opened.map_err(|error| OpenError::of_sqlite(&path, &error))?;
        match kind {
            Kind::Log => Self::begin(connection, path),
            Kind::Empty => Err(OpenError::Missing { path }),
            Kind::Foreign(detail) => Err(OpenError::Foreign { path, detail }),
            Kind::Newer(found) => Err(OpenError::Newer {
                path,
                found,
                known: FORMAT,
            }),
        }
    }

    fn begin(connection: Connection, path: PathBuf) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of_sqlite(&path, &error);
        let epoch: Option<String> = meta::read(&connection, meta::EPOCH).map_err(failed)?;
        let epoch = epoch.and_then(|text| Epoch::new(&text).ok());
        let epoch = epoch.ok_or_else(|| OpenError::Failed {
            path: path.clone(),
            detail: "it has no epoch, which a server makes when it is started on it".to_owned(),
        })?;
        let ends = "SELECT ifnull(min(seq), 0), ifnull(max(seq), 0) FROM message";
        let (first, last) = connection
            .query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        Ok(Self {
            connection,
            epoch,
            first,
            last,
            after: 0,
        })
    }

    /// The log's identity.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How much of it is done, from 0 to 1, as far as places in the log tell.
    pub fn done(&self) -> f64 {
        let all = self.last.saturating_sub(self.first) + 1;
        let done = (self.after + 1).saturating_sub(self.first);
        done as f64 / all as f64
    }

    /// The next messages; none: that was all. A bounded number, and a bounded sum of their data but for a
    /// single larger message.
    ///
    /// # Errors
    ///
    /// [`EngineError::Failed`]: the file is damaged. [`EngineError::Busy`]: it is being recovered by
    /// whoever has just opened it; the same page can be asked for again.
    pub fn next_page(&mut self) -> Result<Vec<Message>, EngineError> {
        let page = self.page()?;
        self.after = page.last().map_or(self.last, |message| message.seq);
        Ok(page)
    }

    fn page(&self) -> Result<Vec<Message>, Failure> {
        // One statement is one read transaction, from its first row until it is dropped here. The join
        // leaves no message out: one without a channel is damage.
        let mut statement = self.connection.prepare_cached(
            "SELECT m.seq, m.prev, m.at, m.sender, m.id, m.data, c.name
             FROM message m LEFT JOIN channel c ON c.id = m.channel
             WHERE m.seq > ?1 AND m.seq <= ?2 ORDER BY m.seq LIMIT ?3",
        )?;
        let mut rows = statement.query((bounded(self.after), self.last, SCAN_MESSAGES_MAX))?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE_BYTES_MAX
            && let Some(row) = rows.next()?
        {
            let seq = row.get(0)?;
            let damaged = |what| Failure::Damage(format!("message {seq} {what}"));
            let Said { from, id, data } = said_in(row, 3).map_err(damaged)?;
            let channel = name_in(row, 6).map_err(|_| damaged("has no channel"))?;
            bytes += data.len();
            page.push(Message {
                channel,
                seq,
                prev: row.get(1)?,
                id,
                at: row.get(2)?,
                from,
                data,
            });
        }
        Ok(page)
    }
}
