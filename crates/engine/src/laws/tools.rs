//! What the laws are tried with: a clock of their own, short words, and waits that end.

use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tidings_wire::{ChannelName, Data, Message, MessageId, User};

use crate::{
    DEDUP_WINDOW, Draft, Engine, ManualClock, Notice, Page, Published, Query, Retention,
    RetentionPolicies, Watch,
};

/// What an engine is to be made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The time for it.
    pub clock: Arc<ManualClock>,
    /// What it keeps.
    pub retention: RetentionPolicies,
    /// For how long it remembers ids.
    pub dedup_window: Duration,
}

/// An engine under test, and what must live as long, such as its directory.
pub struct Subject {
    engine: Box<dyn Engine>,
    _keep: Box<dyn Any>,
}

impl Subject {
    /// An engine that needs nothing else.
    pub fn new(engine: impl Engine) -> Self {
        Self::keeping(engine, ())
    }

    /// An engine that ends before `keep` does.
    pub fn keeping(engine: impl Engine, keep: impl Any) -> Self {
        Self {
            engine: Box::new(engine),
            _keep: Box::new(keep),
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl std::ops::Deref for Subject {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        &*self.engine
    }
}

/// Some day in 2025, in milliseconds since the Unix epoch.
pub(super) const START: u64 = 1_760_000_000_000;

/// When to give up waiting for what should come at once: on a busy machine "at once" is late.
const PATIENCE: Duration = Duration::from_secs(30);

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
        dedup_window: DEDUP_WINDOW,
    }
}

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("the laws' channels have good names")
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
    let answer = engine.publish(draft(name, id));
    answer
        .wait()
        .expect("a publish to a healthy engine does well")
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
    let answer = engine.read(query);
    answer
        .wait()
        .expect("a read from a healthy engine does well")
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
