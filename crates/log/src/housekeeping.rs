//! What the writer does between publishes, a bounded step at a time: deletes what retention lets go,
//! brings the rows of channels up to date (shell).
//!
//! A step is part of a batch's transaction, so that it costs no sync of its own; with nothing to
//! publish it is a transaction by itself.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::Connection;
use tidings_engine::{DEDUP_KEYS_MAX, Draft, Forgotten};
use tidings_wire::ChannelName;

use crate::chain::Chain;
use crate::channels::Channel;
use crate::expiry::{Candidate, Sweep};
use crate::rows::{channel_in, find_channel, name_in, save_channel, save_channels};

/// What is still to be looked after.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    /// Channels that have a block too many.
    over: VecDeque<ChannelName>,
    /// One for each account.
    sweeps: Vec<Sweep>,
    /// The id of the last channel that was looked at since the start, whether it has blocks too many
    /// by a bound that is new; absent: all were.
    audited: Option<u64>,
    /// Ids of deleted messages are kept until their window has passed.
    has_repeats: bool,
    /// Up to this `seq` no id is lost if a start does not look for it there.
    ids_kept: u64,
    /// Messages that were deleted since the start.
    deleted: u64,
}

/// The fewest rows that a step looks at or deletes: some 2 ms, which is what a publish may have to
/// wait for it. A larger batch brings a larger step, so that deleting keeps up with publishing.
const STEP_ROWS: usize = 512;

/// How far a [`Housekeeping`] was.
#[derive(Debug)]
pub(crate) struct Progress {
    sweeps: Vec<Sweep>,
    audited: Option<u64>,
    ids_kept: u64,
    deleted: u64,
}

/// A message that is to be deleted.
struct Doomed {
    seq: u64,
    nth: u64,
    at: u64,
    bytes: u64,
    id: String,
}

impl Housekeeping {
    pub(crate) fn new(chain: &Chain, has_repeats: bool) -> Self {
        Self {
            over: VecDeque::new(),
            sweeps: vec![Sweep::default(); chain.accounts().as_slice().len()],
            audited: Some(0),
            has_repeats,
            ids_kept: 0,
            deleted: 0,
        }
    }

    /// How far everything is, for [`Housekeeping::go_back`].
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            sweeps: self.sweeps.clone(),
            audited: self.audited,
            ids_kept: self.ids_kept,
            deleted: self.deleted,
        }
    }

    /// How many messages were deleted since the start.
    pub(crate) fn deleted(&self) -> u64 {
        self.deleted
    }

    /// The last step's transaction failed: it is to be done again. The channels that it took from
    /// the list of those that are over come back by themselves, when they fill their next block.
    pub(crate) fn go_back(&mut self, progress: Progress) {
        self.sweeps = progress.sweeps;
        self.audited = progress.audited;
        self.ids_kept = progress.ids_kept;
        self.deleted = progress.deleted;
        self.has_repeats = true;
    }

    /// A message has filled a block of its channel, and the oldest block is too many.
    pub(crate) fn push_over(&mut self, name: &ChannelName) {
        self.over.push_back(name.clone());
    }

    /// Whether a step would do something now.
    pub(crate) fn is_due(&self, chain: &Chain, now: u64) -> bool {
        let accounts = chain.accounts().as_slice();
        self.audited.is_some()
            || !self.over.is_empty()
            || accounts.iter().zip(&self.sweeps).any(|(account, sweep)| {
                sweep.is_due(account.retention, account.bytes, chain.head(), now)
            })
    }

    /// Does a little of everything that is due, beside a batch of `batch` messages.
    pub(crate) fn step(
        &mut self,
        connection: &Connection,
        chain: &mut Chain,
        batch: usize,
        now: u64,
    ) -> rusqlite::Result<()> {
        let rows = STEP_ROWS.max(2 * batch);
        save_channels(connection, &chain.settle(rows))?;
        self.audit(connection, chain, rows)?;
        self.delete_blocks(connection, chain, rows, now)?;
        for account in 0..self.sweeps.len() {
            self.sweep(connection, chain, account, rows, now)?;
        }
        self.forget_repeats(connection, chain, rows, now)
    }

    /// Looks for channels that a bound lower than at the last run makes too long.
    fn audit(
        &mut self,
        connection: &Connection,
        chain: &Chain,
        rows: usize,
    ) -> rusqlite::Result<()> {
        let Some(audited) = self.audited else {
            return Ok(());
        };
        let mut statement = connection.prepare_cached(
            "SELECT name, id, first, head, head_nth, floor, floor_nth FROM channel
             WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut found = statement.query((audited, rows))?;
        self.audited = None;
        while let Some(row) = found.next()? {
            let channel = channel_in(row, 1)?;
            self.audited = Some(channel.id);
            let name = name_in(row, 0)?;
            if chain.block_over(&name, &channel).is_some() {
                self.over.push_back(name);
            }
        }
        Ok(())
    }

    /// Deletes the oldest blocks of channels that are over their bound of messages.
    fn delete_blocks(
        &mut self,
        connection: &Connection,
        chain: &mut Chain,
        rows: usize,
        now: u64,
    ) -> rusqlite::Result<()> {
        let mut deleted = 0;
        while deleted < rows
            && let Some(name) = self.over.pop_front()
        {
            let Some(channel) = known(connection, chain, &name)? else {
                continue;
            };
            if chain.block_over(&name, &channel).is_none() {
                continue;
            }
            let block = oldest_block(connection, &channel)?;
            deleted += block.len();
            self.delete(connection, chain, &name, channel, &block, now)?;
            self.over.push_back(name);
        }
        Ok(())
    }

    /// Goes on with an account's sweep from the log's old end.
    fn sweep(
        &mut self,
        connection: &Connection,
        chain: &mut Chain,
        account: usize,
        rows: usize,
        now: u64,
    ) -> rusqlite::Result<()> {
        let settings = &chain.accounts().as_slice()[account];
        let (retention, bytes) = (settings.retention, settings.bytes);
        let mut sweep = self.sweeps[account];
        let head = chain.head();
        if !sweep.is_due(retention, bytes, head, now) {
            return Ok(());
        }
        let window = window(connection, chain, sweep.after, rows)?;
        let end = (window.len() < rows).then_some(head);
        let candidates: Vec<_> = window.iter().map(|(_, candidate, _)| *candidate).collect();
        let swept = sweep.step(&candidates, end, account, retention, bytes, now);
        let mut doomed: BTreeMap<ChannelName, Vec<Doomed>> = BTreeMap::new();
        let mut window: Vec<_> = window.into_iter().map(Some).collect();
        for index in swept.delete {
            if let Some((name, _, message)) = window[index].take() {
                doomed.entry(name).or_default().push(message);
            }
        }
        for (name, messages) in &doomed {
            if let Some(channel) = known(connection, chain, name)? {
                self.delete(connection, chain, name, channel, messages, now)?;
            }
        }
        if swept.is_empty {
            // Nothing is left, so that the sum is nothing, whatever was added up.
            chain.free(account, u64::MAX);
        }
        self.sweeps[account] = sweep;
        Ok(())
    }

    /// Deletes the oldest messages of a channel, in the order of `seq`.
    fn delete(
        &mut self,
        connection: &Connection,
        chain: &mut Chain,
        name: &ChannelName,
        channel: Channel,
        messages: &[Doomed],
        now: u64,
    ) -> rusqlite::Result<()> {
        let Some(last) = messages.last() else {
            return Ok(());
        };
        let mut delete = connection.prepare_cached("DELETE FROM message WHERE seq = ?1")?;
        let mut remember =
            connection.prepare_cached("INSERT OR REPLACE INTO repeat VALUES (?1, ?2, ?3, ?4)")?;
        let mut bytes = 0;
        for message in messages {
            delete.execute([message.seq])?;
            bytes += message.bytes;
            if chain.recent.covers(message.at, now) {
                remember.execute((message.seq, name.as_str(), &message.id, message.at))?;
                self.has_repeats = true;
            }
        }
        self.deleted += messages.len() as u64;
        let account = chain.accounts().of(name, &chain.policies);
        chain.free(account, bytes);
        let channel = chain.raise_floor(name, channel, last.seq, last.nth);
        connection
            .prepare_cached("DELETE FROM skip WHERE channel = ?1 AND seq <= ?2")?
            .execute((channel.id, channel.floor))?;
        if channel.kept() > 0 {
            return save_channel(connection, &channel);
        }
        connection
            .prepare_cached("DELETE FROM channel WHERE id = ?1")?
            .execute([channel.id])?;
        connection
            .prepare_cached(
                "INSERT INTO forgotten VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET floor = max(floor, ?2)",
            )?
            .execute((Forgotten::bucket(name) as u64, channel.head))
            .map(drop)
    }

    /// To be called before `draft` is stored. A start looks for the window's ids from the log's end back to the
    /// first message that is older, which one from elsewhere may be. So the ids of those before it are kept as
    /// the ids of deleted messages are.
    pub(crate) fn keep_ids(
        &mut self,
        connection: &Connection,
        chain: &Chain,
        draft: &Draft,
        now: u64,
    ) -> rusqlite::Result<()> {
        let head = chain.head();
        if chain.recent.covers(draft.said_at(now), now) {
            return Ok(());
        }
        let after = std::mem::replace(&mut self.ids_kept, head + 1);
        if after == head {
            return Ok(());
        }
        let mut newest = connection.prepare_cached(
            "SELECT m.seq, m.at, m.id, c.name FROM message m JOIN channel c ON c.id = m.channel
             WHERE m.seq > ?1 ORDER BY m.seq DESC LIMIT ?2",
        )?;
        let mut keep =
            connection.prepare_cached("INSERT OR REPLACE INTO repeat VALUES (?1, ?4, ?3, ?2)")?;
        let mut rows = newest.query((after, DEDUP_KEYS_MAX))?;
        while let Some(row) = rows.next()? {
            let (seq, at): (u64, u64) = (row.get(0)?, row.get(1)?);
            if !chain.recent.covers(at, now) {
                break;
            }
            let (id, name): (String, String) = (row.get(2)?, row.get(3)?);
            keep.execute((seq, at, id, name))?;
            self.has_repeats = true;
        }
        Ok(())
    }

    /// Forgets ids of deleted messages whose window has passed.
    fn forget_repeats(
        &mut self,
        connection: &Connection,
        chain: &Chain,
        rows: usize,
        now: u64,
    ) -> rusqlite::Result<()> {
        if !self.has_repeats {
            return Ok(());
        }
        let mut statement =
            connection.prepare_cached("SELECT seq, at FROM repeat ORDER BY seq LIMIT ?1")?;
        let oldest = statement.query_map([rows], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let oldest: Vec<(u64, u64)> = oldest.collect::<Result<_, _>>()?;
        self.has_repeats = !oldest.is_empty();
        let passed = oldest
            .iter()
            .take_while(|(_, at)| !chain.recent.covers(*at, now));
        if let Some((last, _)) = passed.last() {
            connection
                .prepare_cached("DELETE FROM repeat WHERE seq <= ?1")?
                .execute([last])?;
        }
        Ok(())
    }
}

/// The channel as the writer knows it, or reads it now.
pub(crate) fn known(
    connection: &Connection,
    chain: &mut Chain,
    name: &ChannelName,
) -> rusqlite::Result<Option<Channel>> {
    if let Some(channel) = chain.channels.find(name) {
        return Ok(Some(channel));
    }
    let found = find_channel(connection, name)?;
    if let Some(channel) = found {
        chain.channels.learn(name, channel);
    }
    Ok(found)
}

/// The messages up to the channel's first row in `skip`, oldest first.
fn oldest_block(connection: &Connection, channel: &Channel) -> rusqlite::Result<Vec<Doomed>> {
    let mut seq: u64 = connection
        .prepare_cached(
            "SELECT seq FROM skip WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT 1",
        )?
        .query_row((channel.id, channel.floor), |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "SELECT seq, nth, at, octet_length(data), id, prev FROM message WHERE seq = ?1",
    )?;
    let mut block = Vec::new();
    while seq > channel.floor {
        let (message, prev) =
            statement.query_row([seq], |row| Ok((doomed_in(row)?, row.get(5)?)))?;
        block.push(message);
        seq = prev;
    }
    block.reverse();
    Ok(block)
}

/// The log's oldest `rows` messages after `after`.
fn window(
    connection: &Connection,
    chain: &Chain,
    after: u64,
    rows: usize,
) -> rusqlite::Result<Vec<(ChannelName, Candidate, Doomed)>> {
    let mut statement = connection.prepare_cached(
        "SELECT m.seq, m.nth, m.at, octet_length(m.data), m.id, c.name
         FROM message m JOIN channel c ON c.id = m.channel
         WHERE m.seq > ?1 ORDER BY m.seq LIMIT ?2",
    )?;
    let mut found = statement.query((after, rows))?;
    let mut window = Vec::new();
    while let Some(row) = found.next()? {
        let name = name_in(row, 5)?;
        let message = doomed_in(row)?;
        let candidate = Candidate {
            seq: message.seq,
            at: message.at,
            bytes: message.bytes,
            account: chain.accounts().of(&name, &chain.policies),
        };
        window.push((name, candidate, message));
    }
    Ok(window)
}

fn doomed_in(row: &rusqlite::Row<'_>) -> rusqlite::Result<Doomed> {
    Ok(Doomed {
        seq: row.get(0)?,
        nth: row.get(1)?,
        at: row.get(2)?,
        bytes: row.get(3)?,
        id: row.get(4)?,
    })
}
