//! The in-memory engine's decisions: where a message goes, what is kept, what a reader is given.
//!
//! Pure: drafts, queries and `now` in. What is kept of a channel is always its newest messages
//! without a hole, for everything is deleted from the old end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_wire::{ChannelName, Message};

use crate::{
    Draft, Forgotten, Page, Place, Published, Query, Recent, Retention, RetentionPolicies,
};

pub(crate) struct Store {
    head: u64,
    policies: RetentionPolicies,
    recent: Recent,
    channels: HashMap<ChannelName, Kept>,
    accounts: HashMap<Option<String>, Account>,
    forgotten: Forgotten,
}

/// What a publish came to.
pub(crate) enum Stored {
    /// It is a message now.
    Now(Arc<Message>, Published),
    /// It was one before.
    Before(Published),
}

/// What is kept of a channel; never empty.
struct Kept {
    messages: VecDeque<Arc<Message>>,
    /// `seq` of the newest message that was deleted.
    floor: u64,
}

/// The messages that share one bound of bytes.
#[derive(Default)]
struct Account {
    bytes: u64,
    /// Whose each `seq` is.
    order: BTreeMap<u64, ChannelName>,
}

impl Store {
    pub(crate) fn new(policies: RetentionPolicies, window: Duration, keys_max: usize) -> Self {
        Self {
            head: 0,
            policies,
            recent: Recent::new(window, keys_max),
            channels: HashMap::new(),
            accounts: HashMap::new(),
            forgotten: Forgotten::default(),
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn publish(&mut self, draft: Draft, now: u64) -> Stored {
        self.recent.forget_expired(now);
        let key = self.recent.key(&draft.channel, &draft.id);
        if let Some(Place { seq, at }) = self.recent.find(key, now) {
            let id = draft.id;
            let repeated = true;
            return Stored::Before(Published {
                seq,
                id,
                at,
                repeated,
            });
        }
        self.head += 1;
        let at = draft.said_at(now);
        let message = self.append(draft, at);
        let Message { seq, at, .. } = *message;
        if self.recent.covers(at, now) {
            self.recent.remember(key, Place { seq, at });
        }
        self.expire(now);
        let id = message.id.clone();
        let repeated = false;
        let published = Published {
            seq,
            id,
            at,
            repeated,
        };
        Stored::Now(message, published)
    }

    fn append(&mut self, draft: Draft, at: u64) -> Arc<Message> {
        let floor = self.forgotten.floor(&draft.channel);
        let kept = self
            .channels
            .entry(draft.channel.clone())
            .or_insert_with(|| Kept {
                messages: VecDeque::new(),
                floor,
            });
        let message = Arc::new(Message {
            channel: draft.channel,
            seq: self.head,
            prev: kept.messages.back().map_or(0, |message| message.seq),
            id: draft.id,
            at,
            from: draft.from,
            data: draft.data,
        });
        kept.messages.push_back(message.clone());
        let count = kept.messages.len() as u64;
        let account = self.account_mut(&message.channel);
        account.bytes += message.data.len() as u64;
        account.order.insert(message.seq, message.channel.clone());
        let bound = self.policies.of(&message.channel).messages;
        if bound.is_some_and(|bound| count > bound) {
            self.delete_oldest(&message.channel);
        }
        message
    }

    /// Deletes what is too old or too much, on all accounts.
    fn expire(&mut self, now: u64) {
        let names: Vec<_> = self.accounts.keys().cloned().collect();
        for name in names {
            let retention = match &name {
                Some(namespace) => self.policies.of_namespace(namespace),
                None => self.policies.default,
            };
            while let Some(channel) = self.expired(&name, retention, now) {
                self.delete_oldest(&channel);
            }
        }
    }

    /// The channel of the account's oldest message, if that is to go.
    fn expired(
        &self,
        name: &Option<String>,
        retention: Retention,
        now: u64,
    ) -> Option<ChannelName> {
        let account = self.accounts.get(name)?;
        let (_, channel) = account.order.first_key_value()?;
        let at = self.channels.get(channel)?.messages.front()?.at;
        let old = retention
            .age
            .is_some_and(|age| u128::from(now.saturating_sub(at)) >= age.as_millis());
        let much = retention.bytes.is_some_and(|bytes| account.bytes > bytes);
        (old || much).then(|| channel.clone())
    }

    fn delete_oldest(&mut self, channel: &ChannelName) {
        let Some(kept) = self.channels.get_mut(channel) else {
            return;
        };
        let Some(oldest) = kept.messages.pop_front() else {
            return;
        };
        kept.floor = oldest.seq;
        if kept.messages.is_empty() {
            self.channels.remove(channel);
            self.forgotten.forget(channel, oldest.seq);
        }
        let account = self.account_mut(channel);
        account.bytes -= oldest.data.len() as u64;
        account.order.remove(&oldest.seq);
    }

    fn account_mut(&mut self, channel: &ChannelName) -> &mut Account {
        let name = self.policies.account(channel).map(str::to_owned);
        self.accounts.entry(name).or_default()
    }

    pub(crate) fn read(&mut self, query: &Query, now: u64) -> Page {
        self.expire(now);
        let empty = VecDeque::new();
        let (messages, floor) = match self.channels.get(&query.channel) {
            Some(kept) => (&kept.messages, kept.floor),
            None => (&empty, self.forgotten.floor(&query.channel)),
        };
        let from = match query.after {
            Some(after) => messages.partition_point(|message| message.seq <= after),
            None => 0,
        };
        let to = match query.before {
            Some(before) => messages.partition_point(|message| message.seq < before),
            None => messages.len(),
        };
        let to = to.max(from);
        let (start, end) = match query.after {
            Some(_) => (from, to.min(from.saturating_add(query.limit))),
            None => (from.max(to.saturating_sub(query.limit)), to),
        };
        let more = start > from || end < to;
        Page {
            messages: messages.range(start..end).cloned().collect(),
            more,
            truncated: match query.after {
                Some(after) => after < floor,
                None => !more && floor > 0,
            },
            oldest: messages.front().map_or(0, |message| message.seq),
            head: self.head,
        }
    }
}
