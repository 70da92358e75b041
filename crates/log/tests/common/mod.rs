//! Short words that the log's tests share.

#![allow(dead_code, reason = "each test file uses the words that it needs")]

use std::path::Path;
use std::time::{Duration, Instant};

use tidings_engine::{Draft, Engine, Page, Published, Query, Retention, RetentionPolicies};
use tidings_log::{Log, LogConfig};
use tidings_wire::{ChannelName, Data, MessageId, User};

/// Keeps everything.
pub(crate) const KEEP: Retention = Retention {
    messages: None,
    age: None,
    bytes: None,
};

/// When to give up waiting.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn config(dir: &Path) -> LogConfig {
    LogConfig {
        retention: policies(KEEP),
        ..LogConfig::new(dir)
    }
}

pub(crate) fn policies(default: Retention) -> RetentionPolicies {
    RetentionPolicies {
        default,
        ..RetentionPolicies::default()
    }
}

pub(crate) fn open(dir: &Path) -> Log {
    Log::open(config(dir)).unwrap()
}

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).unwrap()
}

pub(crate) fn draft(channel: &str, id: &str, data: Data) -> Draft {
    Draft {
        channel: name(channel),
        id: MessageId::new(id).unwrap(),
        from: User::new("alice").unwrap(),
        data,
        at: None,
    }
}

pub(crate) fn publish(log: &dyn Engine, channel: &str, id: &str) -> Published {
    let answer = log.publish(draft(channel, id, Data::from_text(id)));
    answer.wait().unwrap()
}

pub(crate) fn read(log: &dyn Engine, channel: &str, after: Option<u64>, limit: usize) -> Page {
    let query = Query {
        channel: name(channel),
        after,
        before: None,
        limit,
    };
    log.read(query).wait().unwrap()
}

pub(crate) fn seqs(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|message| message.seq).collect()
}

pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The files of a log that is open, as a killed process would leave them.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for file in ["messages.db", "messages.db-wal"] {
        let source = from.join(file);
        if source.exists() {
            std::fs::copy(source, to.join(file)).unwrap();
        }
    }
}

pub(crate) fn sql(dir: &Path, statement: &str) {
    let file = rusqlite::Connection::open(dir.join("messages.db")).unwrap();
    file.execute_batch(statement).unwrap();
}
