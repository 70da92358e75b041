//! The writer: one thread that stores everything, a batch at a time (shell).
//!
//! It takes all publishes that wait, appends them in one transaction, commits, and only then, in this
//! order: lets readers find them, moves the head, tells the watchers, answers the publishers. A
//! watcher that subscribes in between hears the batch or finds the head behind it, never neither; and
//! whoever was answered or told finds the message by reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidings_engine::{Batch, Draft, EngineError, Notice, Published, Responder};
use tidings_wire::{Encoded, Event, Message};

use crate::chain::Chain;
use crate::error::{Fault, engine_error};
use crate::housekeeping::{Housekeeping, known};
use crate::queue::Work;
use crate::rows::{Inserter, forgotten_floor, save_account, save_channels};
use crate::schema::meta;
use crate::shared::{Shared, lock};
use crate::statistics::{Files, LOOK_EVERY, oldest};

/// The log's writing end.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) chain: Chain,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) shared: Arc<Shared>,
    pub(crate) files: Files,
    /// When to look for what cannot be counted.
    pub(crate) next_look: Instant,
    pub(crate) batch_messages_max: usize,
    pub(crate) batch_bytes_max: usize,
    pub(crate) wal: Wal,
    /// Why nothing can be stored any more, until the log is opened again.
    pub(crate) broken: Option<String>,
    /// What kept the last batch from being stored, so that it is reported once and not by the batch.
    pub(crate) trouble: Option<Fault>,
    /// When to try housekeeping again after it failed.
    pub(crate) resting_until: Option<Instant>,
}

/// How often an idle writer looks whether retention has something to delete.
const IDLE_TICK: Duration = Duration::from_millis(250);

/// How long housekeeping rests after it failed, so that publishing goes on without it.
const HOUSEKEEPING_REST: Duration = Duration::from_secs(10);

/// When the WAL has grown to so many times [`LogConfig::wal_pages`](crate::LogConfig::wal_pages) (64
/// MiB by default) the writer waits for readers, so that it can begin the WAL anew; only a foreign
/// process that holds a snapshot can keep it from that.
pub const WAL_GROWTH_MAX: u64 = 4;

/// How long the writer waits for readers when the WAL is too long, in milliseconds.
const WAL_BUSY_MS: u64 = 100;

/// What a transaction stored.
struct Stored {
    answers: Vec<Published>,
    events: Vec<Arc<Encoded>>,
    /// Of data, in the events.
    bytes: u64,
}

impl Writer {
    /// Stores what comes until it is told to close.
    pub(crate) fn run(mut self) {
        loop {
            let work = self.next_work();
            let is_last = work.is_last;
            self.store(work);
            if Instant::now() >= self.next_look {
                self.look();
            }
            if is_last {
                return self.close();
            }
        }
    }

    /// Everything that waits, within a batch's bounds; nothing if there is nothing and housekeeping
    /// is due.
    fn next_work(&mut self) -> Work {
        let wait = match self.is_housekeeping_due() {
            true => Duration::ZERO,
            false => IDLE_TICK,
        };
        let queue = &self.shared.queue;
        queue.take(wait, self.batch_messages_max, self.batch_bytes_max)
    }

    fn is_housekeeping_due(&self) -> bool {
        let is_resting = self
            .resting_until
            .is_some_and(|until| Instant::now() < until);
        let now = self.shared.clock.now();
        self.broken.is_none() && !is_resting && self.housekeeping.is_due(&self.chain, now)
    }

    fn store(&mut self, work: Work) {
        if let Some(detail) = &self.broken {
            if !work.drafts.is_empty() {
                lock(&self.shared.statistics).commits_failed += 1;
            }
            for (_, responder) in work.drafts {
                responder.answer(Err(EngineError::Failed(detail.clone())));
            }
            return;
        }
        let is_resting = self
            .resting_until
            .is_some_and(|until| Instant::now() < until);
        if work.drafts.is_empty() && !self.is_housekeeping_due() {
            return;
        }
        let after = self.chain.head();
        let now = self.shared.clock.now();
        let mut begun = Instant::now();
        let mut result = self.transact(&work.drafts, now, !is_resting);
        if result.is_err() && !is_resting {
            // It may be housekeeping alone that fails, and publishing must not fail for it.
            self.resting_until = Some(Instant::now() + HOUSEKEEPING_REST);
            begun = Instant::now();
            result = self.transact(&work.drafts, now, false);
        }
        match result {
            Ok(stored) => {
                if self.trouble.take().is_some() {
                    tracing::info!("messages are stored again");
                }
                self.count(&stored, begun.elapsed());
                self.tell(after, stored, work.drafts);
            }
            Err(error) => self.refuse(&error, work.drafts, now),
        }
        self.bound_wal();
    }

    /// One transaction, all of it or nothing.
    fn transact(
        &mut self,
        drafts: &[(Draft, Responder<Published>)],
        now: u64,
        with_housekeeping: bool,
    ) -> rusqlite::Result<Stored> {
        let progress = self.housekeeping.progress();
        let result = self.write(drafts, now, with_housekeeping);
        match result {
            Ok(stored) => {
                let changed = self.chain.commit(now);
                self.shared.committed(changed, self.chain.head());
                Ok(stored)
            }
            Err(error) => {
                // SQLite has rolled back by itself where it had to.
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                self.chain.rollback();
                self.housekeeping.go_back(progress);
                Err(error)
            }
        }
    }

    fn write(
        &mut self,
        drafts: &[(Draft, Responder<Published>)],
        now: u64,
        with_housekeeping: bool,
    ) -> rusqlite::Result<Stored> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let stored = self.append(drafts, now)?;
        if with_housekeeping {
            self.housekeeping
                .step(&self.connection, &mut self.chain, drafts.len(), now)?;
        }
        self.write_sums()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(stored)
    }

    fn append(
        &mut self,
        drafts: &[(Draft, Responder<Published>)],
        now: u64,
    ) -> rusqlite::Result<Stored> {
        let mut answers = Vec::with_capacity(drafts.len());
        let mut events = Vec::with_capacity(drafts.len());
        let mut bytes = 0;
        let mut messages = Inserter::new(&self.connection)?;
        for (draft, _) in drafts {
            let key = self.chain.recent.key(&draft.channel, &draft.id);
            if let Some(before) = self.chain.repeated_as(key, draft, now) {
                answers.push(before);
                continue;
            }
            let channel = match known(&self.connection, &mut self.chain, &draft.channel)? {
                Some(channel) => Ok(channel),
                None => Err(forgotten_floor(&self.connection, &draft.channel)?),
            };
            self.housekeeping
                .keep_ids(&self.connection, &self.chain, draft, now)?;
            let row = self.chain.append(draft, key, channel, now);
            messages.insert(draft, &row)?;
            if row.is_over {
                self.housekeeping.push_over(&draft.channel);
            }
            bytes += draft.data.len() as u64;
            answers.push(Published {
                seq: row.seq,
                id: draft.id.clone(),
                at: row.at,
                repeated: false,
            });
            let message = Message {
                channel: draft.channel.clone(),
                seq: row.seq,
                prev: row.prev,
                id: draft.id.clone(),
                at: row.at,
                from: draft.from.clone(),
                data: draft.data.clone(),
            };
            events.push(self.shared.encoded(Event::Message(Arc::new(message))));
        }
        Ok(Stored {
            answers,
            events,
            bytes,
        })
    }

    /// The few values that are right with every commit: they share a page or two.
    fn write_sums(&mut self) -> rusqlite::Result<()> {
        meta::write(&self.connection, meta::HEAD, self.chain.head())?;
        meta::write(&self.connection, meta::SETTLED, self.chain.settled())?;
        for account in self.chain.accounts().as_slice() {
            if account.is_changed {
                save_account(&self.connection, &account.name, account.bytes)?;
            }
        }
        Ok(())
    }

    /// Counts a batch. A transaction of housekeeping alone is none.
    fn count(&self, stored: &Stored, took: Duration) {
        let (answers, messages) = (stored.answers.len(), stored.events.len());
        if answers == 0 {
            return;
        }
        let mut statistics = lock(&self.shared.statistics);
        statistics.commit_messages.observe(messages as u64);
        statistics.commit_durations.observe_duration(took);
        statistics.stored_bytes += stored.bytes;
        statistics.repeated += (answers - messages) as u64;
    }

    /// Looks for what cannot be counted.
    pub(crate) fn look(&mut self) {
        self.next_look = Instant::now() + LOOK_EVERY;
        let oldest = oldest(&self.connection);
        let (database_bytes, wal_bytes) = self.files.sizes();
        let accounts = self.chain.accounts().as_slice();
        let mut statistics = lock(&self.shared.statistics);
        statistics.deleted = self.housekeeping.deleted();
        statistics.oldest = oldest;
        statistics.kept_bytes = accounts.iter().map(|account| account.bytes).sum();
        statistics.database_bytes = database_bytes;
        statistics.wal_bytes = wal_bytes;
    }

    fn tell(&mut self, after: u64, stored: Stored, drafts: Vec<(Draft, Responder<Published>)>) {
        let Stored {
            answers, events, ..
        } = stored;
        if !events.is_empty() {
            let batch = Batch {
                log: 0,
                after,
                events,
            };
            self.shared
                .notifier
                .tell(Notice::Committed(Arc::new(batch)));
        }
        for ((_, responder), published) in drafts.into_iter().zip(answers) {
            responder.answer(Ok(published));
        }
    }

    /// Nothing of the batch was stored. What was stored before is answered all the same.
    fn refuse(
        &mut self,
        error: &rusqlite::Error,
        drafts: Vec<(Draft, Responder<Published>)>,
        now: u64,
    ) {
        if !drafts.is_empty() {
            lock(&self.shared.statistics).commits_failed += 1;
        }
        let fault = Fault::of(error);
        if self.trouble.replace(fault) != Some(fault) {
            tracing::error!(%error, "messages cannot be stored");
        }
        if fault.is_lasting() {
            self.broken = Some(format!(
                "{error}; nothing is stored until the server was started again"
            ));
        }
        let refusal = engine_error(error);
        for (draft, responder) in drafts {
            let before = self.chain.repeated(&draft, now);
            responder.answer(before.ok_or_else(|| refusal.clone()));
        }
    }

    /// Keeps the WAL short. Failing is no harm: what it has is safe, and the next try comes.
    fn bound_wal(&mut self) {
        let frames = self.wal.frames();
        if !self.wal.is_due(frames) {
            return;
        }
        let mode = if frames < self.wal.soft * WAL_GROWTH_MAX {
            "PASSIVE"
        } else {
            "RESTART"
        };
        let result =
            self.connection
                .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                    row.get::<_, u32>(0)
                });
        match result {
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be taken over");
                let fault = Fault::of(&error);
                if fault.is_lasting() {
                    self.broken = Some(format!(
                        "{error}; nothing is stored until the server was started again"
                    ));
                }
            }
        }
        self.wal.tried(frames);
    }

    /// Leaves the file so that a start has nothing to do.
    fn close(mut self) {
        if self.broken.is_none() {
            let result = self.settle_and_mark();
            if let Err(error) = result {
                tracing::warn!(%error, "the log was not closed cleanly; its next start will see to it");
            }
        }
        // What cannot be closed is closed with the process.
        let _ = self.connection.close();
    }

    fn settle_and_mark(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        save_channels(&transaction, &self.chain.settle_all())?;
        meta::write(&transaction, meta::SETTLED, self.chain.settled())?;
        meta::write(&transaction, meta::CLOSED, 1)?;
        transaction.commit()?;
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

/// How long the WAL is, as SQLite tells after each commit.
#[derive(Debug)]
pub(crate) struct Wal {
    frames: Arc<AtomicU64>,
    /// At which length to take it over first.
    soft: u64,
    /// At which length to try next.
    next: u64,
}

impl Wal {
    /// Listens to `connection`.
    pub(crate) fn of(connection: &mut Connection, soft: u64) -> rusqlite::Result<Self> {
        let frames = Arc::new(AtomicU64::new(0));
        let told = frames.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            told.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        connection.busy_timeout(Duration::from_millis(WAL_BUSY_MS))?;
        Ok(Self {
            frames,
            soft,
            next: soft,
        })
    }

    fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    fn is_due(&mut self, frames: u64) -> bool {
        // It began anew.
        if frames < self.soft {
            self.next = self.soft;
        }
        frames >= self.next
    }

    fn tried(&mut self, frames: u64) {
        self.next = frames + self.soft.div_ceil(WAL_GROWTH_MAX);
    }
}
