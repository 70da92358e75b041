//! What only a clock that stands still can show: the very millisecond, and a clock that is set back.

use std::time::Duration;

use super::retention::check_suffix;
use super::subject::{Setup, Subject};
use super::tools::{KEEP, START, eventually, keeping, publish, query, read, read_after, setup};
use crate::Retention;

/// The window is as long as it is said to be.
pub fn the_window_ends_to_the_millisecond(make: fn(Setup) -> Subject) {
    let setup = setup();
    let (clock, window) = (setup.clock.clone(), setup.dedup_window.as_millis() as u64);
    let engine = make(setup);
    let first = publish(&*engine, "room", "x");
    clock.advance(window - 1);
    assert!(publish(&*engine, "room", "x").repeated);
    clock.advance(1);
    let again = publish(&*engine, "room", "x");
    assert!(!again.repeated && again.seq > first.seq);
}

/// What is as old as its age is gone, and all that is younger is there.
pub fn an_age_is_full_to_the_millisecond(make: fn(Setup) -> Subject) {
    const MESSAGES: u64 = 6;
    let setup = ageing();
    let clock = setup.clock.clone();
    let engine = make(setup);
    let mut published = Vec::new();
    for n in 0..MESSAGES {
        clock.set(START + n * AGE / MESSAGES);
        published.push(publish(&*engine, "room", &n.to_string()).seq);
    }
    let kept = || read(&*engine, query("room", 10)).messages.len();
    for gone in 1..=2 {
        let full = START + AGE + (gone - 1) * AGE / MESSAGES;
        clock.set(full - 1);
        assert_eq!(kept() as u64, MESSAGES - gone + 1);
        clock.set(full);
        eventually("the oldest is old", || kept() as u64 == MESSAGES - gone);
        check_suffix(&*engine, "room", &published);
    }
}

/// A clock that goes back brings nothing back and takes nothing away.
pub fn a_clock_that_goes_back_changes_nothing(make: fn(Setup) -> Subject) {
    let setup = ageing();
    let clock = setup.clock.clone();
    let engine = make(setup);
    let first = publish(&*engine, "room", "old").seq;
    clock.advance(AGE / 2);
    publish(&*engine, "room", "young");
    clock.advance(AGE / 2);
    eventually("the first is old", || {
        read(&*engine, query("room", 10)).messages.len() == 1
    });
    clock.set(START);
    publish(&*engine, "room", "late");
    assert_eq!(read(&*engine, query("room", 10)).messages.len(), 2);
    clock.advance(3 * AGE);
    eventually("all are old", || {
        read(&*engine, query("room", 10)).messages.is_empty()
    });
    assert!(read_after(&*engine, "room", first, 10).truncated);
}

fn ageing() -> Setup {
    keeping(Retention {
        age: Some(Duration::from_millis(AGE)),
        ..KEEP
    })
}

/// In milliseconds.
const AGE: u64 = 60_000;
