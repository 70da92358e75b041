//! What the laws are tried with: setups, short words, and waits that end.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tidings_wire::{ChannelName, Data, Message, MessageId, User};

use super::subject::Setup;
use crate::{
    Answer, DEDUP_WINDOW, Draft, Engine, ManualClock, Notice, Page, Published, Query, Retention,
    RetentionPolicies, Watch,
};

/// Where manual clocks begin: some day in 2025, in milliseconds since the Unix epoch.
pub(super) const START: u64 = 1_760_000_000_000;

/// When to give up waiting for what should come at once: on a busy machine "at once" is late.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many names are tried for each log: where they are spread at random, it gets none of them once
/// in 10^27 times.
const NAMES_EACH: usize = 64;

/// Keeps everything.
pub(super) const KEEP: Retention = Retention {
    messages: None,
    age: None,
    bytes: None,
};

pub(super) fn setup() -> Setup {
    keeping(KEEP)
}

pub(super) fn keeping(retention: Retention) -> Setup {
    Setup {
        clock: Arc::new(ManualClock::new(START)),
        retention: RetentionPolicies {
            default: retention,
            ..RetentionPolicies::default()
        },
        // There are engines that remember no id for longer than its message.
        dedup_window: retention.age.unwrap_or(DEDUP_WINDOW),
    }
}

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("the laws' channels have good names")
}

/// So many names in each log that names beginning with `prefix` lead to, and which log it is.
pub(super) fn names<const COUNT: usize>(
    engine: &dyn Engine,
    prefix: &str,
) -> Vec<(usize, [String; COUNT])> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for n in 0..NAMES_EACH * engine.epochs().len() {
        let name = format!("{prefix}{n}");
        let log = engine.log_of(&channel(&name));
        names.entry(log).or_default().push(name);
    }
    names
        .into_iter()
        .map(|(log, mut names)| {
            names.truncate(COUNT);
            let names = names.try_into();
            (log, names.expect("channels are spread over the logs"))
        })
        .collect()
}

/// Another channel in the log of `name`.
pub(super) fn beside(engine: &dyn Engine, name: &str) -> String {
    let log = engine.log_of(&channel(name));
    let (_, [beside]) = names(engine, name)
        .into_iter()
        .find(|(other, _)| *other == log)
        .expect("channels are spread over the logs");
    beside
}

/// How far each log goes.
pub(super) fn heads(engine: &dyn Engine) -> Vec<u64> {
    (0..engine.epochs().len())
        .map(|log| engine.head(log))
        .collect()
}

pub(super) fn draft(name: &str, id: &str) -> Draft {
    Draft {
        channel: channel(name),
        id: MessageId::new(id).expect("the laws' ids are good"),
        from: User::new("alice").expect("a good name"),
        data: Data::from_text(id),
        at: None,
    }
}

pub(super) fn publish(engine: &dyn Engine, name: &str, id: &str) -> Published {
    answered(engine.publish(draft(name, id)))
}

/// What a healthy engine answers, and must.
pub(super) fn answered<T>(answer: Answer<T>) -> T {
    block_on(answer).expect("a healthy engine does well")
}

pub(super) fn query(name: &str, limit: usize) -> Query {
    Query {
        channel: channel(name),
        after: None,
        before: None,
        limit,
    }
}

pub(super) fn read(engine: &dyn Engine, query: Query) -> Page {
    answered(engine.read(query))
}

pub(super) fn read_after(engine: &dyn Engine, name: &str, after: u64, limit: usize) -> Page {
    let after = Some(after);
    read(
        engine,
        Query {
            after,
            ..query(name, limit)
        },
    )
}

pub(super) fn seqs(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|message| message.seq).collect()
}

/// Everything that the channel keeps, in pages of `limit`, and whether it was truncated.
pub(super) fn read_all(
    engine: &dyn Engine,
    name: &str,
    mut after: u64,
    limit: usize,
) -> (Vec<Arc<Message>>, bool) {
    let (mut messages, mut truncated) = (Vec::new(), false);
    loop {
        let page = read_after(engine, name, after, limit);
        truncated |= page.truncated;
        after = page.messages.last().map_or(after, |message| message.seq);
        messages.extend(page.messages);
        if !page.more {
            return (messages, truncated);
        }
    }
}

/// Asks again until the answer is yes, for what runs behind publishing.
pub(super) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The next notice, which must come.
pub(super) fn next(watch: &mut Watch) -> Notice {
    block_on(watch.next()).expect("the engine has not ended")
}

/// The next message that `watch` hears of, and those after it in its batch.
pub(super) fn next_messages(watch: &mut Watch) -> Vec<u64> {
    loop {
        match next(watch) {
            Notice::Committed(batch) => {
                let seqs = batch.events.iter().filter_map(|event| event.seq());
                return seqs.collect();
            }
            Notice::Passing(_) => {}
            Notice::Lagged => panic!("a watcher lagged after a handful of notices"),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "nothing came");
        thread::park_timeout(left);
    }
}
