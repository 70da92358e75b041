//! Sessions that go on at another shard: only those at rest do, and nobody is told.

use tidings_wire::ChannelName;

use crate::Limits;
use crate::effect::Effect;

use super::play::*;

/// A session in step with a channel.
fn follower() -> Play {
    let mut play = Play::new(Limits::default());
    assert_eq!(play.refused(subscribe("a", None)), None);
    play.fanout.take_effects();
    play
}

#[test]
fn a_session_goes_on_behind_what_it_was_given() {
    let mut play = follower();
    play.commit(&[101], "a");
    assert_eq!(seqs(&play.poll()), [101]);
    let left = play.fanout.take(play.link).expect("it is in step");
    assert_eq!(left.position, 101);
    assert!(play.fanout.take(play.link).is_none(), "it is gone");
    let effects = play.fanout.take_effects();
    assert!(effects.is_empty(), "it leaves nothing and does not end");
    play.fanout.check_empty();

    let mut other = Play::new(Limits::default());
    other.commit(&[101, 102], "a");
    other.link = other.fanout.receive(left, &moment());
    let names = |effect: &Effect| match effect {
        Effect::Enter(entry) => Some(entry.channel.clone()),
        _ => None,
    };
    let effects = other.fanout.take_effects();
    let entered: Vec<_> = effects.iter().filter_map(names).collect();
    assert_eq!(entered, [ChannelName::new("a").unwrap()]);
    // This shard did not keep 102 for it, so it reads.
    assert!(other.poll().is_empty());
    let read = other.reads().remove(0);
    assert_eq!(read.after, Some(101));
    other.fanout.handle_page(&read, Ok(page(&[102], 102)));
    other.commit(&[103], "a");
    assert_eq!(seqs(&other.poll()), [102, 103]);
}

#[test]
fn whoever_waits_for_an_answer_or_follows_more_stays() {
    type Case = (&'static str, fn(&mut Play));
    let cases: [Case; 3] = [
        ("a publish is under way", |play| {
            play.command(publish("x"));
            play.poll();
        }),
        ("two channels", |play| {
            play.command(subscribe("b", None));
            play.poll();
        }),
        ("something is to be given", |play| {
            play.command(history(1));
        }),
    ];
    for (why, case) in cases {
        let mut play = follower();
        case(&mut play);
        assert!(play.fanout.take(play.link).is_none(), "{why}");
    }
    let mut play = Play::new(Limits::default());
    assert!(play.fanout.take(play.link).is_none(), "no channel");
}
