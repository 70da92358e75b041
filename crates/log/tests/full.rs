//! A full disk: publishes fail with a word that says so, reads go on, and room heals it.
//!
//! The disk is a small tmpfs in a mount namespace of its own, in which the test runs itself again:
//! that needs no privileges where the kernel lets users have namespaces; elsewhere the test says that
//! it was skipped. A second test needs nothing: there SQLite itself is told to be full.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{config, draft, open, publish, read, seqs, sql};
use tidings_engine::{Engine, EngineError};
use tidings_log::{Durability, Log, LogConfig, OpenError};
use tidings_wire::Data;

/// Runs `test` of this file again on a file system of so many bytes; the directory is in `SMALL`.
fn on_a_small_disk(test: &str, bytes: u32) {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={bytes} tidings-test \"$SMALL\" && exec \"$@\"");
    let run = |arguments: &[&str]| {
        Command::new("unshare")
            .args([
                "--map-root-user",
                "--mount",
                "--",
                "sh",
                "-c",
                &script,
                "sh",
            ])
            .args(arguments)
            .env("SMALL", dir.path())
            .output()
    };
    match run(&["true"]) {
        Ok(output) if output.status.success() => {}
        other => {
            println!("skipped: no small disk can be mounted here: {other:?}");
            return;
        }
    }
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let output = run(&[this, test, "--exact", "--ignored", "--nocapture"]).unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "it ran: {said}");
}

#[test]
fn a_full_disk_fails_publishes_keeps_reads_and_heals() {
    on_a_small_disk("small_disk_process", 4 << 20);
}

#[test]
fn a_full_disk_does_the_same_where_each_commit_is_synced() {
    on_a_small_disk("small_disk_disk", 4 << 20);
}

#[test]
#[ignore = "started on a small disk by another test"]
fn small_disk_process() {
    fill_and_heal(Durability::Process);
}

#[test]
#[ignore = "started on a small disk by another test"]
fn small_disk_disk() {
    fill_and_heal(Durability::Disk);
}

/// Something else on the same disk.
fn ballast(dir: &Path, name: &str, bytes: usize) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, vec![0; bytes]).unwrap();
    path
}

fn fill_and_heal(durability: Durability) {
    let Some(small) = std::env::var_os("SMALL").map(PathBuf::from) else {
        return;
    };
    let dir = small.join("log");
    let settings = LogConfig {
        durability,
        // So that taking the WAL over meets the full disk as well.
        wal_pages: 100,
        ..config(&dir)
    };
    let log = Log::open(settings.clone()).unwrap();
    let mut stored = Vec::new();
    let mut attempts = 0;
    // Twice: filled up, healed by room that others leave, filled up again.
    let ballasts = ["first", "second"].map(|name| ballast(&small, name, 1 << 20));
    for ballast in ballasts {
        let mut refused = 0;
        while refused < 50 {
            attempts += 1;
            let size = fastrand::usize(10..6_000);
            let id = attempts.to_string();
            let answer = log.publish(draft("room", &id, Data::Bytes(vec![1; size].into())));
            match answer.wait() {
                Ok(published) => {
                    assert_eq!(published.seq, stored.len() as u64 + 1, "no seq is left out");
                    stored.push(published.seq);
                }
                Err(error) => {
                    assert_eq!(error, EngineError::StorageFull);
                    refused += 1;
                }
            }
        }
        assert_eq!(log.head(0), stored.len() as u64);
        let page = read(&log, "room", None, 100);
        assert_eq!(seqs(&page), stored[stored.len() - 100..]);
        fs::remove_file(&ballast).unwrap();
        let healed = publish(&log, "room", &format!("healed-{}", stored.len()));
        stored.push(healed.seq);
        assert_eq!(stored.len() as u64, healed.seq);
    }
    log.close();
    let log = Log::open(settings.clone()).unwrap();
    assert_eq!(seqs(&read(&log, "room", Some(0), 10_000)), stored);
    log.close();
    // A start needs some room, and says so.
    let free = rustix::fs::statvfs(&small).unwrap();
    ballast(&small, "all", (free.f_bavail * free.f_frsize) as usize);
    match Log::open(settings) {
        Err(OpenError::StorageFull { .. }) | Ok(_) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_batch_that_fails_half_way_is_as_if_it_had_never_been() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut watch = log.watch();
    publish(&log, "room", "1");
    assert!(watch.try_next().is_some());
    sql(
        dir.path(),
        "CREATE TRIGGER poison BEFORE INSERT ON message WHEN new.id = 'poison'
         BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
    );
    let answers = ["2", "3", "poison", "4"]
        .map(|id| log.publish(draft(&format!("room-{id}"), id, Data::from_text(id))));
    let answers = answers.map(|answer| answer.wait());
    assert!(matches!(&answers[2], Err(EngineError::Failed(what)) if what.contains("poisoned")));
    let stored: Vec<_> = answers.iter().flatten().map(|one| one.seq).collect();
    assert_eq!(log.head(0), 1 + stored.len() as u64);
    // What failed can be tried again, and what did not is known.
    for id in ["2", "3", "4"] {
        let room = format!("room-{id}");
        let before = read(&log, &room, None, 10).messages.len();
        assert_eq!(publish(&log, &room, id).repeated, before == 1);
        assert_eq!(read(&log, &room, None, 10).messages.len(), 1);
    }
    assert_eq!(log.head(0), 4);
    assert!(read(&log, "room-poison", None, 1).messages.is_empty());
    log.close();
    assert_eq!(open(dir.path()).head(0), 4);
}
