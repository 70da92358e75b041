//! Channels of several logs in one session: each log for itself.

use tidings_engine::{Batch, Page};
use tidings_wire::{Epoch, Event};

use super::message_in;
use super::play::*;
use crate::fanout::{Fanout, LinkKey, Said};
use crate::grace::Departure;
use crate::logs::{Heads, Logs};
use crate::session::{Moment, Session};
use crate::subscription::Subscription;
use crate::{Limits, Push, Room, StreamRequest};

/// What the logs `e` and `f` have, and a shard has heard. Channels of the namespace `far` are in `f`.
const HEADS: [u64; 2] = [100, 7];

fn two_logs() -> Fanout {
    let epochs = ["e", "f"].map(|epoch| Epoch::new(epoch).unwrap());
    let logs = Logs::new(&epochs, |channel| usize::from(channel.namespace() == "far"));
    fanout_over(logs, &Heads::new(HEADS.into_iter()), Limits::default())
}

fn now() -> Moment {
    Moment {
        heads: Heads::new(HEADS.into_iter()),
        ..moment()
    }
}

/// A stream of channels of both logs.
fn both(fanout: &mut Fanout, after: Option<&str>) -> LinkKey {
    let request = StreamRequest {
        channels: vec![channel("a"), channel("far:x")],
        after: after.map(|after| after.parse().unwrap()),
        session: None,
        presence: false,
    };
    stream(fanout, request, &now()).unwrap()
}

fn commit(fanout: &mut Fanout, name: &str, seqs: &[u64]) {
    let log = usize::from(name.starts_with("far:"));
    let epoch = ["e", "f"][log];
    let events = seqs.iter().map(|seq| message_in(epoch, name, *seq));
    fanout.handle_batch(&Batch {
        log,
        after: seqs[0] - 1,
        events: events.collect(),
    });
}

/// What a link is given, and where it is then.
fn poll(fanout: &mut Fanout, link: LinkKey, room: Room) -> (Vec<String>, String) {
    let mut out = Vec::new();
    fanout.poll(link, room, &mut out);
    let name = |push: &Push| match push {
        Push::Event(event) => match event.event() {
            Event::Message(message) => format!("{} {}", message.channel, message.seq),
            other => format!("{} {}", other.channel(), other.type_name()),
        },
        other => format!("{other:?}"),
    };
    let session = fanout.session(link).unwrap();
    let cursor = fanout.cursor(&session.positions).to_string();
    (out.iter().map(name).collect(), cursor)
}

#[test]
fn one_cursor_says_how_far_each_log_was_read() {
    let mut fanout = two_logs();
    let link = both(&mut fanout, None);
    assert_eq!(poll(&mut fanout, link, ROOM), (vec![], "e-100.f-7".into()));
    commit(&mut fanout, "a", &[101]);
    commit(&mut fanout, "far:x", &[8, 9]);
    commit(&mut fanout, "a", &[102]);
    let (mut given, cursor) = poll(&mut fanout, link, ROOM);
    given.sort_unstable();
    assert_eq!(given, ["a 101", "a 102", "far:x 8", "far:x 9"]);
    assert_eq!(cursor, "e-102.f-9");
    // What is not followed moves it as well, in its log alone.
    commit(&mut fanout, "far:y", &[10]);
    assert_eq!(poll(&mut fanout, link, ROOM).1, "e-102.f-10");
}

#[test]
fn a_log_that_is_read_does_not_hold_up_another() {
    let mut fanout = two_logs();
    let link = both(&mut fanout, Some("f-5.e-100"));
    commit(&mut fanout, "a", &[101]);
    let (given, cursor) = poll(&mut fanout, link, ROOM);
    assert_eq!((given, cursor), (vec!["a 101".into()], "e-101.f-5".into()));
    assert!(!fanout.session(link).unwrap().truncated);
}

#[test]
fn a_part_that_is_missing_or_of_another_log_concerns_its_channels_alone() {
    for after in ["e-90", "e-90.g-3"] {
        let mut fanout = two_logs();
        let link = both(&mut fanout, Some(after));
        assert_eq!(poll(&mut fanout, link, ROOM).1, "e-90.f-7");
        let session = fanout.session(link).unwrap();
        assert!(session.truncated);
        let reads = fanout
            .take_effects()
            .into_iter()
            .filter_map(|effect| match effect {
                crate::effect::Effect::Read { query } => Some(query),
                _ => None,
            });
        for query in reads.collect::<Vec<_>>() {
            let head = HEADS[usize::from(query.channel == channel("far:x"))];
            let page = Page {
                oldest: 0,
                ..page(&[], head)
            };
            fanout.handle_page(&query, Ok(page));
        }
        let (given, cursor) = poll(&mut fanout, link, ROOM);
        assert_eq!(given, ["far:x truncated"], "{after}");
        assert_eq!(cursor, "e-100.f-7");
    }
}

#[test]
fn a_stream_is_current_when_each_of_its_logs_is_heard() {
    let mut fanout = two_logs();
    let request = StreamRequest {
        channels: vec![channel("a"), channel("far:x")],
        after: None,
        session: None,
        presence: false,
    };
    let later = Moment {
        heads: Heads::new([101, 8].into_iter()),
        ..now()
    };
    let link = stream(&mut fanout, request, &later).unwrap();
    poll(&mut fanout, link, ROOM);
    for (name, seq) in [("far:y", 8), ("b", 101)] {
        assert!(!fanout.is_current(link));
        commit(&mut fanout, name, &[seq]);
        poll(&mut fanout, link, ROOM);
    }
    assert!(fanout.is_current(link));
}

#[test]
fn a_busy_log_does_not_starve_a_quiet_one() {
    let mut fanout = two_logs();
    let link = both(&mut fanout, None);
    poll(&mut fanout, link, ROOM);
    commit(&mut fanout, "far:x", &[8]);
    let one = Room { events: 1, ..ROOM };
    let mut given = Vec::new();
    for seq in 101..106 {
        // As much as the room takes, again and again.
        commit(&mut fanout, "a", &[seq]);
        given.extend(poll(&mut fanout, link, one).0);
    }
    assert!(given.contains(&"far:x 8".to_owned()), "{given:?}");
    assert!(given.contains(&"a 101".to_owned()), "{given:?}");
}

#[test]
fn a_framed_session_has_a_position_in_each_log_that_it_follows() {
    let mut fanout = two_logs();
    let link = fanout.connect(Some(alice()), fresh(), &now());
    poll(&mut fanout, link, ROOM);
    let say = |fanout: &mut Fanout, command| {
        let request = tidings_wire::Request { req: None, command };
        fanout.handle(link, Said::Request(request), &now());
        poll(fanout, link, ROOM).1
    };
    let leave = |name| tidings_wire::Command::Unsubscribe {
        channel: channel(name),
    };
    assert_eq!(say(&mut fanout, subscribe("far:x", None)), "f-7");
    assert_eq!(say(&mut fanout, subscribe("a", None)), "e-100.f-7");
    assert_eq!(say(&mut fanout, subscribe("far:y", None)), "e-100.f-7");
    assert_eq!(say(&mut fanout, leave("far:x")), "e-100.f-7");
    assert_eq!(say(&mut fanout, leave("far:y")), "e-100");
    commit(&mut fanout, "a", &[101]);
    assert_eq!(
        poll(&mut fanout, link, ROOM),
        (vec!["a 101".into()], "e-101".into())
    );
    // Alone in its log, it goes in step.
    commit(&mut fanout, "a", &[102]);
    let mut given = 0;
    assert!(fanout.give_in_step(link.session(), ROOM, |stretch| {
        given += stretch.events().len();
        true
    }));
    assert_eq!(given, 1);
    fanout.detach(link, Departure::Meant, &now());
    fanout.check_empty();
}

#[test]
fn what_was_missed_of_one_log_is_read_from_that_alone() {
    let mut fanout = two_logs();
    let link = both(&mut fanout, None);
    poll(&mut fanout, link, ROOM);
    commit(&mut fanout, "a", &[101]);
    commit(&mut fanout, "far:x", &[9]);
    let (given, cursor) = poll(&mut fanout, link, ROOM);
    assert_eq!((given, cursor), (vec!["a 101".into()], "e-101.f-7".into()));
}

#[test]
fn a_session_of_one_log_needs_no_memory_for_others() {
    // On a 64-bit machine, where a server has a million of them.
    assert!(size_of::<Session>() <= 264, "{}", size_of::<Session>());
    let subscription = size_of::<Subscription>();
    assert!(subscription <= 120, "{subscription}");
}
