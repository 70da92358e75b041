//! Lanes: what is live and what catches up take turns, keep their order, and share what they read.

use tidings_engine::Batch;
use tidings_wire::Request;

use super::message;
use crate::fanout::Said;
use crate::grace::Departure;
use crate::logs::Heads;
use crate::session::Moment;
use crate::{Limits, Push, Room};

use super::play::*;

#[test]
fn catching_up_waits_its_turn() {
    let mut play = Play::new(Limits {
        histories: 2,
        ..Limits::default()
    });
    for name in ["a", "b", "c"] {
        assert_eq!(play.refused(subscribe(name, Some(5))), None);
    }
    let reads = play.reads();
    assert_eq!(reads.len(), 2);
    // As one has caught up, the third has its turn, with nobody else's help.
    play.fanout.handle_page(&reads[0], Ok(page(&[6, 7], 100)));
    assert_eq!(seqs(&play.poll()), [6, 7]);
    assert_eq!(play.reads().len(), 1);
}

#[test]
fn what_is_live_is_sent_in_one_order() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", None));
    play.refused(subscribe("b", None));
    let batch = Batch {
        log: 0,
        after: 100,
        events: vec![message("b", 101), message("a", 102), message("b", 103)],
    };
    play.fanout.handle_batch(&batch);
    assert_eq!(seqs(&play.poll()), [101, 102, 103]);
}

#[test]
fn what_catches_up_does_not_hold_up_what_is_live() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("b", None));
    play.refused(subscribe("a", Some(5)));
    play.commit(&[101], "b");
    assert_eq!(seqs(&play.poll()), [101]);
    let read = play.reads().remove(0);
    play.fanout.handle_page(&read, Ok(page(&[6, 50], 101)));
    assert_eq!(seqs(&play.poll()), [6, 50]);
}

#[test]
fn what_is_live_does_not_starve_what_catches_up() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("b", None));
    play.refused(subscribe("a", Some(5)));
    let read = play.reads().remove(0);
    play.fanout.handle_page(&read, Ok(page(&[6, 7, 8, 9], 100)));
    let room = Room {
        bytes: 1,
        events: 9,
    };
    let (mut next, mut seen) = (101, Vec::new());
    for _ in 0..8 {
        // More than the room takes, again and again.
        play.commit(&[next, next + 1], "b");
        next += 2;
        let mut out = Vec::new();
        play.fanout.poll(play.link, room, &mut out);
        seen.extend(seqs(&out));
    }
    assert!(seen.contains(&6) && seen.contains(&7), "{seen:?}");
    assert!(seen.contains(&101) && seen.contains(&102), "{seen:?}");
}

#[test]
fn those_who_lost_the_same_share_one_read() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", Some(5)));
    let mut links = vec![play.link];
    for _ in 0..3 {
        play.link = play.fanout.connect(Some(alice()), fresh(), &moment());
        play.poll();
        play.refused(subscribe("a", Some(5)));
        links.push(play.link);
    }
    let reads = play.reads();
    assert_eq!(reads.len(), 1);
    // One of them goes while it is read.
    play.fanout.detach(links[1], Departure::Lost, &moment());
    assert!(!play.fanout.gives_up(&reads[0]));
    play.fanout.handle_page(&reads[0], Ok(page(&[6, 7], 100)));
    let mut first = Vec::new();
    for link in [links[0], links[2], links[3]] {
        play.link = link;
        let pushes = play.poll();
        assert_eq!(seqs(&pushes), [6, 7]);
        let Some(Push::Event(event)) = pushes.into_iter().next_back() else {
            panic!("a message");
        };
        first.push(event);
    }
    assert!(
        first
            .iter()
            .all(|event| std::sync::Arc::ptr_eq(event, &first[0]))
    );
    // From then on it is in memory for whoever is no further behind; others have a read of their own.
    for (after, reads, given) in [(6, 0, vec![7]), (5, 0, vec![6, 7]), (4, 1, vec![])] {
        play.link = play.fanout.connect(Some(alice()), fresh(), &moment());
        play.poll();
        play.command(subscribe("a", Some(after)));
        assert_eq!(seqs(&play.poll()), given);
        assert_eq!(play.reads().len(), reads);
    }
}

#[test]
fn what_catches_up_does_not_overtake_what_is_live() {
    for polls in 0..2 {
        let mut play = Play::new(Limits::default());
        play.refused(subscribe("b", None));
        for _ in 0..polls {
            play.poll();
        }
        // Not polled since, so that it is still in a lane of its own.
        play.command(subscribe("a", None));
        let batch = Batch {
            log: 0,
            after: 100,
            events: vec![message("b", 101), message("a", 102), message("b", 103)],
        };
        play.fanout.handle_batch(&batch);
        assert_eq!(seqs(&play.poll()), [101, 102, 103]);
    }
}

#[test]
fn what_is_live_waits_for_who_starts_further_on() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("b", None));
    // The engine is at 102 already, the shard has not heard of it yet.
    let request = Request {
        req: None,
        command: subscribe("a", None),
    };
    let later = Moment {
        heads: Heads::One(102),
        ..moment()
    };
    play.fanout
        .handle(play.link, Said::Request(request), &later);
    play.poll();
    let batch = Batch {
        log: 0,
        after: 100,
        events: [("b", 101), ("a", 102), ("b", 103), ("a", 104), ("b", 105)]
            .map(|(name, seq)| message(name, seq))
            .to_vec(),
    };
    play.fanout.handle_batch(&batch);
    assert_eq!(seqs(&play.poll()), [101, 103, 104, 105]);
}

#[test]
fn who_has_caught_up_beyond_the_shard_does_not_hold_its_turn() {
    let mut play = Play::new(Limits {
        histories: 1,
        ..Limits::default()
    });
    play.refused(subscribe("a", Some(50)));
    play.refused(subscribe("b", Some(60)));
    let reads = play.reads();
    assert_eq!(reads.len(), 1);
    // The engine is further than the shard has heard, with a message of a channel that nobody here
    // follows: nothing else will ever wake this session.
    play.fanout.handle_page(&reads[0], Ok(page(&[], 101)));
    play.poll();
    let reads = play.reads();
    assert_eq!(reads.len(), 1, "the other one has its turn");
    play.fanout.handle_page(&reads[0], Ok(page(&[], 101)));
    play.poll();
    let batch = Batch {
        log: 0,
        after: 100,
        events: vec![message("c", 101), message("b", 102), message("a", 103)],
    };
    play.fanout.handle_batch(&batch);
    assert_eq!(seqs(&play.poll()), [102, 103]);
}
