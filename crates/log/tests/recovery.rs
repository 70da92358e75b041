//! What a start finds again: ids, heads, torn ends, and numbers that must not come twice.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{
    KEEP, config, copy_files, draft, eventually, open, policies, publish, read, seqs, sql,
};
use tidings_engine::{Engine, ManualClock, Retention};
use tidings_log::{Log, LogConfig, POWER_LOSS_GAP};
use tidings_wire::Data;

const START: u64 = 1_760_000_000_000;

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let epoch = log.epochs()[0].clone();
    let published: Vec<_> = (0..150)
        .map(|n| publish(&log, "room", &n.to_string()).seq)
        .collect();
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.epochs()[0].clone(), log.head(0)), (epoch, 150));
    assert_eq!(seqs(&read(&log, "room", Some(0), 1000)), published);
    assert_eq!(publish(&log, "room", "new").seq, 151);
}

#[test]
fn an_id_is_remembered_over_a_restart_until_its_window_ends() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let config = LogConfig {
        clock: clock.clone(),
        ..config(dir.path())
    };
    let window = config.dedup_window.as_millis() as u64;
    let first = publish(&Log::open(config.clone()).unwrap(), "room", "x");
    clock.advance(window - 1);
    let again = publish(&Log::open(config.clone()).unwrap(), "room", "x");
    assert!(again.repeated);
    assert_eq!((again.seq, again.at), (first.seq, first.at));
    clock.advance(1);
    assert!(!publish(&Log::open(config).unwrap(), "room", "x").repeated);
}

#[test]
fn an_id_is_remembered_though_what_came_after_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let config = LogConfig {
        clock: clock.clone(),
        ..config(dir.path())
    };
    let window = config.dedup_window.as_millis() as u64;
    let bring = |log: &Log, id: &str| {
        let at = Some(START - 2 * window);
        let brought = tidings_engine::Draft {
            at,
            ..draft("room", id, Data::from_text(id))
        };
        log.publish(brought).wait().unwrap()
    };
    let log = Log::open(config.clone()).unwrap();
    for id in ["a", "b"] {
        publish(&log, "room", id);
    }
    assert!(!bring(&log, "old 1").repeated && !bring(&log, "old 2").repeated);
    assert!(publish(&log, "room", "a").repeated);
    publish(&log, "room", "c");
    bring(&log, "old 3");
    publish(&log, "room", "d");
    drop(log);
    clock.advance(window - 1);
    for _ in 0..2 {
        let log = Log::open(config.clone()).unwrap();
        for (seq, id) in [(1, "a"), (2, "b"), (5, "c"), (7, "d")] {
            let again = publish(&log, "room", id);
            assert_eq!((again.repeated, again.seq), (true, seq), "{id}");
        }
    }
    clock.advance(1);
    let log = Log::open(config).unwrap();
    for id in ["a", "b", "c", "d"] {
        assert!(!publish(&log, "room", id).repeated, "{id}");
    }
    eventually("what was kept of ids is gone", || {
        let count = "SELECT count(*) FROM repeat";
        let file = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
        file.query_row(count, [], |row| row.get::<_, u64>(0)) == Ok(0)
    });
}

#[test]
fn an_id_is_remembered_though_its_message_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let config = LogConfig {
        retention: policies(Retention {
            age: Some(Duration::from_secs(1)),
            ..KEEP
        }),
        clock: clock.clone(),
        ..config(dir.path())
    };
    let log = Log::open(config.clone()).unwrap();
    let first = publish(&log, "room", "x");
    clock.advance(1_000);
    eventually("it is deleted", || {
        read(&log, "room", None, 1).messages.is_empty()
    });
    drop(log);
    let log = Log::open(config.clone()).unwrap();
    let again = publish(&log, "room", "x");
    assert_eq!((again.seq, again.repeated), (first.seq, true));
    // The row that remembers it goes with the window.
    clock.advance(config.dedup_window.as_millis() as u64);
    publish(&log, "room", "y");
    drop(log);
    let file = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
    let kept: u64 = file
        .query_row("SELECT count(*) FROM repeat WHERE id = 'x'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn no_seq_comes_twice_though_its_message_was_the_last_and_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let config = LogConfig {
        retention: policies(Retention {
            age: Some(Duration::from_secs(1)),
            ..KEEP
        }),
        clock: clock.clone(),
        ..config(dir.path())
    };
    let log = Log::open(config.clone()).unwrap();
    publish(&log, "room", "x");
    let last = publish(&log, "room", "y").seq;
    clock.advance(1_000);
    eventually("all are deleted", || {
        read(&log, "room", None, 1).messages.is_empty()
    });
    drop(log);
    let log = Log::open(config).unwrap();
    assert_eq!(log.head(0), last);
    assert!(read(&log, "room", Some(0), 1).truncated);
    assert!(!read(&log, "room", Some(last), 1).truncated);
    assert_eq!(publish(&log, "room", "z").seq, last + 1);
}

/// A killed log of 30 messages in two channels, made with several commits.
fn killed(dir: &Path) {
    let original = tempfile::tempdir().unwrap();
    let log = open(original.path());
    for n in 0..30 {
        let channel = ["a", "b"][n % 2];
        let data = Data::from_text(&format!("{n}-{}", "x".repeat(n * 20)));
        let answer = log.publish(draft(channel, &n.to_string(), data));
        answer.wait().unwrap();
    }
    copy_files(original.path(), dir);
}

/// What is there is a beginning of what was published, whole, and the log goes on behind it.
fn check_beginning(dir: &Path) -> u64 {
    let log = open(dir);
    let head = log.head(0);
    for (channel, first) in [("a", 1), ("b", 2)] {
        let page = read(&log, channel, Some(0), 100);
        let expected: Vec<_> = (first..=head).step_by(2).collect();
        assert_eq!(seqs(&page), expected, "{channel} up to {head}");
        for message in &page.messages {
            let n = message.seq as usize - 1;
            let text = format!("{n}-{}", "x".repeat(n * 20));
            assert_eq!(message.data, Data::from_text(&text));
            assert_eq!(message.prev, message.seq.saturating_sub(2));
        }
    }
    assert_eq!(publish(&log, "a", "next").seq, head + 1);
    head
}

#[test]
fn a_torn_end_of_the_wal_is_dropped_wherever_it_tore() {
    let (pristine, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    killed(pristine.path());
    let wal = fs::read(pristine.path().join("messages.db-wal")).unwrap();
    let mut heads = std::collections::BTreeSet::new();
    // The schema's own commit is at the start: without it there is no log yet.
    let start = wal.len() / 4;
    for torn in (start..=wal.len()).step_by(4093) {
        copy_files(pristine.path(), dir.path());
        fs::write(dir.path().join("messages.db-wal"), &wal[..torn]).unwrap();
        heads.insert(check_beginning(dir.path()));
    }
    copy_files(pristine.path(), dir.path());
    assert_eq!(check_beginning(dir.path()), 30, "all of it is there untorn");
    assert!(
        heads.len() > 10,
        "the tears hit different messages: {heads:?}"
    );
}

#[test]
fn a_garbled_end_of_the_wal_is_dropped() {
    let (pristine, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    killed(pristine.path());
    let wal = fs::read(pristine.path().join("messages.db-wal")).unwrap();
    for _ in 0..40 {
        copy_files(pristine.path(), dir.path());
        let mut garbled = wal.clone();
        let from = fastrand::usize(wal.len() / 4..wal.len());
        let to = fastrand::usize(from..wal.len()) + 1;
        for byte in &mut garbled[from..to] {
            *byte ^= fastrand::u8(1..);
        }
        fs::write(dir.path().join("messages.db-wal"), garbled).unwrap();
        check_beginning(dir.path());
    }
}

#[test]
fn after_a_power_loss_no_seq_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path());
    let epoch = {
        // The same boot: nothing can be lost, and nothing is left out.
        let copy = tempfile::tempdir().unwrap();
        copy_files(dir.path(), copy.path());
        let log = open(copy.path());
        assert_eq!(log.head(0), 30);
        log.epochs()[0].clone()
    };
    sql(
        dir.path(),
        "UPDATE meta SET value = 'another' WHERE key = 'boot'",
    );
    let log = open(dir.path());
    assert_eq!(log.epochs()[0].clone(), epoch);
    assert_eq!(log.head(0), 30 + POWER_LOSS_GAP);
    let next = publish(&log, "a", "next");
    assert_eq!(next.seq, 31 + POWER_LOSS_GAP);
    let page = read(&log, "a", Some(29), 10);
    assert_eq!(seqs(&page), [next.seq]);
    assert_eq!(page.messages[0].prev, 29);
    assert!(!page.truncated);
    drop(log);
    // Closed, it may move between boots and machines.
    sql(
        dir.path(),
        "UPDATE meta SET value = 'yet another' WHERE key = 'boot'",
    );
    assert_eq!(open(dir.path()).head(0), next.seq);
}

#[test]
fn a_restored_backup_gets_an_epoch_of_its_own() {
    let (dir, restored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path());
    publish(&log, "room", "1");
    // As docs/log-format.md says to do it, beside the running log.
    let backup = restored.path().join("messages.db");
    sql(dir.path(), &format!("VACUUM INTO '{}'", backup.display()));
    publish(&log, "room", "2");
    sql(restored.path(), "DELETE FROM meta WHERE key = 'epoch'");
    let again = open(restored.path());
    assert_ne!(again.epochs()[0].clone(), log.epochs()[0].clone());
    assert_eq!(again.head(0), 1);
    assert_eq!(publish(&again, "room", "other").seq, 2);
}

#[test]
fn a_policy_that_is_new_counts_and_deletes_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..400 {
        let data = Data::Bytes(vec![1; 100].into());
        let _answer = log.publish(draft("chat:room", &n.to_string(), data.clone()));
        let _answer = log.publish(draft("other", &n.to_string(), data));
    }
    drop(log);
    let mut config = config(dir.path());
    let bytes = Some(5_000);
    let chat = Retention { bytes, ..KEEP };
    config.retention.namespaces.insert("chat".to_owned(), chat);
    let log = Log::open(config.clone()).unwrap();
    eventually("the sum is within the bound", || {
        read(&log, "chat:room", None, 1000).messages.len() == 50
    });
    assert_eq!(read(&log, "other", None, 1000).messages.len(), 400);
    drop(log);
    let messages = Some(20);
    let chat = Retention { messages, ..KEEP };
    config.retention = policies(chat);
    let log = Log::open(config).unwrap();
    eventually("blocks that are too many go without a publish", || {
        read(&log, "other", None, 1000).messages.len() < 20 + 64
    });
}
