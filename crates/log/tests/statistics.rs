//! What the log counts, and what it looks for.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use common::{KEEP, config, draft, eventually, name, open, policies, publish, read};
use tidings_engine::{Engine, Retention};
use tidings_log::{Log, LogConfig};
use tidings_wire::{Data, User};

#[test]
fn what_was_acknowledged_and_read_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.statistics().commit_messages.count(), 0);
    for id in ["1", "2", "3", "2"] {
        publish(&log, "room", id);
    }
    let signal = Data::from_text("typing");
    log.signal(name("room"), User::new("alice").unwrap(), signal);
    read(&log, "room", Some(0), 10);
    let told = log.statistics();
    assert_eq!(told.commit_messages.sum(), 3);
    assert!((1..=4).contains(&told.commit_messages.count()));
    assert_eq!(told.commit_durations.count(), told.commit_messages.count());
    assert!(told.commit_durations.sum() > 0);
    // As JSON each is a digit between quotes.
    assert_eq!(told.stored_bytes, 9);
    assert_eq!((told.repeated, told.signals), (1, 1));
    assert_eq!(told.read_durations.count(), 1);
    assert_eq!((told.head, told.waiting_bytes), (3, 0));
    assert_eq!(told.commits_failed, 0);
}

#[test]
fn the_old_end_and_the_sizes_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        retention: policies(Retention {
            bytes: Some(3000),
            ..KEEP
        }),
        ..config(dir.path())
    })
    .unwrap();
    let told = log.statistics();
    assert_eq!((told.oldest, told.kept_bytes), (0, 0));
    assert!(
        told.database_bytes > 0,
        "it was looked at before the first message"
    );
    for id in 1..=100 {
        let data = Data::Bytes(vec![0; 100].into());
        let answer = log.publish(draft("room", &id.to_string(), data));
        answer.wait().unwrap();
    }
    eventually("what retention lets go", || log.statistics().oldest > 1);
    let told = log.statistics();
    assert!(told.deleted >= told.oldest - 1, "{told:?}");
    assert!((1..10_000).contains(&told.kept_bytes), "{told:?}");
    assert!(told.wal_bytes > 0, "{told:?}");
}

#[test]
fn a_batch_that_could_not_be_stored_is_counted_and_its_messages_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    publish(&log, "room", "1");
    // Somebody else keeps the file for longer than the writer waits.
    let other = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = log.publish(draft("room", "2", Data::from_text("x")));
    answer.wait().unwrap_err();
    other.execute_batch("COMMIT").unwrap();
    let told = log.statistics();
    assert_eq!((told.commits_failed, told.commit_messages.sum()), (1, 1));
}
