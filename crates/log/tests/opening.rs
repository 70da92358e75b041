//! What opening refuses, in words that say what to do.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

mod common;

use std::fs::{self, File};
use std::path::Path;

use common::{config, open, publish, sql};
use tidings_log::{Log, OpenError};

fn refused(dir: &Path) -> OpenError {
    Log::open(config(dir)).expect_err("it cannot be opened")
}

#[test]
fn a_directory_is_made_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new/and/deep");
    let log = open(&dir);
    publish(&log, "room", "1");
    drop(log);
    publish(&open(&dir), "room", "2");
}

#[test]
fn a_directory_in_use_names_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let error = refused(dir.path());
    let pid = std::process::id();
    assert!(matches!(error, OpenError::InUse { pid: Some(found), .. } if found == pid));
    assert!(error.to_string().contains(&format!("process {pid}")));
    log.close();
    drop(open(dir.path()));
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    assert!(matches!(refused(&path), OpenError::Directory { .. }));
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    sql(
        dir.path(),
        "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);",
    );
    let before = fs::read(dir.path().join("messages.db")).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let after = fs::read(dir.path().join("messages.db")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("messages.db");
    for content in ["short", "no database, but long enough to be taken for one"] {
        fs::write(&path, content).unwrap();
        let error = refused(dir.path());
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    sql(dir.path(), "PRAGMA user_version = 2");
    let error = refused(dir.path());
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    sql(dir.path(), "PRAGMA user_version = 1");
    drop(open(dir.path()));
}

#[test]
fn an_empty_file_is_a_beginning() {
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join("messages.db")).unwrap();
    assert_eq!(publish(&open(dir.path()), "room", "1").seq, 1);
}

/// A log with some pages, closed.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..500 {
        publish(&log, "room", &format!("{n}-{}", "x".repeat(50)));
    }
    dir
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let dir = filled();
    let path = dir.path().join("messages.db");
    let length = fs::metadata(&path).unwrap().len();
    for cut in [1, 4096, 3 * 4096 + 5] {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(length - cut).unwrap();
        let error = refused(dir.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("restore a backup"));
    }
}

#[test]
fn an_overwritten_page_is_refused() {
    use std::os::unix::fs::FileExt;
    let dir = filled();
    let path = dir.path().join("messages.db");
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    assert!(pages > 10);
    for page in 0..pages {
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut before = [0; 4096];
        file.read_exact_at(&mut before, page * 4096).unwrap();
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
        let error = refused(dir.path());
        assert!(
            matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }),
            "page {page}: {error}"
        );
        file.write_all_at(&before, page * 4096).unwrap();
    }
    drop(open(dir.path()));
}

#[test]
fn tables_that_do_not_fit_together_are_refused() {
    for damage in [
        "DROP TABLE skip",
        "UPDATE meta SET value = 3 WHERE key = 'head'",
        "UPDATE meta SET value = 'x' WHERE key = 'head'",
        "UPDATE meta SET value = '?' WHERE key = 'epoch'",
        "UPDATE meta SET value = 0 WHERE key = 'settled';
         UPDATE channel SET head = 0, head_nth = 0;
         UPDATE message SET prev = 7 WHERE seq = 20",
        "UPDATE meta SET value = 0 WHERE key = 'settled'; DELETE FROM channel",
    ] {
        let dir = filled();
        sql(dir.path(), damage);
        let error = refused(dir.path());
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{damage}: {error}"
        );
    }
}

#[test]
fn a_new_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new");
    drop(open(&dir));
    let mode = fs::metadata(&dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
