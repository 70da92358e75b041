//! Bounds: of the queues, of the write-ahead log, of what is kept in mind; and what closing does.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{config, copy_files, draft, open, publish, read, seqs};
use tidings_engine::{Engine, EngineError};
use tidings_log::{Log, LogConfig, PAGE_BYTES_MAX};
use tidings_wire::Data;

/// How long a call that does not block may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_full_queue_is_busy_and_no_call_waits() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        publishes_waiting_max: 10,
        ..config(dir.path())
    })
    .unwrap();
    // Somebody else writes to the file, so that the writer waits.
    let other = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let answers: Vec<_> = (0..100)
        .map(|n| log.publish(draft("room", &n.to_string(), Data::from_text("x"))))
        .collect();
    assert!(start.elapsed() < AT_ONCE);
    other.execute_batch("COMMIT").unwrap();
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.wait()).collect();
    let busy = answers
        .iter()
        .filter(|answer| **answer == Err(EngineError::Busy))
        .count();
    assert!(busy >= 80, "only {busy} were refused");
    publish(&log, "room", "after");
    let stored = 100 - busy + 1;
    assert_eq!(read(&log, "room", Some(0), 200).messages.len(), stored);
}

#[test]
fn large_messages_fill_the_queue_by_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        bytes_waiting_max: 1000,
        ..config(dir.path())
    })
    .unwrap();
    let other = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = |id: &str| log.publish(draft("room", id, Data::Bytes(vec![0; 600].into())));
    // The writer may have taken the first one already; then it waits, and the third is too much.
    let answers = ["1", "2", "3", "4"].map(large);
    other.execute_batch("COMMIT").unwrap();
    let answers = answers.map(|answer| answer.wait());
    assert!(answers[2..].contains(&Err(EngineError::Busy)));
    // A single one that is larger than the bound passes an empty queue.
    let answer = log.publish(draft("room", "5", Data::Bytes(vec![0; 2000].into())));
    answer.wait().unwrap();
}

#[test]
fn too_many_reads_are_busy() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        readers: 1,
        reads_waiting_max: 2,
        ..config(dir.path())
    })
    .unwrap();
    for n in 0..100 {
        publish(&log, "room", &n.to_string());
    }
    let query = tidings_engine::Query {
        channel: common::name("room"),
        after: None,
        before: None,
        limit: 100,
    };
    let answers: Vec<_> = (0..2000).map(|_| log.read(query.clone())).collect();
    let mut busy = 0;
    for answer in answers {
        match answer.wait() {
            Ok(page) => assert_eq!(page.messages.len(), 100),
            Err(error) => {
                assert_eq!(error, EngineError::Busy);
                busy += 1;
            }
        }
    }
    assert!(busy > 0);
}

#[test]
fn a_page_of_large_messages_ends_early_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    const EACH: usize = 512 << 10;
    let published: Vec<_> = (0..20)
        .map(|n| {
            let data = Data::Bytes(vec![n; EACH].into());
            let answer = log.publish(draft("room", &n.to_string(), data));
            answer.wait().unwrap().seq
        })
        .collect();
    let fit = PAGE_BYTES_MAX / EACH;
    let page = read(&log, "room", None, 100);
    assert_eq!(seqs(&page), published[20 - fit..]);
    assert!(page.more && !page.truncated);
    let page = read(&log, "room", Some(0), 100);
    assert_eq!(seqs(&page), published[..fit]);
    assert!(page.more);
}

#[test]
fn the_write_ahead_log_stays_short_while_others_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        wal_pages: 50,
        ..config(dir.path())
    })
    .unwrap();
    publish(&log, "room", "first");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    read(&log, "room", None, 50);
                }
            });
        }
        for n in 0..3000 {
            let answer = log.publish(draft("room", &n.to_string(), Data::from_text("hi")));
            if n % 10 == 0 {
                answer.wait().unwrap();
            }
        }
        publish(&log, "room", "last");
        ended.store(true, Ordering::Relaxed);
    });
    // 300 commits of some three pages each, which would be 3.6 MB.
    let length = fs::metadata(dir.path().join("messages.db-wal"))
        .unwrap()
        .len();
    assert!(length < 1 << 20, "{length} bytes");
}

#[test]
fn a_foreign_snapshot_holds_nobody_up_and_the_write_ahead_log_begins_anew_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(LogConfig {
        wal_pages: 50,
        ..config(dir.path())
    })
    .unwrap();
    publish(&log, "room", "first");
    let publish_some = |round: &str| {
        for n in 0..150 {
            publish(&log, "room", &format!("{round}-{n}"));
        }
    };
    let other = rusqlite::Connection::open(dir.path().join("messages.db")).unwrap();
    let frames = || -> u64 {
        let pragma = "PRAGMA wal_checkpoint(NOOP)";
        other.query_row(pragma, [], |row| row.get(1)).unwrap()
    };
    other.execute_batch("BEGIN").unwrap();
    let count = "SELECT count(*) FROM message";
    let snapshot = || -> u64 { other.query_row(count, [], |row| row.get(0)).unwrap() };
    assert_eq!(snapshot(), 1);
    publish_some("held");
    assert_eq!(snapshot(), 1, "it sees what it saw");
    other.execute_batch("COMMIT").unwrap();
    let held = frames();
    assert!(held > 50 * 4, "{held} pages: it could not begin anew");
    publish_some("free");
    let free = frames();
    assert!(free < held, "{free} pages after {held}");
    assert_eq!(snapshot(), 301);
}

#[test]
fn more_channels_than_are_kept_in_mind_are_all_right() {
    const CHANNELS: usize = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let settings = LogConfig {
        channels_known_max: 200,
        unsettled_max: 700,
        ..config(dir.path())
    };
    let log = Log::open(settings.clone()).unwrap();
    let publish_all = |log: &Log, round: usize| -> HashMap<usize, u64> {
        let mut seqs = HashMap::new();
        let mut waiting = Vec::new();
        for n in 0..CHANNELS {
            // A round in another order.
            let n = (n * 1237) % CHANNELS;
            let id = format!("{round}-{n}");
            let data = Data::from_text("x");
            waiting.push((n, log.publish(draft(&format!("room:{n}"), &id, data))));
            if waiting.len() == 500 {
                for (n, answer) in waiting.drain(..) {
                    seqs.insert(n, answer.wait().unwrap().seq);
                }
            }
        }
        for (n, answer) in waiting {
            seqs.insert(n, answer.wait().unwrap().seq);
        }
        seqs
    };
    let first = publish_all(&log, 1);
    let second = publish_all(&log, 2);
    // As a killed process leaves it.
    let killed = tempfile::tempdir().unwrap();
    copy_files(dir.path(), killed.path());
    for log in [log, open(killed.path())] {
        for n in (0..CHANNELS).step_by(7) {
            let page = read(&log, &format!("room:{n}"), Some(0), 10);
            assert_eq!(seqs(&page), [first[&n], second[&n]]);
            assert_eq!(page.messages[1].prev, first[&n]);
        }
    }
}

#[test]
fn closing_stores_what_waits_and_refuses_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let answers: Vec<_> = (0..500)
        .map(|n| log.publish(draft("room", &n.to_string(), Data::from_text("x"))))
        .collect();
    log.close();
    log.close();
    for answer in answers {
        answer.wait().unwrap();
    }
    let late = log.publish(draft("room", "late", Data::from_text("x")));
    assert_eq!(late.wait(), Err(EngineError::Closed));
    let query = tidings_engine::Query {
        channel: common::name("room"),
        after: None,
        before: None,
        limit: 1,
    };
    assert_eq!(log.read(query).wait(), Err(EngineError::Closed));
    let files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("-wal"))
        .collect();
    assert_eq!(files, [""; 0], "the write-ahead log is taken over");
    assert_eq!(open(dir.path()).head(0), 500);
}
