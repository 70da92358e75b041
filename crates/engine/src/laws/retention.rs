//! Law 5: what is kept, and that nothing is skipped silently.

use std::sync::Arc;
use std::time::Duration;

use tidings_wire::{Data, Message};

use super::subject::{Setup, Subject};
use super::tools::{
    KEEP, answered, beside, draft, eventually, keeping, names, publish, query, read, read_after,
    read_all, seqs, setup,
};
use crate::{Draft, Engine, RETENTION_SLACK, Retention};

/// A reader from anywhere hears no false alarm.
pub fn nothing_is_truncated_where_nothing_was_deleted(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let seq = publish(&*engine, "room", "1").seq;
    let elsewhere = beside(&*engine, "room");
    for after in [0, seq - 1, seq, seq + 1] {
        assert!(!read_after(&*engine, "room", after, 10).truncated);
        assert!(!read_after(&*engine, &elsewhere, after, 10).truncated);
    }
    assert!(!read(&*engine, query("room", 10)).truncated);
}

/// By count: the newest stay, the oldest go, and who asks for those hears of it.
pub fn a_channel_keeps_its_newest_messages(make: fn(Setup) -> Subject) {
    const BOUND: u64 = 20;
    let engine = make(keeping(Retention {
        messages: Some(BOUND),
        ..KEEP
    }));
    let quiet = beside(&*engine, "room");
    publish(&*engine, &quiet, "1");
    let published: Vec<_> = (0..BOUND + 4 * RETENTION_SLACK)
        .map(|n| publish(&*engine, "room", &n.to_string()).seq)
        .collect();
    eventually("the oldest go", || {
        let (messages, _) = read_all(&*engine, "room", 0, 1000);
        let kept = messages.len() as u64;
        assert!(kept >= BOUND, "only {kept} are left");
        kept <= BOUND + RETENTION_SLACK
    });
    check_suffix(&*engine, "room", &published);
    assert!(!read_after(&*engine, &quiet, 0, 10).truncated);
    assert_eq!(read(&*engine, query(&quiet, 10)).messages.len(), 1);
}

/// By age: each goes when it is old, and not before.
pub fn messages_end_with_their_age(make: fn(Setup) -> Subject) {
    const MESSAGES: u32 = 4;
    let engine = make(keeping(Retention {
        age: Some(AGE),
        ..KEEP
    }));
    let mut published = Vec::new();
    let gone = |published: &[(u64, u64)]| {
        let page = read_after(&*engine, "room", 0, MESSAGES as usize);
        let (gone, kept) = published.split_at(published.len() - page.messages.len());
        assert!(seqs(&page).iter().eq(kept.iter().map(|(_, seq)| seq)));
        assert!(gone.is_empty() || page.truncated, "silently gone");
        let young = |(born, _): &&(u64, u64)| engine.since(*born) < AGE;
        assert_eq!(gone.iter().find(young), None, "gone too early");
        gone.len()
    };
    for n in 0..MESSAGES {
        let born = engine.now();
        published.push((born, publish(&*engine, "room", &n.to_string()).seq));
        gone(&published);
        engine.elapse(AGE / MESSAGES);
    }
    for old in 1..=MESSAGES as usize {
        eventually("it is old", || gone(&published) >= old);
        engine.elapse(AGE / MESSAGES);
    }
}

/// By bytes: what is deleted is the oldest of the namespace's in the log, whichever channel it is in.
pub fn a_namespace_keeps_its_newest_bytes(make: fn(Setup) -> Subject) {
    /// So large that what an engine counts besides, a name or a header, is little.
    const EACH: usize = 20_000;
    const ROOM: usize = 10;
    /// For so many, and half of one in which there is room for what is counted besides.
    const BOUND: usize = ROOM * EACH + EACH / 2;
    let bounded = |logs: usize| {
        let mut setup = setup();
        let retention = Retention {
            bytes: Some((logs * BOUND) as u64),
            ..KEEP
        };
        setup
            .retention
            .namespaces
            .insert("full".to_owned(), retention);
        setup
    };
    // The logs of a namespace may have equal shares of what it keeps.
    let logs = names::<1>(&*make(bounded(1)), "full:").len();
    let engine = make(bounded(logs));
    let publish_large = |name: &str, n: usize| {
        let large = Draft {
            data: Data::Bytes(vec![7; EACH].into()),
            ..draft(name, &n.to_string())
        };
        answered(engine.publish(large)).seq
    };
    let kept = |name: &str| read_all(&*engine, name, 0, 100).0.len();
    let quiet = beside(&*engine, "full:room");
    let first = publish_large(&quiet, 0);
    publish_large("other:room", 0);
    let published: Vec<_> = (0..3 * ROOM * logs)
        .map(|n| publish_large("full:room", n))
        .collect();
    eventually("the sum is within the bound", || {
        let kept = kept("full:room");
        assert!(kept >= ROOM, "only {kept} are left");
        kept * EACH <= logs * BOUND
    });
    assert_eq!(kept(&quiet), 0, "the oldest of all goes first");
    assert!(read_after(&*engine, &quiet, first - 1, 10).truncated);
    check_suffix(&*engine, "full:room", &published);
    assert_eq!(kept("other:room"), 1);
}

/// Each namespace by its own policy.
pub fn a_policy_is_its_namespaces_own(make: fn(Setup) -> Subject) {
    let age = Some(AGE);
    let short = Retention { age, ..KEEP };
    let mut setup = Setup {
        dedup_window: AGE,
        ..setup()
    };
    setup.retention.namespaces.insert("short".to_owned(), short);
    let engine = make(setup);
    for name in ["short:a", "long:a", "plain"] {
        publish(&*engine, name, "1");
    }
    engine.elapse(AGE);
    eventually("the short one's ends", || {
        read(&*engine, query("short:a", 10)).messages.is_empty()
    });
    for name in ["long:a", "plain"] {
        assert_eq!(read(&*engine, query(name, 10)).messages.len(), 1);
    }
}

/// When nothing of a channel is left, its old readers hear of it, and it can begin anew.
pub fn a_forgotten_channel_says_truncated(make: fn(Setup) -> Subject) {
    let engine = make(keeping(Retention {
        age: Some(AGE),
        ..KEEP
    }));
    let first = publish(&*engine, "room", "1").seq;
    let second = publish(&*engine, "room", "2").seq;
    engine.elapse(AGE);
    eventually("nothing is left", || {
        read(&*engine, query("room", 10)).oldest == 0
    });
    assert!(read_after(&*engine, "room", first, 10).truncated);
    assert!(!read_after(&*engine, "room", second, 10).truncated);
    let born = engine.now();
    let third = publish(&*engine, "room", "3").seq;
    assert!(third > second, "a seq never comes again");
    let from_second = read_after(&*engine, "room", second, 10);
    let from_first = read_after(&*engine, "room", first, 10);
    assert!(from_first.truncated);
    // A machine that is slow enough looks when it is old as well.
    if engine.since(born) < AGE {
        assert!(!from_second.truncated);
        assert_eq!(seqs(&from_second), [third]);
        assert_eq!(seqs(&from_first), [third]);
        assert_eq!(from_first.oldest, third);
    }
}

/// What is kept is the newest, whole, and every way of reading says where it begins.
pub(super) fn check_suffix(engine: &dyn Engine, name: &str, published: &[u64]) {
    let (messages, truncated) = read_all(engine, name, 0, 1000);
    let kept: Vec<_> = messages
        .iter()
        .map(|message: &Arc<Message>| message.seq)
        .collect();
    assert!(truncated && !kept.is_empty());
    let deleted = published.len() - kept.len();
    assert_eq!(kept, published[deleted..]);
    let oldest = kept[0];
    let last_deleted = published[deleted - 1];
    let behind = read_after(engine, name, last_deleted, 1);
    let before = read_after(engine, name, last_deleted - 1, 1);
    let whole = read(engine, query(name, kept.len()));
    let newest = read(engine, query(name, kept.len() - 1));
    // Deleting runs behind publishing, and may go on while all this is read.
    if read_all(engine, name, 0, 1000).0.len() < kept.len() {
        return check_suffix(engine, name, published);
    }
    // From the newest deleted one on nothing is missing; from before it something is.
    assert!(!behind.truncated);
    assert!(before.truncated);
    assert_eq!((before.oldest, seqs(&before)), (oldest, vec![oldest]));
    assert_eq!(seqs(&whole), kept);
    assert!(whole.truncated && !whole.more);
    assert!(newest.more && !newest.truncated);
    assert_eq!(newest.oldest, oldest);
}

/// How old messages get where they end by age: long enough to be looked at before, and short enough
/// to sleep for.
const AGE: Duration = Duration::from_secs(2);
