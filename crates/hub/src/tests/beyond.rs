//! Cursors from beyond what is known here: another node of a cluster may know more.

use tidings_engine::EngineError;
use tidings_wire::{Code, Command, MessageId, ReplyBody};

use super::play::*;
use crate::effect::{Answered, Ask};
use crate::grace::Departure;
use crate::{Limits, Push, StreamRequest};

/// A session that has asked to go on behind 150, which is beyond 100.
fn asker() -> (Play, Ask) {
    let mut play = Play::new(Limits::default());
    play.command(subscribe("a", Some(150)));
    assert!(play.poll().is_empty(), "nobody knows yet");
    let ask = the_ask(&mut play);
    (play, ask)
}

fn the_ask(play: &mut Play) -> Ask {
    let asks = play.asks();
    assert_eq!(asks.len(), 1);
    asks[0]
}

fn answer(play: &mut Play, ask: Ask, head: Result<u64, EngineError>) {
    play.fanout.handle_answer(ask, Answered::Reached(head));
}

/// Where a channel begins, and whether with a hole.
fn subscribed(pushes: &[Push]) -> Option<(String, bool)> {
    pushes.iter().find_map(|push| match push {
        Push::Reply(reply) => match &reply.body {
            ReplyBody::Subscribed {
                cursor, truncated, ..
            } => Some((cursor.to_string(), *truncated)),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_cursor_is_judged_by_how_far_the_log_goes() {
    for (head, start, truncated) in [
        (149, "e-100", true),
        (150, "e-150", false),
        (151, "e-150", false),
    ] {
        let (mut play, ask) = asker();
        answer(&mut play, ask, Ok(head));
        assert!(play.fanout.is_marked(play.link));
        let begun = subscribed(&play.poll());
        assert_eq!(begun, Some((start.to_owned(), truncated)), "{head}");
    }
}

#[test]
fn what_is_said_after_it_was_asked_is_not_lost_to_who_begins_now() {
    let (mut play, ask) = asker();
    play.commit(&[101], "a");
    assert!(play.poll().is_empty());
    answer(&mut play, ask, Ok(101));
    assert_eq!(subscribed(&play.poll()), Some(("e-100".to_owned(), true)));
    let read = play.reads().remove(0);
    assert_eq!(read.after, Some(100));
    play.fanout.handle_page(&read, Ok(page(&[101], 101)));
    assert_eq!(seqs(&play.poll()), [101]);
}

#[test]
fn what_cannot_be_judged_is_refused_and_not_followed() {
    let (mut play, ask) = asker();
    answer(&mut play, ask, Err(EngineError::Unavailable("no".into())));
    let Some(Push::Reply(reply)) = play.poll().pop() else {
        panic!("it is answered");
    };
    assert!(matches!(
        reply.body,
        ReplyBody::Error {
            code: Code::Unavailable,
            ..
        }
    ));
    assert_eq!(reply.req, Some(play.req));
    play.commit(&[101], "a");
    assert!(play.poll().is_empty());
    assert_eq!(play.refused(subscribe("a", None)), None, "it may ask again");
}

#[test]
fn a_second_subscribe_finds_the_first() {
    let (mut play, ask) = asker();
    let refused = play.refused(subscribe("a", None));
    assert_eq!(refused, Some(Code::BadRequest));
    answer(&mut play, ask, Ok(150));
    assert_eq!(subscribed(&play.poll()), Some(("e-150".to_owned(), false)));
}

#[test]
fn who_leaves_meanwhile_has_left() {
    let (mut play, ask) = asker();
    let leave = Command::Unsubscribe {
        channel: channel("a"),
    };
    assert_eq!(play.refused(leave.clone()), None);
    answer(&mut play, ask, Ok(150));
    play.commit(&[101], "a");
    assert!(play.poll().is_empty());
    // And who comes again waits for an answer of their own.
    play.command(subscribe("a", Some(160)));
    let again = the_ask(&mut play);
    answer(&mut play, ask, Ok(150));
    assert!(play.poll().is_empty());
    answer(&mut play, again, Ok(160));
    assert_eq!(subscribed(&play.poll()), Some(("e-160".to_owned(), false)));
}

#[test]
fn an_answer_to_a_link_that_is_gone_is_ignored() {
    let (mut play, ask) = asker();
    play.fanout.detach(play.link, Departure::Meant, &moment());
    answer(&mut play, ask, Ok(150));
    play.fanout.check_empty();
    // Another session in its place asks the same.
    play.link = play.fanout.connect(Some(alice()), fresh(), &moment());
    play.poll();
    play.command(subscribe("a", Some(150)));
    assert_eq!(play.asks()[0].session, ask.session);
    answer(&mut play, ask, Ok(150));
    assert!(play.poll().is_empty());
}

#[test]
fn who_waits_to_be_judged_takes_no_turn_of_those_who_catch_up() {
    let mut play = Play::new(Limits {
        histories: 1,
        ..Limits::default()
    });
    play.command(subscribe("a", Some(150)));
    assert_eq!(play.asks().len(), 1);
    assert_eq!(play.refused(subscribe("b", Some(5))), None);
    assert_eq!(play.reads().len(), 1);
}

#[test]
fn a_poll_that_was_judged_late_does_not_take_over_a_later_one() {
    let mut fanout = fanout(Limits::default());
    let request = |after: &str| StreamRequest {
        channels: vec![channel("a")],
        after: Some(after.parse().unwrap()),
        session: Some(MessageId::new("tab").unwrap()),
        presence: false,
    };
    let heads = moment().heads;
    let slow = fanout.arrive(alice(), request("e-150"), &heads).unwrap();
    assert_eq!(slow.beyond, [(0, 150)].into());
    let later = stream(&mut fanout, request("e-99"), &moment()).unwrap();
    let refused = fanout.stream(slow, fresh(), &moment());
    assert_eq!(refused.unwrap_err().code, Code::Busy);
    assert!(fanout.session(later).is_some());
    // But one that has come after it does.
    let next = stream(&mut fanout, request("e-99"), &moment()).unwrap();
    assert!(fanout.session(later).is_none() && fanout.session(next).is_some());
}
