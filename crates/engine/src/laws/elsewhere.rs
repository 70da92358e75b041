//! What is brought from another log: it keeps the time at which it was said.

use std::time::Duration;

use super::subject::{Setup, Subject};
use super::tools::{KEEP, answered, draft, eventually, keeping, next, query, read, setup};
use crate::{AT_MAX, Draft, Engine, Notice, Published, Retention};

/// It is answered, told and read with its own time, whatever the engine's is; no time is later than the
/// latest.
pub fn what_is_brought_keeps_its_time(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let now = engine.now();
    let said = [now - 1_000_000, now - 2_000_000, now + 60_000, u64::MAX];
    for (id, at) in ["1", "2", "3", "4"].into_iter().zip(said) {
        let published = bring(&*engine, id, at);
        let at = at.min(AT_MAX);
        assert_eq!((published.at, published.repeated), (at, false));
        let page = read(&*engine, query("room", 1));
        let message = &page.messages[0];
        assert_eq!((message.seq, message.at), (published.seq, at));
        let Notice::Committed(batch) = next(&mut watch) else {
            panic!("a message was stored, and something else is told");
        };
        assert_eq!(batch.events[0].seq(), Some(published.seq));
    }
}

/// Its age is counted from its own time.
pub fn what_is_brought_ends_with_its_own_age(make: fn(Setup) -> Subject) {
    const AGE: u64 = 3_600_000;
    /// Of the older one, as it is brought: long enough to be looked at before, short enough to sleep for.
    const LEFT: Duration = Duration::from_secs(2);
    let engine = make(keeping(Retention {
        age: Some(Duration::from_millis(AGE)),
        ..KEEP
    }));
    let ids = || -> Vec<String> {
        let page = read(&*engine, query("room", 10));
        let ids = page.messages.iter();
        ids.map(|message| message.id.to_string()).collect()
    };
    // What has looked for the old and found nothing left looks again.
    bring(&*engine, "past", engine.now() - AGE);
    eventually("what is past goes", || ids().is_empty());
    let begun = engine.now();
    bring(&*engine, "old", begun - AGE + LEFT.as_millis() as u64);
    bring(&*engine, "young", begun - AGE / 2);
    // A machine that is slow enough is here when it is old.
    assert!(ids() == ["old", "young"] || engine.since(begun) >= LEFT);
    engine.elapse(LEFT);
    eventually("the older one is old", || ids() == ["young"]);
}

fn bring(engine: &dyn Engine, id: &str, at: u64) -> Published {
    let at = Some(at);
    answered(engine.publish(Draft {
        at,
        ..draft("room", id)
    }))
}
