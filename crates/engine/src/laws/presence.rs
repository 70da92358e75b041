//! What passes without being stored: signals, joins, leaves.

use std::time::Duration;

use tidings_wire::{Data, Event, User};

use super::subject::{Setup, Subject};
use super::tools::{answered, channel, eventually, heads, next, publish, query, read, setup};
use crate::{Entry, Notice, Watch};

/// A signal is heard and not kept.
pub fn a_signal_passes_and_is_not_stored(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let data = Data::from_text("typing");
    engine.signal(channel("room"), user("alice"), data.clone());
    let signal = Event::Signal {
        channel: channel("room"),
        from: user("alice"),
        data,
    };
    assert_eq!(next_passing(&mut watch), signal);
    assert!(heads(&*engine).iter().all(|head| *head == 0));
    publish(&*engine, "room", "1");
    let Notice::Committed(batch) = next(&mut watch) else {
        panic!("a message was stored, and something else is told");
    };
    assert_eq!((batch.after, batch.events.len()), (0, 1));
    assert_eq!(read(&*engine, query("room", 10)).messages.len(), 1);
}

/// People are told of, not their connections.
pub fn a_user_is_present_from_the_first_connection_to_the_last(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let present = |name: &str| answered(engine.present(channel(name)));
    let begun = engine.now();
    engine.enter(entry("bob", 1));
    let bob = next_passing(&mut watch);
    let bob_since = at(&bob);
    assert!((begun..=engine.now()).contains(&bob_since));
    engine.elapse(Duration::from_millis(5));
    engine.enter(entry("bob", 2));
    let later = engine.now();
    engine.enter(entry("alice", 3));
    let alice = next_passing(&mut watch);
    let alice_since = at(&alice);
    assert!((later..=engine.now()).contains(&alice_since));
    eventually("both are there", || {
        let present = present("room");
        let users = present.users.iter();
        users
            .map(|one| (one.user.as_str(), one.since, one.connections))
            .eq([("alice", alice_since, 1), ("bob", bob_since, 2)])
    });
    assert_eq!(present("elsewhere").users, []);
    engine.leave(entry("bob", 1));
    engine.elapse(Duration::from_millis(5));
    let end = engine.now();
    engine.leave(entry("bob", 2));
    let left = next_passing(&mut watch);
    assert!((end..=engine.now()).contains(&at(&left)));
    let room = || channel("room");
    let joined = |name, at| Event::Join {
        channel: room(),
        user: user(name),
        at,
    };
    let leave = Event::Leave {
        channel: room(),
        user: user("bob"),
        at: at(&left),
    };
    assert_eq!(bob, joined("bob", bob_since));
    assert_eq!(alice, joined("alice", alice_since));
    assert_eq!(left, leave);
    eventually("one is left", || present("room").count == 1);
}

/// Leaving twice is leaving once.
pub fn leaving_where_one_is_not_says_nothing(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    engine.leave(entry("bob", 1));
    engine.enter(entry("bob", 1));
    engine.leave(entry("bob", 2));
    engine.leave(entry("bob", 1));
    engine.leave(entry("bob", 1));
    engine.enter(entry("alice", 3));
    let names = [(); 3].map(|()| next_passing(&mut watch).type_name());
    assert_eq!(names, ["join", "leave", "join"]);
}

/// When somebody came or went.
fn at(event: &Event) -> u64 {
    match event {
        Event::Join { at, .. } | Event::Leave { at, .. } => *at,
        other => panic!("nobody came or went: {other:?}"),
    }
}

fn user(name: &str) -> User {
    User::new(name).expect("a good name")
}

fn entry(name: &str, connection: u64) -> Entry {
    Entry {
        channel: channel("room"),
        user: user(name),
        connection,
    }
}

fn next_passing(watch: &mut Watch) -> Event {
    match next(watch) {
        Notice::Passing(event) => event.event().clone(),
        other => panic!("something else happened: {other:?}"),
    }
}
