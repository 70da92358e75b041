//! Reading back what a channel's stream keeps.
//!
//! Any server of a stream answers for what it has, which may be a little less than there is; the leader says what the
//! newest message is, and an answer that does not reach it is asked for again there. Each message names the one before
//! it, so that a page shows by itself whether something was deleted before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_engine::{EngineError, Page, Query};
use tokio::time::sleep;

use crate::api::{ApiError, Range, Stored, Which};
use crate::layout::LogPlace;
use crate::shared::Shared;

/// How many messages a page has at most.
pub const PAGE_MESSAGES_MAX: usize = 1000;

/// A page ends behind the message that makes it larger than this.
pub const PAGE_BYTES_MAX: usize = 1 << 20;

/// How much further back is looked each time that a channel's messages are sparser than they seemed.
const WIDEN: u64 = 4;

/// How long a read is tried for: as a publish, a planned change of leader is waited for, an election is not.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// How soon it is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Reads one page.
pub(crate) async fn read(shared: &Shared, query: &Query) -> Result<Page, EngineError> {
    let log = shared.layout.log_of(&query.channel);
    let started = Instant::now();
    loop {
        shared.check(log)?;
        match try_read(shared, log, query).await {
            Ok(page) => return Ok(page),
            Err(error) if error.is_passing() && started.elapsed() < READ_WITHIN => {
                sleep(AGAIN_AFTER).await;
            }
            Err(error) => return Err(error.into_engine_error()),
        }
    }
}

async fn try_read(shared: &Shared, log: usize, query: &Query) -> Result<Page, ApiError> {
    let lease = shared.lease(log).await?;
    let place = &shared.layout.logs()[log];
    let subject = shared.layout.subject(&query.channel);
    let before = query.before.unwrap_or(u64::MAX);
    // What the leader says from here on holds for all that anybody has been told of.
    let head = shared.head(log);
    let stream = &place.stream;
    let last = Which::Last {
        last_by_subj: &subject,
    };
    let first = Which::Next {
        seq: 1,
        next_by_subj: &subject,
    };
    let newest = shared.api.get(stream, last);
    let oldest = shared.api.get(stream, first);
    let (newest, oldest) = tokio::try_join!(newest, oldest)?;
    let reading = Reading {
        shared,
        log,
        place,
        subject,
        newest,
        oldest,
    };
    let limit = query.limit.min(PAGE_MESSAGES_MAX);
    let page = match query.after {
        Some(after) => reading.after(after, before, limit).await?,
        None => reading.newest(before, limit).await?,
    };
    if !lease.holds(shared.api.connection()) {
        // Whoever has said what the newest message is may have lost the others, which have newer ones.
        return Err(ApiError::unled());
    }
    let head = shared.raise_head(log, head.max(reading.newest_seq()));
    Ok(Page { head, ..page })
}

/// `seq` of the message before this one in its channel, if it is there and is one of ours.
fn prev(stored: Option<&Stored>) -> Option<u64> {
    stored?.record.as_ref().map(|it| it.prev)
}

struct Reading<'a> {
    shared: &'a Shared,
    log: usize,
    place: &'a LogPlace,
    subject: String,
    /// The channel's newest message, as the leader has it.
    newest: Option<Stored>,
    /// Its oldest one.
    oldest: Option<Stored>,
}

impl Reading<'_> {
    fn newest_seq(&self) -> u64 {
        self.newest.as_ref().map_or(0, |it| it.seq)
    }

    fn oldest_seq(&self) -> u64 {
        self.oldest.as_ref().map_or(0, |it| it.seq)
    }

    /// The oldest `limit` between `after` and `before`.
    async fn after(&self, after: u64, before: u64, limit: usize) -> Result<Page, ApiError> {
        let (mut messages, mut more) = self
            .collect(after.saturating_add(1), before.saturating_sub(1), limit + 1)
            .await?;
        if messages.len() > limit {
            messages.truncate(limit);
            more = true;
        }
        let truncated = self.is_truncated(after, messages.first()).await?;
        Ok(self.page(messages, more, truncated))
    }

    /// The newest `limit` before `before`.
    async fn newest(&self, before: u64, limit: usize) -> Result<Page, ApiError> {
        let oldest = self.oldest_seq();
        let end = self.newest_seq().min(before.saturating_sub(1));
        let mut messages = VecDeque::new();
        if oldest > 0 && oldest <= end && limit > 0 {
            let mut span = self.distance().saturating_mul(2 * limit as u64);
            let mut to = end;
            loop {
                let from = oldest.max((to + 1).saturating_sub(span));
                self.collect_newest(from, to, limit, &mut messages).await?;
                if messages.len() >= limit || from == oldest {
                    break;
                }
                to = from - 1;
                span = span.saturating_mul(WIDEN);
            }
        }
        let first = messages.front().map_or(end + 1, |it: &Stored| it.seq);
        let more = oldest > 0 && oldest < first;
        let truncated = !more && prev(self.oldest.as_ref()).is_some_and(|prev| prev > 0);
        Ok(self.page(messages.into(), more, truncated))
    }

    /// About how far apart the channel's messages are.
    fn distance(&self) -> u64 {
        prev(self.newest.as_ref()).map_or(2, |prev| self.newest_seq().saturating_sub(prev).max(1))
    }

    /// Puts the newest of what is in `from..=to` before `messages`, until there are `limit` of them.
    async fn collect_newest(
        &self,
        mut from: u64,
        to: u64,
        limit: usize,
        messages: &mut VecDeque<Stored>,
    ) -> Result<(), ApiError> {
        let wanted = limit - messages.len();
        let mut found = VecDeque::new();
        loop {
            let (some, more) = self.collect(from, to, PAGE_MESSAGES_MAX).await?;
            from = some.last().map_or(from, |it| it.seq + 1);
            found.extend(some);
            while found.len() > wanted {
                found.pop_front();
            }
            if !more {
                break;
            }
        }
        while let Some(message) = found.pop_back() {
            messages.push_front(message);
        }
        Ok(())
    }

    /// The oldest `count` of what is in `from..=to`, and whether there is more than what was read.
    async fn collect(
        &self,
        from: u64,
        to: u64,
        count: usize,
    ) -> Result<(Vec<Stored>, bool), ApiError> {
        let to = to.min(self.newest_seq());
        let mut messages: Vec<Stored> = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        while next <= to {
            if messages.len() >= count || bytes > PAGE_BYTES_MAX {
                return Ok((messages, true));
            }
            let count = count - messages.len();
            for stored in self.read_on(next, count, to).await? {
                next = stored.seq + 1;
                if stored.seq > to {
                    break;
                }
                bytes += stored.record.as_ref().map_or(0, |it| it.data.len());
                messages.push(stored);
            }
        }
        Ok((messages, false))
    }

    /// Some messages from `from` on; at least one, or one behind `to` if there is none before.
    async fn read_on(&self, from: u64, count: usize, to: u64) -> Result<Vec<Stored>, ApiError> {
        let range = Range {
            from,
            subject: &self.subject,
            count,
            bytes: PAGE_BYTES_MAX,
        };
        let (mut read, was_late) = self.shared.api.read_on(&self.place.stream, range).await?;
        self.shared.count(|it| it.stale += u64::from(was_late));
        if read.is_empty() {
            // All that was there has been deleted meanwhile.
            read.push(Stored {
                seq: to + 1,
                record: None,
            });
        }
        Ok(read)
    }

    /// Whether something behind `after` is kept no longer, where `first` is the next one that is.
    async fn is_truncated(&self, after: u64, first: Option<&Stored>) -> Result<bool, ApiError> {
        let oldest = self.oldest.as_ref();
        let Some(first) = first.or(oldest.filter(|it| it.seq > after)) else {
            return match oldest {
                Some(_) => Ok(false),
                None => self.is_behind_all(after).await,
            };
        };
        match prev(Some(first)) {
            // It came into an empty channel. If there had been messages, they went with the stream's oldest.
            Some(0) => self.is_behind_all(after).await,
            Some(prev) => Ok(prev > after),
            // It is not ours.
            None => Ok(false),
        }
    }

    /// Whether the whole stream begins behind `after`.
    async fn is_behind_all(&self, after: u64) -> Result<bool, ApiError> {
        let extent = self.shared.extent(self.log).await?;
        Ok(after + 1 < extent.first)
    }

    fn page(&self, stored: Vec<Stored>, more: bool, truncated: bool) -> Page {
        let mut messages = Vec::with_capacity(stored.len());
        for Stored { seq, record } in stored {
            let Some(record) = record else { continue };
            messages.push(Arc::new(record.into_message(seq)));
        }
        Page {
            messages,
            more,
            truncated,
            oldest: self.oldest_seq(),
            head: 0,
        }
    }
}
