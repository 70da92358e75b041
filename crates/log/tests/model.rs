//! The log against simple models, under random operations with restarts between them.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tidings_engine::{
    Answer, Clock, Draft, Engine, ManualClock, MemoryEngine, Page, Published, Query, Retention,
    RetentionPolicies,
};
use tidings_log::{Log, LogConfig};
use tidings_wire::{ChannelName, Data, Message, MessageId, User};

/// Long enough for some ids to be found again, short enough for others not to be.
const WINDOW: Duration = Duration::from_millis(1_000);

const START: u64 = 1_760_000_000_000;

#[derive(Clone, Debug)]
enum Operation {
    /// All at the same time.
    Publish(Vec<(usize, u32, usize)>),
    Read {
        channel: usize,
        after: Option<u64>,
        before: Option<u64>,
        limit: usize,
    },
    /// Forwards, or a little backwards.
    Clock(i64),
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let publish = (0..CHANNELS.len(), 0..200_u32, 0..300_usize);
    let seq = || proptest::option::of(0..150_u64);
    prop_oneof![
        6 => prop::collection::vec(publish, 1..20).prop_map(Operation::Publish),
        4 => (0..CHANNELS.len(), seq(), seq(), 0..40_usize).prop_map(
            |(channel, after, before, limit)| Operation::Read { channel, after, before, limit }
        ),
        2 => (-100..600_i64).prop_map(Operation::Clock),
        1 => Just(Operation::Reopen),
    ]
}

const CHANNELS: [&str; 5] = ["chat:a", "chat:b", "news:a", "plain", "大堂:1"];

fn channel(index: usize) -> ChannelName {
    ChannelName::new(CHANNELS[index]).unwrap()
}

fn draft(index: usize, id: u32, size: usize) -> Draft {
    Draft {
        channel: channel(index),
        id: MessageId::new(&id.to_string()).unwrap(),
        from: User::new("alice").unwrap(),
        data: match size % 2 {
            0 => Data::from_text(&"é".repeat(size / 2)),
            _ => Data::Bytes(vec![7; size].into()),
        },
        at: None,
    }
}

/// A log that is closed and opened again now and then.
struct Subject {
    config: LogConfig,
    clock: Arc<ManualClock>,
    log: Option<Log>,
}

impl Subject {
    fn new(dir: &Path, retention: RetentionPolicies) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let config = LogConfig {
            retention,
            dedup_window: WINDOW,
            batch_messages_max: 7,
            unsettled_max: 10,
            channels_known_max: 2,
            wal_pages: 20,
            clock: clock.clone(),
            ..LogConfig::new(dir)
        };
        let log = Some(Log::open(config.clone()).unwrap());
        Self { config, clock, log }
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        let epoch = self.log().epochs()[0].clone();
        self.log = None;
        self.log = Some(Log::open(self.config.clone()).unwrap());
        assert_eq!(self.log().epochs()[0].clone(), epoch);
    }

    fn move_clock(&self, by: i64) {
        self.clock.set(self.clock.now().saturating_add_signed(by));
    }
}

fn publish_all(engine: &dyn Engine, drafts: &[(usize, u32, usize)]) -> Vec<Published> {
    let answers: Vec<_> = drafts
        .iter()
        .map(|(channel, id, size)| engine.publish(draft(*channel, *id, *size)))
        .collect();
    let answers = answers.into_iter();
    answers.map(|answer| answer.wait().unwrap()).collect()
}

fn read(engine: &dyn Engine, query: Query) -> Page {
    Answer::wait(engine.read(query)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Where nothing is deleted, the log says word for word what the in-memory engine says.
    #[test]
    fn the_log_is_as_the_memory_is(operations in prop::collection::vec(operation(), 1..50)) {
        let keep = Retention { messages: None, age: None, bytes: None };
        let policies = RetentionPolicies { default: keep, ..RetentionPolicies::default() };
        let dir = tempfile::tempdir().unwrap();
        let mut subject = Subject::new(dir.path(), policies.clone());
        let model = MemoryEngine::with_policies(subject.clock.clone(), policies, WINDOW);
        for operation in operations {
            match operation {
                Operation::Publish(drafts) => {
                    let (log, memory) =
                        (publish_all(subject.log(), &drafts), publish_all(&model, &drafts));
                    prop_assert_eq!(log, memory);
                }
                Operation::Read { channel: index, after, before, limit } => {
                    let query = Query { channel: channel(index), after, before, limit };
                    let log = read(subject.log(), query.clone());
                    prop_assert_eq!(log, read(&model, query));
                }
                // Only forwards: what a clock set back brings into the window again, one of them may
                // have forgotten and the other not.
                Operation::Clock(by) => subject.move_clock(by.abs()),
                Operation::Reopen => subject.reopen(),
            }
            prop_assert_eq!(subject.log().head(0), model.head(0));
        }
    }

    /// Where retention deletes, it deletes from the old end, not too early, and says so.
    #[test]
    fn what_is_kept_is_the_newest_without_a_hole(
        operations in prop::collection::vec(operation(), 1..60),
        messages in proptest::option::of(0..80_u64),
        age in proptest::option::of(200..3_000_u64),
        bytes in proptest::option::of(0..8_000_u64),
    ) {
        let chat = Retention { messages, age: age.map(Duration::from_millis), bytes };
        let policies = RetentionPolicies {
            default: Retention { messages: None, age: None, bytes: None },
            namespaces: [("chat".to_owned(), chat)].into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let mut subject = Subject::new(dir.path(), policies);
        let mut history = History::default();
        for operation in operations {
            match operation {
                Operation::Publish(drafts) => {
                    let published = publish_all(subject.log(), &drafts);
                    history.take(&drafts, published)?;
                }
                Operation::Read { channel: index, after, before, limit } => {
                    let now = subject.clock.now();
                    let query = Query { channel: channel(index), after, before, limit };
                    let page = read(subject.log(), query.clone());
                    let retention = subject.config.retention.of(&query.channel);
                    history.check(&query, &page, retention, now)?;
                }
                Operation::Clock(by) => {
                    subject.move_clock(by);
                    history.latest = history.latest.max(subject.clock.now());
                }
                Operation::Reopen => subject.reopen(),
            }
        }
    }
}

/// All that ever was.
#[derive(Default)]
struct History {
    channels: HashMap<ChannelName, Vec<Message>>,
    ids: HashMap<(usize, u32), u64>,
    head: u64,
    /// The highest that the clock ever showed.
    latest: u64,
}

impl History {
    fn take(
        &mut self,
        drafts: &[(usize, u32, usize)],
        published: Vec<Published>,
    ) -> Result<(), TestCaseError> {
        for ((index, id, size), published) in drafts.iter().zip(published) {
            let Published { seq, at, .. } = published;
            if published.repeated {
                prop_assert_eq!(self.ids.get(&(*index, *id)), Some(&seq));
                continue;
            }
            if let Some(before) = self.ids.get(&(*index, *id)) {
                let before = self.channels[&channel(*index)]
                    .iter()
                    .find(|message| message.seq == *before);
                // What was forgotten stays so, even if the clock then went back into the window.
                let age = self.latest.max(at).saturating_sub(before.unwrap().at);
                prop_assert!(u128::from(age) >= WINDOW.as_millis(), "{id} was known");
            }
            prop_assert_eq!(seq, self.head + 1);
            self.head = seq;
            self.latest = self.latest.max(at);
            self.ids.insert((*index, *id), seq);
            let draft = draft(*index, *id, *size);
            let messages = self.channels.entry(draft.channel.clone()).or_default();
            messages.push(Message {
                channel: draft.channel,
                seq,
                prev: messages.last().map_or(0, |message| message.seq),
                id: draft.id,
                at,
                from: draft.from,
                data: draft.data,
            });
        }
        Ok(())
    }

    fn check(
        &self,
        query: &Query,
        page: &Page,
        retention: Retention,
        now: u64,
    ) -> Result<(), TestCaseError> {
        let all = self
            .channels
            .get(&query.channel)
            .map_or(&[][..], Vec::as_slice);
        let first = match page.oldest {
            0 => all.len(),
            oldest => all.partition_point(|message| message.seq < oldest),
        };
        let (deleted, kept) = all.split_at(first);
        for message in deleted {
            self.check_may_go(message, all, retention, now)?;
        }

        let after = query.after.unwrap_or(0);
        let before = query.before.unwrap_or(u64::MAX);
        let asked = |message: &&Message| message.seq > after && message.seq < before;
        let asked: Vec<_> = kept.iter().filter(asked).collect();
        let count = asked.len().min(query.limit);
        let expected = match query.after {
            Some(_) => &asked[..count],
            None => &asked[asked.len() - count..],
        };
        prop_assert_eq!(page.messages.len(), expected.len());
        for (message, expected) in page.messages.iter().zip(expected) {
            // A channel of which nothing was left begins anew.
            let prev = message.prev;
            prop_assert!(prev == expected.prev || (prev == 0 && page.oldest == message.seq));
            let same = Message {
                prev,
                ..(*expected).clone()
            };
            prop_assert_eq!(&**message, &same);
        }
        prop_assert_eq!(page.more, count < asked.len());
        let gone = deleted.last().map_or(0, |message| message.seq);
        let must = match query.after {
            Some(after) => after < gone,
            None => !page.more && gone > 0,
        };
        // A forgotten channel's alarm may be a false one, but no other's.
        prop_assert!(
            page.truncated == must || (page.truncated && page.oldest == 0) || all.is_empty()
        );
        prop_assert_eq!(page.head, self.head);
        Ok(())
    }

    /// Something bounds it: there are enough behind it, it was old once, or they are too much.
    fn check_may_go(
        &self,
        message: &Message,
        all: &[Message],
        retention: Retention,
        now: u64,
    ) -> Result<(), TestCaseError> {
        let newer = all.iter().filter(|other| other.seq > message.seq);
        let is_over = retention
            .messages
            .is_some_and(|bound| newer.count() as u64 >= bound);
        let now = self.latest.max(now);
        // No younger than any that came after it, for the clock may have run ahead.
        let later = self.channels.values().flatten();
        let later = later.filter(|other| other.seq >= message.seq);
        let at = later.map(|other| other.at).min().unwrap_or(message.at);
        let is_old = retention
            .age
            .is_some_and(|age| u128::from(now.saturating_sub(at)) >= age.as_millis());
        let namespace = message.channel.namespace();
        let from =
            |other: &&Message| other.channel.namespace() == namespace && other.seq >= message.seq;
        let bytes: u64 = self
            .channels
            .values()
            .flatten()
            .filter(from)
            .map(|message| message.data.len() as u64)
            .sum();
        let is_much = retention.bytes.is_some_and(|bound| bytes > bound);
        prop_assert!(
            is_over || is_old || is_much,
            "{} went too early",
            message.seq
        );
        Ok(())
    }
}
