//! Followers that have fallen behind: all that is kept, or the newest, as the namespace has it.

use std::sync::Arc;

use tidings_engine::{Page, Query};
use tidings_wire::{Event, Message};

use super::message;
use crate::logs::Heads;
use crate::{Limits, Push, Room};

use super::play::*;

/// A session that follows `name`, of which two messages are kept in memory.
fn follower(name: &str) -> Play {
    let mut play = Play::new(Limits {
        tail_events: 2,
        ..Limits::default()
    });
    assert_eq!(play.refused(subscribe(name, None)), None);
    play
}

/// A page of the newest message alone.
fn newest(name: &str, seq: u64, prev: u64) -> Page {
    let Event::Message(first) = message(name, seq).event().clone() else {
        unreachable!("a message")
    };
    let message = Message {
        prev,
        ..Message::clone(&first)
    };
    Page {
        messages: vec![Arc::new(message)],
        more: true,
        truncated: false,
        oldest: 1,
        head: seq.max(100),
    }
}

/// The holes that were told of, by the oldest that is to come.
fn holes(pushes: &[Push]) -> Vec<u64> {
    let hole = |push: &Push| match push {
        Push::Event(event) => match event.event() {
            Event::Truncated { oldest, .. } => Some(*oldest),
            _ => None,
        },
        _ => None,
    };
    pushes.iter().filter_map(hole).collect()
}

#[test]
fn whoever_falls_behind_is_given_the_newest_and_told_of_the_rest() {
    let mut play = follower("now:a");
    play.commit(&[101, 102, 103], "now:a");
    assert!(play.poll().is_empty(), "the first is in memory no longer");
    let query = play.reads().remove(0);
    assert_eq!((query.after, query.limit), (None, 1));
    play.fanout
        .handle_page(&query, Ok(newest("now:a", 103, 102)));
    let pushes = play.poll();
    assert_eq!((holes(&pushes), seqs(&pushes)), (vec![103], vec![103]));
    // From here on it is in step again.
    play.commit(&[104], "now:a");
    assert_eq!(seqs(&play.poll()), [104]);
    assert!(play.reads().is_empty());
}

#[test]
fn whoever_keeps_up_is_given_everything() {
    let mut play = follower("now:a");
    play.commit(&[101, 102], "now:a");
    let pushes = play.poll();
    assert_eq!((holes(&pushes), seqs(&pushes)), (vec![], vec![101, 102]));
}

#[test]
fn whoever_comes_back_and_has_missed_nothing_is_told_of_nothing() {
    for (prev, told) in [(50, vec![]), (51, vec![60])] {
        let mut play = Play::new(Limits::default());
        assert_eq!(play.refused(subscribe("now:a", Some(50))), None);
        let query = play.reads().remove(0);
        play.fanout
            .handle_page(&query, Ok(newest("now:a", 60, prev)));
        let pushes = play.poll();
        assert_eq!((holes(&pushes), seqs(&pushes)), (told, vec![60]));
    }
}

#[test]
fn whoever_comes_back_and_has_the_newest_is_given_nothing() {
    let mut play = Play::new(Limits::default());
    assert_eq!(play.refused(subscribe("now:a", Some(60))), None);
    let query = play.reads().remove(0);
    play.fanout.handle_page(&query, Ok(newest("now:a", 60, 50)));
    assert!(play.poll().is_empty());
    play.commit(&[101], "now:a");
    assert_eq!(seqs(&play.poll()), [101]);
}

#[test]
fn elsewhere_it_is_given_what_the_log_has() {
    let mut play = follower("a");
    play.commit(&[101, 102, 103], "a");
    assert!(play.poll().is_empty());
    let query = play.reads().remove(0);
    assert_eq!(query.after, Some(100));
    play.fanout
        .handle_page(&query, Ok(page(&[101, 102, 103], 103)));
    let pushes = play.poll();
    assert_eq!(
        (holes(&pushes), seqs(&pushes)),
        (vec![], vec![101, 102, 103])
    );
}

/// What a session in step is given without a poll; `None` if it must be polled.
fn give(play: &mut Play, room: Room, takes: bool) -> Option<Vec<u64>> {
    let mut given = Vec::new();
    let session = play.link.session();
    let in_step = play.fanout.give_in_step(session, room, |stretch| {
        given.extend(stretch.events().iter().filter_map(|event| event.seq()));
        takes
    });
    in_step.then_some(given)
}

#[test]
fn a_follower_in_step_needs_no_poll() {
    let mut play = follower("a");
    for seq in 101..105 {
        play.commit(&[seq], "a");
        assert_eq!(give(&mut play, ROOM, true), Some(vec![seq]));
    }
    assert!(!play.fanout.is_marked(play.link));
    // It refuses, and has it later.
    play.commit(&[105], "a");
    assert_eq!(give(&mut play, ROOM, false), Some(vec![105]));
    assert!(play.fanout.is_marked(play.link));
    assert_eq!(give(&mut play, ROOM, true), Some(vec![105]));
}

#[test]
fn what_does_not_fit_comes_next() {
    let mut play = follower("a");
    let one = Room {
        bytes: 1,
        events: 9,
    };
    play.commit(&[101, 102], "a");
    assert_eq!(give(&mut play, one, true), Some(vec![101]));
    assert!(play.fanout.is_marked(play.link));
    assert_eq!(give(&mut play, one, true), Some(vec![102]));
    assert!(!play.fanout.is_marked(play.link));
}

#[test]
fn whatever_else_happens_to_it_has_a_follower_fall_out_of_step() {
    // An answer that waits, another channel, a signal, notices that were missed, and too many messages.
    let cases: [fn(&mut Play); 5] = [
        |play| {
            play.command(history(1));
        },
        |play| {
            play.command(subscribe("b", None));
        },
        |play| play.fanout.handle_passing(message("a", 0)),
        |play| play.fanout.handle_lag(&Heads::One(101)),
        |play| play.commit(&[102, 103, 104], "a"),
    ];
    for case in cases {
        let mut play = follower("a");
        play.commit(&[101], "a");
        assert_eq!(give(&mut play, ROOM, true), Some(vec![101]));
        case(&mut play);
        assert_eq!(give(&mut play, ROOM, true), None);
        assert!(!seqs(&play.poll()).contains(&101), "it has that already");
    }
}

#[test]
fn a_page_for_where_one_was_before_tells_of_no_hole() {
    let mut play = Play::new(Limits::default());
    assert_eq!(play.refused(subscribe("a", Some(98))), None);
    let slow = play.reads().remove(0);
    // Somebody who is further behind reads, and what that brings goes into the tail for all.
    let other = Query {
        after: Some(97),
        ..slow.clone()
    };
    let page_of_other = page(&[98, 99, 100], 100);
    play.fanout.handle_page(&other, Ok(page_of_other));
    play.commit(&[101], "a");
    assert_eq!(seqs(&play.poll()), [99, 100, 101]);
    // The tail forgets, and the log has deleted what was read so slowly.
    play.fanout.handle_lag(&Heads::One(102));
    let late = Page {
        truncated: true,
        oldest: 101,
        ..page(&[101], 102)
    };
    play.fanout.handle_page(&slow, Ok(late));
    let pushes = play.poll();
    assert_eq!((holes(&pushes), seqs(&pushes)), (vec![], vec![]));
    assert_eq!(play.reads()[0].after, Some(101), "it asks from where it is");
}
