//! Laws 1, 2, 4 and 6: one order, commit first, in order to all, one identity.

use std::collections::BTreeSet;
use std::thread;

use tidings_wire::{Data, Epoch, Event};

use super::subject::{Setup, Subject};
use super::tools::{
    answered, channel, draft, heads, names, next, next_messages, publish, query, read, read_after,
    seqs, setup,
};
use crate::{Draft, Engine, Notice, Watch};

/// Law 1: in each log `seq` grows by commits over all channels, `prev` goes back along one.
pub fn each_message_names_the_one_before_it_in_its_channel(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    for (log, [a, b, c]) in names(&*engine, "room") {
        assert_eq!(engine.head(log), 0, "log {log} is its own");
        let published: Vec<_> = [&a, &b, &a, &c, &a, &b]
            .iter()
            .zip(["1", "2", "3", "4", "5", "6"])
            .map(|(name, id)| publish(&*engine, name, id).seq)
            .collect();
        assert!(published.is_sorted_by(|a, b| a < b), "{published:?}");
        assert_eq!(engine.head(log), published[5]);
        let page = read(&*engine, query(&a, 10));
        assert_eq!(seqs(&page), [published[0], published[2], published[4]]);
        let prevs: Vec<_> = page.messages.iter().map(|message| message.prev).collect();
        assert_eq!(prevs, [0, published[0], published[2]]);
    }
}

/// Law 1: what is published together is stored in each channel's order, a repeated one at its first place.
pub fn what_is_published_together_keeps_its_order(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let rooms = names::<2>(&*engine, "room");
    // The logs take turns.
    let drafts = [(0, "1"), (1, "2"), (0, "3"), (0, "1")]
        .iter()
        .flat_map(|&(room, id)| rooms.iter().map(move |(_, names)| draft(&names[room], id)));
    let published: Vec<_> = engine
        .publish_all(drafts.collect())
        .into_iter()
        .map(answered)
        .collect();
    for (turn, (_, names)) in rooms.iter().enumerate() {
        let published: Vec<_> = published.iter().skip(turn).step_by(rooms.len()).collect();
        let places: Vec<_> = published.iter().map(|published| published.seq).collect();
        assert!(places[0] < places[2], "{places:?}");
        assert_eq!((places[3], published[3].repeated), (places[0], true));
        let page = read(&*engine, query(&names[0], 10));
        assert_eq!(seqs(&page), [places[0], places[2]]);
    }
    assert!(engine.publish_all(Vec::new()).is_empty());
}

/// Law 1: whoever publishes at the same time, no `seq` is given twice and no link is missing.
pub fn many_publishers_share_one_order(make: fn(Setup) -> Subject) {
    const EACH: usize = 50;
    let subject = make(setup());
    let engine = &*subject;
    let mut published: Vec<u64> = thread::scope(|scope| {
        let publishers: Vec<_> = ["a", "b", "c", "d"]
            .map(|publisher| {
                scope.spawn(move || {
                    (0..EACH)
                        .map(|n| publish(engine, "room", &format!("{publisher}{n}")).seq)
                        .collect::<Vec<_>>()
                })
            })
            .into_iter()
            .collect();
        publishers
            .into_iter()
            .flat_map(|publisher| {
                let seqs = publisher.join().expect("publishers do not panic");
                assert!(seqs.is_sorted(), "one after the other is in order");
                seqs
            })
            .collect()
    });
    published.sort_unstable();
    let page = read(engine, query("room", 4 * EACH));
    assert_eq!(seqs(&page), published);
    let mut prev = 0;
    for message in page.messages {
        assert_eq!(message.prev, prev);
        prev = message.seq;
    }
}

/// Law 2: what was stored is what is read and what is told, every field of it.
pub fn messages_come_back_as_they_were(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let mut watch = engine.watch();
    let data = [
        Data::from_json(r#"{"text":"hé 🙂","n":12345678901234567890.10}"#).expect("JSON"),
        Data::from_json("null").expect("JSON"),
        Data::Bytes(vec![0, 255, 10].into()),
        Data::Bytes(vec![].into()),
    ];
    for (n, data) in data.iter().enumerate() {
        let sent = Draft {
            data: data.clone(),
            ..draft("chat:大堂", &n.to_string())
        };
        let before = engine.now();
        let published = answered(engine.publish(sent.clone()));
        assert!((before..=engine.now()).contains(&published.at));
        assert!(published.id == sent.id && !published.repeated);
        let page = read(&*engine, query("chat:大堂", 1));
        let message = page.messages[0].clone();
        assert_eq!(message.seq, published.seq);
        assert_eq!((&message.channel, &message.id), (&sent.channel, &sent.id));
        assert_eq!((&message.from, &message.data), (&sent.from, data));
        assert_eq!(message.at, published.at);
        let Notice::Committed(batch) = next(&mut watch) else {
            panic!("a message was stored, and something else is told");
        };
        assert_eq!(*batch.events[0].event(), Event::Message(message));
    }
}

/// Law 2: being told, by the answer or as a watcher, is being able to read it and all before it.
pub fn who_is_told_of_a_message_finds_it(make: fn(Setup) -> Subject) {
    const MESSAGES: usize = 200;
    let subject = make(setup());
    let engine = &*subject;
    let log = engine.log_of(&channel("room"));
    let mut watch = engine.watch();
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..MESSAGES {
                let seq = publish(engine, "room", &n.to_string()).seq;
                assert!(engine.head(log) >= seq);
                assert_eq!(seqs(&read_after(engine, "room", seq - 1, 1)), [seq]);
            }
        });
        let mut heard = 0;
        while heard < MESSAGES {
            for seq in next_messages(&mut watch) {
                heard += 1;
                assert!(engine.head(log) >= seq);
                let page = read_after(engine, "room", 0, MESSAGES);
                assert!(page.head >= seq);
                assert!(seqs(&page).contains(&seq), "{seq} is told and not there");
                assert!(page.messages.len() >= heard, "one before {seq} is missing");
            }
        }
    });
}

/// Law 4: a log's batches come in order, each after the one before, to everybody, from where they began.
pub fn every_watcher_hears_every_message_in_order(make: fn(Setup) -> Subject) {
    const MESSAGES: usize = 100;
    let engine = make(setup());
    let rooms = names::<1>(&*engine, "room");
    let start = heads(&*engine);
    let mut early = engine.watch();
    let answers: Vec<_> = rooms
        .iter()
        .cycle()
        .zip(0..MESSAGES)
        .map(|((_, [name]), n)| engine.publish(draft(name, &n.to_string())))
        .collect();
    let mut late = engine.watch();
    let late_start = heads(&*engine);
    answers.into_iter().map(answered).for_each(drop);
    // What is told twice is told before these.
    for (_, [name]) in &rooms {
        publish(&*engine, name, "last");
    }
    for (watch, start) in [(&mut early, start), (&mut late, late_start)] {
        hear_in_order(&*engine, watch, &start, &heads(&*engine));
    }
}

/// Hears what comes behind `start` up to `end`, of each log, whole and once.
fn hear_in_order(engine: &dyn Engine, watch: &mut Watch, start: &[u64], end: &[u64]) {
    let mut at = start.to_vec();
    while at != end {
        let Notice::Committed(batch) = next(watch) else {
            panic!("nothing but messages happened");
        };
        let (start, at) = (start[batch.log], &mut at[batch.log]);
        // A watcher may hear of the batch that was under way as it began.
        if *at == start && batch.head() <= start {
            continue;
        }
        assert_eq!(batch.after.max(start), *at, "a batch is missing or twice");
        let seqs: Vec<_> = batch
            .events
            .iter()
            .filter_map(|event| event.seq())
            .collect();
        assert!(seqs.is_sorted_by(|a, b| a < b) && seqs[0] > batch.after);
        for event in &batch.events {
            let Event::Message(message) = event.event() else {
                panic!("something else than a message was stored");
            };
            assert_eq!(engine.log_of(&message.channel), batch.log);
        }
        *at = batch.head();
    }
}

/// Law 6: each log's epoch stays and is its own, and so does its share of the channels.
pub fn epochs_are_the_same_and_their_own(make: fn(Setup) -> Subject) {
    let (engine, other) = (make(setup()), make(setup()));
    let epochs = engine.epochs().to_vec();
    let logs = names::<1>(&*engine, "room");
    publish(&*engine, "room", "1");
    assert_eq!(engine.epochs().to_vec(), epochs);
    assert_eq!(names::<1>(&*engine, "room"), logs);
    assert!(logs.iter().all(|(log, _)| *log < epochs.len()));
    let all = epochs.iter().chain(other.epochs());
    let distinct: BTreeSet<_> = all.clone().map(Epoch::as_str).collect();
    assert_eq!(distinct.len(), all.count());
    let page = read(&*other, query("room", 10));
    assert!(page.messages.is_empty());
}
