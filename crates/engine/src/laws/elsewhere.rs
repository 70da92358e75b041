//! What is brought from another log: it keeps the time at which it was said.

use std::time::Duration;

use super::tools::{
    KEEP, START, Setup, Subject, draft, eventually, keeping, next, query, read, setup,
};
use crate::{AT_MAX, Draft, Engine, Notice, Published, Retention};

/// It is answered, told and read with its own time, whatever the clock says; no time is later than the
/// latest.
pub fn what_is_brought_keeps_its_time(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let told = [
        START - 1_000_000,
        START - 2_000_000,
        START + 1_000,
        u64::MAX,
    ];
    for (id, at) in ["1", "2", "3", "4"].into_iter().zip(told) {
        let published = bring(&*engine, id, at);
        let at = at.min(AT_MAX);
        assert_eq!((published.at, published.repeated), (at, false));
        let page = read(&*engine, query("room", 1));
        assert_eq!(
            (page.messages[0].seq, page.messages[0].at),
            (published.seq, at)
        );
        let Notice::Committed(batch) = next(&mut watch) else {
            panic!("a message was stored, and something else is told");
        };
        assert_eq!(batch.events[0].seq(), Some(published.seq));
    }
}

/// Its age is counted from its own time.
pub fn what_is_brought_ends_with_its_own_age(make: fn(Setup) -> Subject) {
    const AGE: u64 = 60_000;
    let setup = keeping(Retention {
        age: Some(Duration::from_millis(AGE)),
        ..KEEP
    });
    let clock = setup.clock.clone();
    let engine = make(setup);
    let ids = || -> Vec<String> {
        let page = read(&*engine, query("room", 10));
        let ids = page.messages.iter();
        ids.map(|message| message.id.to_string()).collect()
    };
    bring(&*engine, "old", START - AGE / 2);
    bring(&*engine, "young", START - AGE / 4);
    assert_eq!(ids(), ["old", "young"]);
    clock.advance(AGE / 2);
    eventually("the older one is old", || ids() == ["young"]);
    clock.advance(AGE / 4);
    eventually("the younger one is old", || ids().is_empty());
}

fn bring(engine: &dyn Engine, id: &str, at: u64) -> Published {
    let at = Some(at);
    let brought = Draft {
        at,
        ..draft("room", id)
    };
    engine.publish(brought).wait().expect("stored")
}
