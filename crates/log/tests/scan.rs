//! Everything that a log keeps is scanned in order, beside whoever has it open.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use std::ops::Range;

use common::{KEEP, config, copy_files, draft, eventually, open, policies, publish, sql};
use tidings_engine::{Engine, EngineError, Retention};
use tidings_log::{Log, LogConfig, OpenError, PAGE_BYTES_MAX, SCAN_MESSAGES_MAX, Scan};
use tidings_wire::{Data, Message};

fn scan_all(scan: &mut Scan) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let page = scan.next_page().unwrap();
        assert!(page.len() <= SCAN_MESSAGES_MAX);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

/// Messages of two channels by turns.
fn fill(log: &Log, ids: Range<usize>) {
    let drafts = ids.map(|n| {
        let id = n.to_string();
        draft(["a", "b:大堂"][n % 2], &id, Data::from_text(&id))
    });
    for answer in log.publish_all(drafts.collect()) {
        answer.wait().unwrap();
    }
}

#[test]
fn all_messages_of_all_channels_come_in_order_whoever_has_the_log_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let count = 2 * SCAN_MESSAGES_MAX + 1;
    fill(&log, 0..SCAN_MESSAGES_MAX);
    fill(&log, SCAN_MESSAGES_MAX..count);
    let beside = scan_all(&mut Scan::open(dir.path()).unwrap());
    assert_eq!(seqs(&beside), (1..=count as u64).collect::<Vec<_>>());
    let channel = beside[10].channel.as_str();
    assert_eq!((channel, beside[10].id.as_str()), ("a", "10"));
    assert_eq!(beside[10].data, Data::from_text("10"));
    assert_eq!((beside[10].prev, beside[11].prev), (9, 10));
    log.close();
    assert_eq!(scan_all(&mut Scan::open(dir.path()).unwrap()), beside);
    assert_eq!(open(dir.path()).head(0), count as u64, "it opens as before");
}

#[test]
fn what_is_published_after_the_beginning_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    publish(&log, "a", "1");
    let mut scan = Scan::open(dir.path()).unwrap();
    let before = scan.done();
    publish(&log, "a", "2");
    assert_eq!(seqs(&scan_all(&mut scan)), [1]);
    assert_eq!((before, scan.done()), (0.0, 1.0));
    assert!(scan.next_page().unwrap().is_empty(), "it stays at its end");
}

#[test]
fn what_is_deleted_meanwhile_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let messages = Some(10);
    let log = Log::open(LogConfig {
        retention: policies(Retention { messages, ..KEEP }),
        ..config(dir.path())
    });
    let log = log.unwrap();
    let mut scan = None;
    for n in 0..500 {
        publish(&log, "a", &n.to_string());
        if n == 60 {
            scan = Some(Scan::open(dir.path()).unwrap());
        }
    }
    eventually("all that was there is gone", || {
        common::read(&log, "a", None, 1).oldest > 61
    });
    assert!(scan_all(&mut scan.unwrap()).is_empty());
}

#[test]
fn large_messages_make_small_pages() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for id in ["1", "2", "3"] {
        let large = draft("a", id, Data::Bytes(vec![7; PAGE_BYTES_MAX * 2 / 3].into()));
        log.publish(large).wait().unwrap();
    }
    let mut scan = Scan::open(dir.path()).unwrap();
    assert_eq!(seqs(&scan.next_page().unwrap()), [1, 2]);
    assert_eq!(seqs(&scan.next_page().unwrap()), [3]);
}

/// However long somebody takes for it, the WAL begins anew beside them.
#[test]
fn a_slow_reader_does_not_make_the_wal_grow() {
    const WAL_PAGES: u64 = 64;
    let dir = tempfile::tempdir().unwrap();
    let wal_pages = WAL_PAGES;
    let log = Log::open(LogConfig {
        wal_pages,
        ..config(dir.path())
    });
    let log = log.unwrap();
    fill(&log, 0..2 * SCAN_MESSAGES_MAX - 1);
    let mut scan = Scan::open(dir.path()).unwrap();
    scan.next_page().unwrap();
    for id in 0..2_000 {
        let large = draft("c", &id.to_string(), Data::Bytes(vec![7; 4096].into()));
        log.publish(large).wait().unwrap();
    }
    let wal = dir.path().join("messages.db-wal");
    let pages = wal.metadata().unwrap().len() / 4096;
    // The first batches were one of many messages each.
    assert!(pages < 16 * WAL_PAGES, "{pages} pages");
    assert!(!scan.next_page().unwrap().is_empty());
}

#[test]
fn what_is_no_log_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(matches!(
        Scan::open(&nowhere),
        Err(OpenError::Missing { .. })
    ));
    assert!(!nowhere.exists());
    std::fs::write(dir.path().join("messages.db"), "this is no log\n").unwrap();
    let refused = Scan::open(dir.path());
    assert!(matches!(refused, Err(OpenError::Foreign { .. })));
    let newer = tempfile::tempdir().unwrap();
    drop(open(newer.path()));
    sql(newer.path(), "PRAGMA user_version = 99");
    let refused = Scan::open(newer.path());
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })));
    let restored = tempfile::tempdir().unwrap();
    drop(open(restored.path()));
    sql(restored.path(), "DELETE FROM meta WHERE key = 'epoch'");
    let refused = Scan::open(restored.path()).unwrap_err();
    assert!(refused.to_string().contains("epoch"), "{refused}");
}

#[test]
fn a_log_that_was_killed_is_scanned_with_all_that_was_committed() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path());
    publish(&log, "a", "1");
    copy_files(dir.path(), killed.path());
    assert_eq!(
        seqs(&scan_all(&mut Scan::open(killed.path()).unwrap())),
        [1]
    );
}

#[test]
fn damage_is_an_error_and_not_a_gap() {
    for damage in [
        "DELETE FROM channel",
        "UPDATE message SET sender = ''",
        "UPDATE message SET data = 7",
    ] {
        let dir = tempfile::tempdir().unwrap();
        publish(&open(dir.path()), "a", "1");
        sql(dir.path(), damage);
        let page = Scan::open(dir.path()).unwrap().next_page();
        assert!(matches!(page, Err(EngineError::Failed(_))), "{damage}");
    }
}
