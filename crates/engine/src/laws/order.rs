//! Laws 1, 2, 4 and 6: one order, commit first, in order to all, one identity.

use std::thread;

use tidings_wire::{Data, Event};

use super::tools::{
    START, Setup, Subject, channel, draft, next, next_messages, publish, query, read, read_after,
    seqs, setup,
};
use crate::{Draft, Notice};

/// Law 1: `seq` grows by commits over all channels, `prev` goes back along one.
pub fn each_message_names_the_one_before_it_in_its_channel(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    assert_eq!(engine.head(0), 0);
    let names = ["a", "b", "a", "c", "a", "b"];
    let published: Vec<_> = names
        .iter()
        .zip(["1", "2", "3", "4", "5", "6"])
        .map(|(name, id)| publish(&*engine, name, id).seq)
        .collect();
    assert!(published.is_sorted_by(|a, b| a < b), "{published:?}");
    assert_eq!(engine.head(0), published[5]);
    let page = read(&*engine, query("a", 10));
    assert_eq!(seqs(&page), [published[0], published[2], published[4]]);
    let prevs: Vec<_> = page.messages.iter().map(|message| message.prev).collect();
    assert_eq!(prevs, [0, published[0], published[2]]);
}

/// Law 1: what is published together is stored in its order, a repeated one at its first place.
pub fn what_is_published_together_keeps_its_order(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let drafts = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")];
    let drafts = drafts.map(|(name, id)| draft(name, id)).to_vec();
    let answers = engine.publish_all(drafts);
    let published: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.wait().expect("there is room"))
        .collect();
    let places: Vec<_> = published.iter().map(|published| published.seq).collect();
    assert!(places[..3].is_sorted_by(|a, b| a < b), "{places:?}");
    assert_eq!((places[3], published[3].repeated), (places[0], true));
    let page = read(&*engine, query("a", 10));
    assert_eq!(seqs(&page), [places[0], places[2]]);
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
        let published = engine.publish(sent.clone()).wait().expect("stored");
        assert_eq!((&published.id, published.at), (&sent.id, START));
        assert!(!published.repeated);
        let page = read(&*engine, query("chat:大堂", 1));
        let message = page.messages[0].clone();
        assert_eq!(message.seq, published.seq);
        assert_eq!((&message.channel, &message.id), (&sent.channel, &sent.id));
        assert_eq!((&message.from, &message.data), (&sent.from, data));
        assert_eq!(message.at, START);
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
    let mut watch = engine.watch();
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..MESSAGES {
                let seq = publish(engine, "room", &n.to_string()).seq;
                assert!(engine.head(0) >= seq);
                assert_eq!(seqs(&read_after(engine, "room", seq - 1, 1)), [seq]);
            }
        });
        let mut heard = 0;
        while heard < MESSAGES {
            for seq in next_messages(&mut watch) {
                heard += 1;
                assert!(engine.head(0) >= seq);
                let page = read_after(engine, "room", 0, MESSAGES);
                assert!(page.head >= seq);
                assert!(seqs(&page).contains(&seq), "{seq} is told and not there");
                assert!(page.messages.len() >= heard, "one before {seq} is missing");
            }
        }
    });
}

/// Law 4: batches come in order, each after the one before, to everybody, from where they began.
pub fn every_watcher_hears_every_message_in_order(make: fn(Setup) -> Subject) {
    const MESSAGES: usize = 100;
    let engine = make(setup());
    let mut early = engine.watch();
    let answers: Vec<_> = (0..MESSAGES)
        .map(|n| engine.publish(draft("room", &n.to_string())))
        .collect();
    let mut late = engine.watch();
    let start = engine.head(0);
    for answer in answers {
        answer.wait().expect("stored");
    }
    let head = engine.head(0);
    for (watch, after) in [(&mut early, 0), (&mut late, start)] {
        let mut at = after;
        while at < head {
            let Notice::Committed(batch) = next(watch) else {
                panic!("nothing but messages happened");
            };
            assert!(!batch.events.is_empty());
            // A late watcher may hear of the batch that was under way as it began.
            if batch.head() <= at {
                continue;
            }
            assert_eq!(batch.after.max(after), at, "a batch is missing");
            let seqs: Vec<_> = batch
                .events
                .iter()
                .filter_map(|event| event.seq())
                .collect();
            assert!(seqs.is_sorted_by(|a, b| a < b) && seqs[0] > batch.after);
            at = batch.head();
        }
        assert_eq!(at, head);
    }
    assert!(early.try_next().is_none(), "nothing is told twice");
}

/// Law 6: the epoch stays, and another log has another.
pub fn epochs_are_the_same_and_their_own(make: fn(Setup) -> Subject) {
    let (engine, other) = (make(setup()), make(setup()));
    let epoch = engine.epochs().to_vec();
    publish(&*engine, "room", "1");
    assert_eq!(engine.epochs().to_vec(), epoch);
    assert_ne!(other.epochs(), epoch);
    let page = read(&*other, query(channel("room").as_str(), 10));
    assert!(page.messages.is_empty());
}
