//! Every bound of a session: at it, one below, one above; and what its commands do without a wait.

use std::time::{Duration, SystemTime};

use tidings_engine::{Batch, EngineError, Page, Published, Query};
use tidings_wire::{
    ChannelName, Code, Command, Cursor, Data, Epoch, Event, Heartbeat, MessageId, Reply, ReplyBody,
    Request, RequestError,
};

use super::message;
use crate::effect::{Answered, Ask, Effect};
use crate::fanout::{Fanout, Fresh, LinkKey, Said};
use crate::session::{Moment, Settings};
use crate::{Auth, Identity, Limits, NamespacePolicies, NamespacePolicy, Permissions, Push, Room};

const ROOM: Room = Room {
    bytes: 1 << 20,
    events: 1000,
};

/// One framed session of alice on a shard that has heard everything up to 100.
struct Play {
    fanout: Fanout,
    link: LinkKey,
    req: u64,
}

fn fanout(limits: Limits) -> Fanout {
    let mut namespaces = NamespacePolicies::default();
    let policy = NamespacePolicy { presence: false };
    namespaces.namespaces.insert("quiet".into(), policy);
    let settings = Settings {
        epoch: Epoch::new("e").unwrap(),
        limits,
        namespaces,
        heartbeat: Heartbeat {
            interval: 1,
            timeout: 1,
            tries: 1,
        },
    };
    Fanout::new(settings, 100)
}

fn moment() -> Moment {
    Moment {
        at: 0,
        tick: 0,
        head: 100,
    }
}

fn fresh() -> Fresh {
    Fresh {
        id: MessageId::new("s").unwrap(),
        connection: 1,
    }
}

fn alice() -> Identity {
    let token = Some("guest:alice");
    Auth::Guests
        .verify(token, SystemTime::UNIX_EPOCH, 0)
        .unwrap()
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

impl Play {
    fn new(limits: Limits) -> Self {
        Self::of(limits, alice())
    }

    fn of(limits: Limits, identity: Identity) -> Self {
        let mut fanout = fanout(limits);
        let link = fanout.connect(Some(identity), fresh(), moment());
        let mut play = Self {
            fanout,
            link,
            req: 0,
        };
        assert_eq!(play.poll().len(), 1, "hello");
        play
    }

    fn poll(&mut self) -> Vec<Push> {
        let mut out = Vec::new();
        self.fanout.poll(self.link, ROOM, &mut out);
        out
    }

    /// Commands, without polling; the number of the request.
    fn command(&mut self, command: Command) -> u64 {
        self.req += 1;
        let request = Request {
            req: Some(self.req),
            command,
        };
        self.fanout
            .handle(self.link, Said::Request(request), moment());
        self.req
    }

    /// Commands, and the code of the error that comes back.
    fn refused(&mut self, command: Command) -> Option<Code> {
        let req = self.command(command);
        let reply = |push| match push {
            Push::Reply(reply) if reply.req == Some(req) => Some(reply.body),
            _ => None,
        };
        match self.poll().into_iter().find_map(reply) {
            Some(ReplyBody::Error { code, .. }) => Some(code),
            _ => None,
        }
    }

    fn asks(&mut self) -> Vec<Ask> {
        let ask = |effect| match effect {
            Effect::Publish { ask, .. }
            | Effect::History { ask, .. }
            | Effect::Presence { ask, .. } => Some(ask),
            _ => None,
        };
        let effects = self.fanout.take_effects();
        effects.into_iter().filter_map(ask).collect()
    }

    /// Reads that were begun.
    fn reads(&mut self) -> Vec<Query> {
        let read = |effect| match effect {
            Effect::Read { query } => Some(query),
            _ => None,
        };
        let effects = self.fanout.take_effects();
        effects.into_iter().filter_map(read).collect()
    }

    fn commit(&mut self, seqs: &[u64], name: &str) {
        let batch = Batch {
            after: seqs[0] - 1,
            events: seqs.iter().map(|seq| message(name, *seq)).collect(),
        };
        self.fanout.handle_batch(&batch);
    }
}

fn subscribe(name: &str, after: Option<u64>) -> Command {
    Command::Subscribe {
        channel: channel(name),
        after: after.map(|seq| Cursor {
            epoch: Epoch::new("e").unwrap(),
            seq,
        }),
        history: None,
    }
}

fn publish(data: &str) -> Command {
    Command::Publish {
        channel: channel("a"),
        data: Data::from_text(data),
        id: None,
    }
}

fn history(limit: u32) -> Command {
    Command::History {
        channel: channel("a"),
        before: None,
        after: None,
        limit: Some(limit),
    }
}

fn seqs(pushes: &[Push]) -> Vec<u64> {
    let seq = |push: &Push| match push {
        Push::Event(event) => event.seq(),
        _ => None,
    };
    pushes.iter().filter_map(seq).collect()
}

fn page(seqs: &[u64], head: u64) -> Page {
    let messages = seqs.iter().map(|seq| match message("a", *seq).event() {
        Event::Message(message) => message.clone(),
        _ => unreachable!("a message"),
    });
    Page {
        messages: messages.collect(),
        more: false,
        truncated: false,
        oldest: 1,
        head,
    }
}

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
            .handle(play.link, Said::Nonsense(error), moment());
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
fn what_is_live_is_sent_in_one_order() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", None));
    play.refused(subscribe("b", None));
    let batch = Batch {
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
    play.fanout.detach(play.link, moment());
    // The next session has the same place.
    let link = play.fanout.connect(Some(alice()), fresh(), moment());
    assert_eq!(link.session(), play.link.session());
    play.link = link;
    play.poll();
    play.refused(subscribe("a", Some(50)));
    play.fanout.handle_page(&stale, Ok(page(&[6], 100)));
    assert!(play.poll().is_empty());
    play.fanout.detach(play.link, moment());
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
    let first = fanout
        .stream(alice(), request.clone(), fresh(), at(0))
        .unwrap();
    fanout.detach(first, at(5));
    fanout.handle_tick(at(14));
    let second = fanout.stream(alice(), request, fresh(), at(14)).unwrap();
    fanout.handle_tick(at(100));
    assert!(
        fanout.session(second).is_some(),
        "no lease ends under a link"
    );
    fanout.detach(second, at(100));
    fanout.handle_tick(at(109));
    fanout.take_effects();
    fanout.handle_tick(at(110));
    assert!(matches!(
        fanout.take_effects()[..],
        [Effect::Leave(_), Effect::Ended]
    ));
    fanout.check_empty();
}

#[test]
fn those_who_lost_the_same_share_one_read() {
    let mut play = Play::new(Limits::default());
    play.refused(subscribe("a", Some(5)));
    let mut links = vec![play.link];
    for _ in 0..3 {
        play.link = play.fanout.connect(Some(alice()), fresh(), moment());
        play.poll();
        play.refused(subscribe("a", Some(5)));
        links.push(play.link);
    }
    let reads = play.reads();
    assert_eq!(reads.len(), 1);
    // One of them goes while it is read.
    play.fanout.detach(links[1], moment());
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
    // And the next to ask has a read of its own.
    play.link = play.fanout.connect(Some(alice()), fresh(), moment());
    play.poll();
    play.refused(subscribe("a", Some(5)));
    assert_eq!(play.reads().len(), 1);
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
        head: 102,
        ..moment()
    };
    play.fanout.handle(play.link, Said::Request(request), later);
    play.poll();
    let batch = Batch {
        after: 100,
        events: [("b", 101), ("a", 102), ("b", 103), ("a", 104), ("b", 105)]
            .map(|(name, seq)| message(name, seq))
            .to_vec(),
    };
    play.fanout.handle_batch(&batch);
    assert_eq!(seqs(&play.poll()), [101, 103, 104, 105]);
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
        fanout.handle_batch(&Batch { after, events });
    });
    wakes(&mut play, &|fanout| fanout.handle_lag(200));
    wakes(&mut play, &|fanout| fanout.handle_passing(message("a", 0)));
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
        after: 100,
        events: vec![message("c", 101), message("b", 102), message("a", 103)],
    };
    play.fanout.handle_batch(&batch);
    assert_eq!(seqs(&play.poll()), [102, 103]);
}
