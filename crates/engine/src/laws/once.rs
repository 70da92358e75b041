//! Law 3: a draft is stored once.

use std::time::Duration;

use super::subject::{Setup, Subject};
use super::tools::{
    answered, beside, draft, eventually, next_messages, publish, query, read, seqs, setup,
};
use crate::Draft;
use tidings_wire::Data;

/// The second attempt is answered with the first one's place, whatever it says.
pub fn a_draft_is_stored_once_within_the_window(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let first = publish(&*engine, "room", "x");
    publish(&*engine, "room", "y");
    engine.elapse(Duration::from_millis(20));
    let other = Draft {
        data: Data::from_text("something else"),
        ..draft("room", "x")
    };
    let second = answered(engine.publish(other));
    assert!(second.repeated && !first.repeated);
    assert_eq!((second.seq, second.at), (first.seq, first.at));
    assert_eq!(second.id, first.id);
    assert_eq!(read(&*engine, query("room", 10)).messages.len(), 2);
}

/// The same id in two channels is two messages.
pub fn an_id_counts_in_its_own_channel(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let first = publish(&*engine, "room", "x");
    // In one log, where the same id could be taken for the same draft.
    let second = publish(&*engine, &beside(&*engine, "room"), "x");
    assert_ne!(first.seq, second.seq);
    assert!(!second.repeated);
}

/// The window ends, and not before it is over.
pub fn an_id_is_new_again_after_the_window(make: fn(Setup) -> Subject) {
    const WINDOW: Duration = Duration::from_secs(2);
    let engine = make(Setup {
        dedup_window: WINDOW,
        ..setup()
    });
    let begun = engine.now();
    let first = publish(&*engine, "room", "x");
    engine.elapse(WINDOW / 4);
    let mut again = publish(&*engine, "room", "x");
    // A machine that is slow enough is here when the window is over.
    assert!(again.repeated || engine.since(begun) >= WINDOW);
    engine.elapse(WINDOW - WINDOW / 4);
    eventually("the window ends", || {
        again = publish(&*engine, "room", "x");
        !again.repeated
    });
    assert!(again.seq > first.seq);
}

/// Copies that wait beside one another are found out as well.
pub fn copies_at_the_same_time_are_stored_once(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let answers: Vec<_> = (0..20)
        .map(|_| engine.publish(draft("room", "x")))
        .collect();
    let published: Vec<_> = answers.into_iter().map(answered).collect();
    let stored: Vec<_> = published.iter().filter(|one| !one.repeated).collect();
    assert_eq!(stored.len(), 1);
    assert!(published.iter().all(|one| one.seq == stored[0].seq));
    assert_eq!(seqs(&read(&*engine, query("room", 30))), [stored[0].seq]);
}

/// A repetition is not told again.
pub fn watchers_hear_of_a_repeated_draft_once(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let first = publish(&*engine, "room", "x").seq;
    publish(&*engine, "room", "x");
    let last = publish(&*engine, "room", "y").seq;
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        heard.extend(next_messages(&mut watch));
    }
    assert_eq!(heard, [first, last]);
}
