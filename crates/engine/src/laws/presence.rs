//! What passes without being stored: signals, joins, leaves.

use tidings_wire::{Data, Event, User};

use super::tools::{START, Setup, Subject, channel, next, publish, query, read, setup};
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
    assert_eq!(engine.head(0), 0);
    publish(&*engine, "room", "1");
    assert_eq!(read(&*engine, query("room", 10)).messages.len(), 1);
}

/// People are told of, not their connections.
pub fn a_user_is_present_from_the_first_connection_to_the_last(make: fn(Setup) -> Subject) {
    let setup = setup();
    let clock = setup.clock.clone();
    let engine = make(setup);
    let mut watch = engine.watch();
    engine.enter(entry("bob", 1));
    clock.advance(5);
    engine.enter(entry("bob", 2));
    engine.enter(entry("alice", 3));
    let present = engine.present(channel("room")).wait().expect("answered");
    let told: Vec<_> = present
        .users
        .iter()
        .map(|one| (one.user.as_str(), one.since, one.connections))
        .collect();
    assert_eq!(told, [("alice", START + 5, 1), ("bob", START, 2)]);
    let elsewhere = engine.present(channel("elsewhere")).wait();
    assert_eq!(elsewhere.expect("answered").users, []);
    engine.leave(entry("bob", 1));
    clock.advance(5);
    engine.leave(entry("bob", 2));
    let events = [(); 3].map(|()| next_passing(&mut watch));
    let room = || channel("room");
    let joined = |name, at| Event::Join {
        channel: room(),
        user: user(name),
        at,
    };
    let left = Event::Leave {
        channel: room(),
        user: user("bob"),
        at: START + 10,
    };
    assert_eq!(
        events,
        [joined("bob", START), joined("alice", START + 5), left]
    );
    let present = engine.present(channel("room")).wait().expect("answered");
    assert_eq!(present.count, 1);
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
