//! Every bound of a session: at it, one below, one above; and what its commands do without a wait.

use std::time::Duration;

use tidings_engine::{Batch, EngineError, Published};
use tidings_wire::{Code, Command, Data, MessageId, Reply, ReplyBody, RequestError};

use super::message;
use crate::effect::{Answered, Effect};
use crate::fanout::{Fanout, Said};
use crate::grace::Departure;
use crate::logs::Heads;
use crate::session::Moment;
use crate::{Limits, Permissions, Push, Room};

use super::play::*;

#[test]
fn a_session_follows_so_many_channels_and_not_one_more() {
    let mut play = Play::new(Limits {
        subscriptions: 2,
        ..Limits::default()
    });
    assert_eq!(play.refused(subscribe("a", None)), None);
    assert_eq!(play.refused(subscribe("b", None)), None);
    assert_eq!(play.refused(subscribe("c", None)), Some(Code::LimitReached));
    assert_eq!(play.refused(subscribe("b", None)), Some(Code::BadRequest));
    let unsubscribe = Command::Unsubscribe {
        channel: channel("a"),
    };
    assert_eq!(play.refused(unsubscribe), None);
    assert_eq!(play.refused(subscribe("c", None)), None);
}

#[test]
fn commands_that_wait_are_bounded_and_more_are_busy() {
    let mut play = Play::new(Limits {
        commands: 3,
        ..Limits::default()
    });
    for _ in 0..3 {
        assert_eq!(play.refused(publish("x")), None);
    }
    assert_eq!(play.refused(publish("x")), Some(Code::Busy));
    let published = Answered::Published(Ok(Published {
        seq: 101,
        id: MessageId::new("m").unwrap(),
        at: 0,
        repeated: false,
    }));
    let ask = play.asks()[0];
    play.fanout.handle_answer(ask, published);
    assert_eq!(play.poll().len(), 1);
    assert_eq!(play.refused(publish("x")), None);
}

#[test]
fn somebody_who_reads_no_answers_is_not_served_for_ever() {
    let mut play = Play::new(Limits {
        commands: 3,
        ..Limits::default()
    });
    for _ in 0..20 {
        play.command(Command::Ping);
    }
    let pushes = play.poll();
    // Three answers, three refusals, and the end.
    assert_eq!(pushes.len(), 7);
    assert!(matches!(
        pushes[6],
        Push::Close {
            code: Code::Busy,
            ..
        }
    ));
    assert!(play.poll().is_empty());
}

#[test]
fn bad_frames_in_a_row_end_the_session_and_good_ones_forgive() {
    let mut play = Play::new(Limits {
        bad_frames: 3,
        ..Limits::default()
    });
    let nonsense = |play: &mut Play| {
        let error = RequestError {
            req: None,
            detail: "nonsense".into(),
        };
        play.fanout
            .handle(play.link, Said::Nonsense(error), &moment());
    };
    nonsense(&mut play);
    nonsense(&mut play);
    assert_eq!(play.refused(Command::Ping), None);
    nonsense(&mut play);
    nonsense(&mut play);
    assert_eq!(play.poll().len(), 2);
    nonsense(&mut play);
    let pushes = play.poll();
    assert!(matches!(pushes[0], Push::Reply(Reply { req: None, .. })));
    assert!(matches!(
        pushes[1],
        Push::Close {
            code: Code::BadRequest,
            ..
        }
    ));
}

#[test]
fn histories_are_bounded_in_number_and_length() {
    let mut play = Play::new(Limits {
        histories: 2,
        ..Limits::default()
    });
    assert_eq!(play.refused(history(0)), Some(Code::BadRequest));
    assert_eq!(play.refused(history(1001)), Some(Code::BadRequest));
    assert_eq!(play.refused(history(1000)), None);
    assert_eq!(play.refused(history(1)), None);
    assert_eq!(play.refused(history(1)), Some(Code::Busy));
    // Answered but not sent counts as well.
    let ask = play.asks()[0];
    let answer = Answered::History(Ok(page(&[1], 100)));
    play.fanout.handle_answer(ask, answer);
    play.command(history(1));
    let pushes = play.poll();
    assert!(matches!(
        pushes[1],
        Push::Reply(Reply {
            body: ReplyBody::Error {
                code: Code::Busy,
                ..
            },
            ..
        })
    ));
    assert_eq!(play.refused(history(1)), None);
}

#[test]
fn a_page_is_as_long_as_the_channels_that_read_allow() {
    let mut play = Play::new(Limits {
        page_messages: 20,
        ..Limits::default()
    });
    let mut limit = |name: &str| {
        play.refused(subscribe(name, Some(5)));
        play.reads().first().map(|query| query.limit)
    };
    assert_eq!(limit("a"), Some(20));
    assert_eq!(limit("b"), Some(10));
    assert_eq!(limit("c"), Some(6));
    assert_eq!(limit("d"), Some(5));
}

#[test]
fn a_room_is_filled_and_one_push_may_reach_beyond_it() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", None));
    play.commit(&[101, 102, 103], "a");
    let weight = message("a", 101).weight();
    let mut poll = |bytes, events| {
        let mut out = Vec::new();
        play.fanout
            .poll(play.link, Room { bytes, events }, &mut out);
        seqs(&out)
    };
    assert!(poll(0, 9).is_empty());
    assert!(poll(9, 0).is_empty());
    assert_eq!(poll(1, 9), [101]);
    assert_eq!(poll(weight + 1, 9), [102, 103]);
    assert!(poll(9, 9).is_empty());
}

#[test]
fn the_answer_to_a_subscription_that_is_gone_is_ignored() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", Some(5)));
    let stale = play.reads().remove(0);
    let unsubscribe = Command::Unsubscribe {
        channel: channel("a"),
    };
    play.refused(unsubscribe);
    play.refused(subscribe("a", Some(50)));
    play.fanout.handle_page(&stale, Ok(page(&[6], 100)));
    assert!(play.poll().is_empty());
}

#[test]
fn the_answer_to_a_session_that_is_gone_is_ignored() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", Some(5)));
    let stale = play.reads().remove(0);
    play.fanout.detach(play.link, Departure::Meant, &moment());
    // The next session has the same place.
    let link = play.fanout.connect(Some(alice()), fresh(), &moment());
    assert_eq!(link.session(), play.link.session());
    play.link = link;
    play.poll();
    play.refused(subscribe("a", Some(50)));
    play.fanout.handle_page(&stale, Ok(page(&[6], 100)));
    assert!(play.poll().is_empty());
    play.fanout.detach(play.link, Departure::Meant, &moment());
    play.fanout.check_empty();
}

#[test]
fn what_the_engine_refuses_is_told_and_the_session_goes_on() {
    let mut play = Play::new(Limits::default());
    play.command(publish("x"));
    let ask = play.asks()[0];
    let full = Answered::Published(Err(EngineError::StorageFull));
    play.fanout.handle_answer(ask, full);
    assert!(matches!(
        &play.poll()[..],
        [Push::Reply(Reply {
            req: Some(1),
            body: ReplyBody::Error {
                code: Code::StorageFull,
                ..
            },
        })]
    ));
    assert_eq!(play.refused(Command::Ping), None);
}

#[test]
fn permissions_are_asked_for_every_command() {
    let mut bob = alice();
    bob.permissions = Permissions::new(["r".to_owned()], ["w".to_owned()]);
    let mut play = Play::of(Limits::default(), bob);
    let data = Data::from_text("x");
    for (name, read, write) in [
        ("r", None, Some(Code::Forbidden)),
        ("w", Some(Code::Forbidden), None),
    ] {
        let channel = || channel(name);
        let presence = Command::Presence { channel: channel() };
        let history = Command::History {
            channel: channel(),
            before: None,
            after: None,
            limit: None,
        };
        let publish = Command::Publish {
            channel: channel(),
            data: data.clone(),
            id: None,
        };
        let signal = Command::Signal {
            channel: channel(),
            data: data.clone(),
        };
        for command in [subscribe(name, None), presence, history] {
            assert_eq!(play.refused(command), read);
        }
        for command in [publish, signal] {
            assert_eq!(play.refused(command), write);
        }
    }
}

#[test]
fn a_namespace_can_do_without_presence() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("quiet:a", None));
    assert!(play.fanout.take_effects().is_empty());
    play.refused(subscribe("loud:a", None));
    assert!(matches!(play.fanout.take_effects()[..], [Effect::Enter(_)]));
}

#[test]
fn a_lease_ends_on_time_and_not_before() {
    let limits = Limits {
        lease: Duration::from_millis(10),
        ..Limits::default()
    };
    let mut fanout = fanout(limits);
    let request = crate::StreamRequest {
        channels: vec![channel("a")],
        after: None,
        session: Some(MessageId::new("tab").unwrap()),
        presence: false,
    };
    let at = |tick| Moment { tick, ..moment() };
    let first = stream(&mut fanout, request.clone(), &at(0)).unwrap();
    fanout.detach(first, Departure::Lost, &at(5));
    fanout.handle_tick(&at(14));
    let second = stream(&mut fanout, request, &at(14)).unwrap();
    fanout.handle_tick(&at(100));
    assert!(
        fanout.session(second).is_some(),
        "no lease ends under a link"
    );
    fanout.detach(second, Departure::Lost, &at(100));
    fanout.handle_tick(&at(109));
    fanout.take_effects();
    fanout.handle_tick(&at(110));
    assert!(matches!(
        fanout.take_effects()[..],
        [Effect::Leave(_), Effect::Ended]
    ));
    fanout.check_empty();
}

#[test]
fn whatever_comes_for_a_session_wakes_it_once() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", Some(50)));
    play.command(publish("x"));
    let effects = play.fanout.take_effects();
    let mut woken = Vec::new();
    let mut wakes = |play: &mut Play, what: &dyn Fn(&mut Fanout)| {
        play.poll();
        play.fanout.take_marked(&mut woken);
        what(&mut play.fanout);
        // Again, before it has looked.
        what(&mut play.fanout);
        play.fanout.take_marked(&mut woken);
        assert_eq!(woken, [play.link.session() as u32]);
        assert!(play.fanout.is_marked(play.link));
        play.poll();
        assert!(!play.fanout.is_marked(play.link));
    };
    for effect in &effects {
        match effect {
            Effect::Read { query } => wakes(&mut play, &|fanout| {
                fanout.handle_page(query, Ok(page(&[51], 100)));
            }),
            Effect::Publish { ask, .. } => wakes(&mut play, &|fanout| {
                let answer = Answered::Published(Err(EngineError::Busy));
                fanout.handle_answer(*ask, answer);
            }),
            _ => {}
        }
    }
    wakes(&mut play, &|fanout| {
        let after = 100;
        let events = vec![message("a", 101)];
        fanout.handle_batch(&Batch {
            log: 0,
            after,
            events,
        });
    });
    wakes(&mut play, &|fanout| fanout.handle_lag(&Heads::One(200)));
    wakes(&mut play, &|fanout| fanout.handle_passing(message("a", 0)));
}
