//! Following a log: each message as its stream tells of it, and what was missed from the stream itself.
//!
//! A stream republishes what it has stored, with its place. Places follow each other without a hole, so that a hole in
//! what is heard is something missed: it is read and told before what comes behind it. What was missed at the end shows
//! in nothing that comes later; so the stream is asked how far it goes whenever the connection broke, and every second.
//!
//! A stream may have lost its end meanwhile, and may go as far as before with others' messages: so nothing that comes over
//! another connection is taken before the newest message that was heard over the last one has been seen to be where it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::header::NATS_SEQUENCE;
use async_nats::{Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tidings_engine::{Batch, Notice};
use tidings_wire::{Event, Message as Told};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::api::{self, ApiError, Range, Stored, Which};
use crate::record::Record;
use crate::shared::{Shared, lock};

/// How long the end of a stream may be missed unnoticed when the connection is well, such as when two NATS servers have
/// lost each other; and soon enough for readers to know that its leader is one. One small request a stream and second.
const TAIL_CHECK: Duration = Duration::from_secs(1);

/// For how long a stream must end before what was heard of it until it is certain that it has lost its end: a leader
/// that the others have lost says so too, until it steps down.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How many messages are told at a time.
const BATCH_MAX: usize = 512;

/// A larger gap is not read for everybody: those who follow read what is theirs.
const FILL_MAX: u64 = 10_000;

/// How many messages are read at a time to fill a gap, and how many bytes.
const FILL_STEP: usize = 256;
const FILL_BYTES: usize = 4 << 20;

/// How soon a read that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    log: usize,
    /// Everything up to here was heard, or is there no more.
    heard: u64,
    /// Everything up to here was told.
    told: u64,
    /// Since when the stream is said to end before what was heard.
    short_since: Option<Instant>,
    /// The connection over which the stream was seen to have what was heard; what comes over another one is not taken.
    connection: u64,
    /// The newest message that was heard.
    newest: Option<Arc<Told>>,
    /// The newest one of when something may have been missed, until it has been seen to be where it was.
    doubted: Option<Arc<Told>>,
    batch: Vec<Arc<tidings_wire::Encoded>>,
}

impl Follower {
    /// Follows `log` from behind `start`, where `newest` is, if it is still there, as `connection` has told.
    pub(crate) fn new(
        shared: Arc<Shared>,
        log: usize,
        connection: u64,
        start: u64,
        newest: Option<Stored>,
    ) -> Self {
        let newest = newest.and_then(|it| Some((it.seq, it.record?)));
        Self {
            shared,
            log,
            heard: start,
            told: start,
            short_since: None,
            connection,
            newest: newest.map(|(seq, record)| Arc::new(record.into_message(seq))),
            doubted: None,
            batch: Vec::new(),
        }
    }

    /// Goes on until the connection is closed for good.
    pub(crate) async fn run(mut self, mut live: Subscriber) {
        let mut breaks = self.shared.link.breaks();
        let mut check = interval(TAIL_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // What comes after a break is taken when what was before it is certain.
                biased;
                changed = breaks.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.doubt();
                    self.check_tail().await;
                }
                _ = check.tick() => self.check_tail().await,
                message = live.next() => {
                    let Some(message) = message else { return };
                    self.hear(message).await;
                    for _ in 1..BATCH_MAX {
                        let Some(Some(message)) = live.next().now_or_never() else { break };
                        self.hear(message).await;
                    }
                    self.tell();
                    // What was left is no sign that the stream answers.
                    if self.is_certain() {
                        self.shared.link.answered(self.log);
                    }
                }
            }
        }
    }

    async fn hear(&mut self, message: Message) {
        let Some(seq) = api::number(&message, NATS_SEQUENCE.as_ref()) else {
            return tracing::warn!(subject = %message.subject, "what is not a stream's is told as if it were; is somebody publishing there?");
        };
        if seq <= self.heard || !self.is_certain() {
            return;
        }
        if seq > self.heard + 1 {
            self.shared.count(|it| it.gaps += 1);
            if !self.fill(seq - 1).await {
                return;
            }
        }
        self.shared.count(|it| it.heard += 1);
        self.take(api::of_message(seq, &message));
    }

    /// Whether the stream behind this connection is known to have what was heard. What comes while it is not is left, and read
    /// from the stream when it is.
    fn is_certain(&self) -> bool {
        self.shared.api.connection() == self.connection
    }

    /// Takes the next message.
    fn take(&mut self, Stored { seq, record }: Stored) {
        self.heard = seq;
        let Some(record) = record else { return };
        lock(&self.shared.known).hear(&record.channel, seq);
        let message = Arc::new(record.into_message(seq));
        self.newest = Some(message.clone());
        self.batch
            .push(self.shared.encoded(Event::Message(message), self.log));
        if self.batch.len() >= BATCH_MAX {
            self.tell();
        }
    }

    /// Tells the watchers of what has come.
    fn tell(&mut self) {
        let is_last_ours = self.batch.last().and_then(|it| it.seq()) == Some(self.heard);
        if !self.batch.is_empty() {
            let events = std::mem::take(&mut self.batch);
            let batch = Batch {
                log: self.log,
                after: self.told,
                events,
            };
            self.told = batch.head();
            self.shared.raise_head(self.log, self.told);
            self.shared
                .notifier
                .tell(Notice::Committed(Arc::new(batch)));
        }
        if self.told < self.heard && !is_last_ours {
            // What is there behind it is nobody's, or there no more.
            self.jump(self.heard);
        }
    }

    /// Tells the watchers that nothing will be told up to `to`.
    fn jump(&mut self, to: u64) {
        (self.heard, self.told) = (to, to);
        self.shared.raise_head(self.log, to);
        let batch = Batch {
            log: self.log,
            after: to,
            events: Vec::new(),
        };
        self.shared
            .notifier
            .tell(Notice::Committed(Arc::new(batch)));
    }

    /// Takes what the stream has up to `to`, of which nobody told. Whether it was taken, and not [uncertain](Self::is_certain).
    async fn fill(&mut self, to: u64) -> bool {
        if to - self.heard > FILL_MAX {
            self.tell();
            self.shared.count(|it| it.jumps += 1);
            // The last one is read nevertheless: by it is seen later whether the stream is what it was.
            self.jump(to - 1);
        }
        while self.heard < to {
            let read = self.read_on().await;
            if !self.is_certain() {
                return false;
            }
            match read {
                Ok(read) if read.first().is_none_or(|first| first.seq > to) => {
                    // They are deleted, or whoever was asked does not have them: whoever follows looks for themselves.
                    self.tell();
                    self.jump(to);
                }
                Ok(read) => {
                    for stored in read.into_iter().take_while(|it| it.seq <= to) {
                        self.shared.count(|it| it.filled += 1);
                        self.take(stored);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, log = self.log, "a gap cannot be read yet");
                    self.bear_silence().await;
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
        true
    }

    /// The stream does not answer. When that has lasted, it may be our server that has lost the others: another one is tried.
    async fn bear_silence(&self) {
        let Shared {
            api, layout, link, ..
        } = &*self.shared;
        if link.unanswered(self.log) {
            let stream = &layout.logs()[self.log].stream;
            tracing::warn!(
                stream,
                "the stream does not answer; trying another NATS server"
            );
            let _ = api.client().force_reconnect().await;
        }
    }

    /// Some messages behind what was heard; none: the stream has none.
    async fn read_on(&self) -> Result<Vec<Stored>, ApiError> {
        let Shared { api, layout, .. } = &*self.shared;
        let place = &layout.logs()[self.log];
        let range = Range {
            from: self.heard + 1,
            subject: &place.all_stored(),
            count: FILL_STEP,
            bytes: FILL_BYTES,
        };
        let (read, was_late) = api.read_on(&place.stream, range).await?;
        self.shared.count(|it| it.stale += u64::from(was_late));
        Ok(read)
    }

    /// The stream may not be what it was.
    fn doubt(&mut self) {
        self.doubted = self.doubted.take().or_else(|| self.newest.clone());
    }

    /// Whether the stream has another message in the place of this one.
    async fn has_another_for(&self, heard: &Told) -> Result<bool, ApiError> {
        let Shared { api, layout, .. } = &*self.shared;
        let stream = &layout.logs()[self.log].stream;
        let stored = api.get(stream, Which::At { seq: heard.seq }).await?;
        // One that was deleted meanwhile cannot be compared with.
        Ok(stored.is_some_and(|stored| {
            let is_same = |record: &Record| {
                let Told {
                    channel, id, at, ..
                } = heard;
                (&record.channel, &record.id, record.at) == (channel, id, *at)
            };
            !stored.record.as_ref().is_some_and(is_same)
        }))
    }

    /// Whether the stream behind `connection` has another message in the place of one that is doubted. If not, nothing is
    /// doubted any more.
    async fn is_replaced(&mut self, connection: u64) -> Result<bool, ApiError> {
        let newest = self.newest.as_ref();
        let of_before =
            newest.filter(|it| connection != self.connection && self.doubted.as_ref() != Some(it));
        for heard in self.doubted.iter().chain(of_before) {
            if self.has_another_for(heard).await? {
                return Ok(true);
            }
        }
        (self.connection, self.doubted) = (connection, None);
        Ok(false)
    }

    /// Takes what the end of the stream has and nobody told of.
    async fn check_tail(&mut self) {
        let connection = self.shared.api.connection();
        let last = match self.shared.extent(self.log).await {
            Ok(extent) if extent.epoch.as_ref() != Some(&self.shared.epochs[self.log]) => {
                return self.shared.is_another(self.log);
            }
            Ok(extent) => extent.last,
            Err(error) => {
                tracing::debug!(%error, log = self.log, "how far the stream goes cannot be asked");
                self.doubt();
                return self.bear_silence().await;
            }
        };
        self.shared.link.answered(self.log);
        if last < self.heard {
            self.doubt();
            if self.short_since.get_or_insert_with(Instant::now).elapsed() > LOST_AFTER {
                self.shared.has_lost_its_end(self.log);
            }
            return;
        }
        self.short_since = None;
        match self.is_replaced(connection).await {
            Ok(false) => {}
            Ok(true) => {
                self.shared.has_lost_its_end(self.log);
                return;
            }
            Err(error) => {
                return tracing::debug!(%error, log = self.log, "what was heard cannot be looked for");
            }
        }
        if last > self.heard {
            self.shared.count(|it| it.gaps += 1);
            self.fill(last).await;
            self.tell();
        }
    }
}
