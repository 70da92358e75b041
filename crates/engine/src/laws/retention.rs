//! Law 5: what is kept, and that nothing is skipped silently.

use std::sync::Arc;
use std::time::Duration;

use tidings_wire::{Data, Message};

use super::tools::{
    KEEP, Setup, Subject, draft, eventually, keeping, publish, query, read, read_after, read_all,
    seqs, setup,
};
use crate::{Draft, Engine, RETENTION_SLACK, Retention};

/// A reader from anywhere hears no false alarm.
pub fn nothing_is_truncated_where_nothing_was_deleted(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let seq = publish(&*engine, "room", "1").seq;
    for after in [0, seq - 1, seq, seq + 1] {
        assert!(!read_after(&*engine, "room", after, 10).truncated);
        assert!(!read_after(&*engine, "elsewhere", after, 10).truncated);
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
    publish(&*engine, "quiet", "1");
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
    assert!(!read_after(&*engine, "quiet", 0, 10).truncated);
    assert_eq!(read(&*engine, query("quiet", 10)).messages.len(), 1);
}

/// By age: each goes when it is old, and not before.
pub fn messages_end_with_their_age(make: fn(Setup) -> Subject) {
    const AGE: u64 = 60_000;
    let setup = keeping(Retention {
        age: Some(Duration::from_millis(AGE)),
        ..KEEP
    });
    let clock = setup.clock.clone();
    let engine = make(setup);
    let mut published = Vec::new();
    for n in 0..6 {
        published.push(publish(&*engine, "room", &n.to_string()).seq);
        clock.advance(AGE / 6);
    }
    eventually("the first is old", || {
        read(&*engine, query("room", 10)).messages.len() == 5
    });
    check_suffix(&*engine, "room", &published);
    // A clock that goes back brings nothing back and takes nothing away.
    clock.advance(AGE / 6);
    eventually("the second is old", || {
        read(&*engine, query("room", 10)).messages.len() == 4
    });
    clock.set(super::tools::START);
    publish(&*engine, "room", "late");
    assert_eq!(read(&*engine, query("room", 10)).messages.len(), 5);
    clock.advance(3 * AGE);
    eventually("all are old", || {
        read(&*engine, query("room", 10)).messages.is_empty()
    });
    assert!(read_after(&*engine, "room", published[0], 10).truncated);
}

/// By bytes: what is deleted is the oldest of the namespace, whichever channel it is in.
pub fn a_namespace_keeps_its_newest_bytes(make: fn(Setup) -> Subject) {
    const BOUND: u64 = 1_000;
    const EACH: usize = 100;
    let mut setup = setup();
    let bytes = Some(BOUND);
    let bounded = Retention { bytes, ..KEEP };
    setup
        .retention
        .namespaces
        .insert("full".to_owned(), bounded);
    let engine = make(setup);
    let publish_large = |name: &str, n: usize| {
        let large = Draft {
            data: Data::Bytes(vec![7; EACH].into()),
            ..draft(name, &n.to_string())
        };
        engine.publish(large).wait().expect("stored").seq
    };
    let first = publish_large("full:quiet", 0);
    publish_large("other:room", 0);
    let published: Vec<_> = (0..30).map(|n| publish_large("full:room", n)).collect();
    let kept = |name: &str| read_all(&*engine, name, 0, 100).0.len();
    eventually("the sum is within the bound", || {
        let kept = kept("full:room");
        assert!(kept >= BOUND as usize / EACH, "only {kept} are left");
        kept == BOUND as usize / EACH
    });
    assert_eq!(kept("full:quiet"), 0, "the oldest of all goes first");
    assert!(read_after(&*engine, "full:quiet", first - 1, 10).truncated);
    check_suffix(&*engine, "full:room", &published);
    assert_eq!(kept("other:room"), 1);
}

/// Each namespace by its own policy.
pub fn a_policy_is_its_namespaces_own(make: fn(Setup) -> Subject) {
    const AGE: u64 = 1_000;
    let mut setup = setup();
    let age = Some(Duration::from_millis(AGE));
    let short = Retention { age, ..KEEP };
    setup.retention.namespaces.insert("short".to_owned(), short);
    let clock = setup.clock.clone();
    let engine = make(setup);
    for name in ["short:a", "long:a", "plain"] {
        publish(&*engine, name, "1");
    }
    clock.advance(AGE);
    eventually("the short one's ends", || {
        read(&*engine, query("short:a", 10)).messages.is_empty()
    });
    for name in ["long:a", "plain"] {
        assert_eq!(read(&*engine, query(name, 10)).messages.len(), 1);
    }
}

/// When nothing of a channel is left, its old readers hear of it, and it can begin anew.
pub fn a_forgotten_channel_says_truncated(make: fn(Setup) -> Subject) {
    let setup = keeping(Retention {
        age: Some(Duration::from_millis(1_000)),
        ..KEEP
    });
    let clock = setup.clock.clone();
    let engine = make(setup);
    let first = publish(&*engine, "room", "1").seq;
    let second = publish(&*engine, "room", "2").seq;
    clock.advance(1_000);
    eventually("nothing is left", || {
        read(&*engine, query("room", 10)).oldest == 0
    });
    assert!(read_after(&*engine, "room", first, 10).truncated);
    assert!(!read_after(&*engine, "room", second, 10).truncated);
    let third = publish(&*engine, "room", "3").seq;
    assert!(third > second, "a seq never comes again");
    let page = read_after(&*engine, "room", second, 10);
    assert_eq!(seqs(&page), [third]);
    assert!(!page.truncated);
    let page = read_after(&*engine, "room", first, 10);
    assert_eq!(seqs(&page), [third]);
    assert!(page.truncated);
    assert_eq!(page.oldest, third);
}

/// What is kept is the newest, whole, and every way of reading says where it begins.
fn check_suffix(engine: &dyn Engine, name: &str, published: &[u64]) {
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
    // From the newest deleted one on nothing is missing; from before it something is.
    assert!(!read_after(engine, name, last_deleted, 1).truncated);
    assert!(read_after(engine, name, last_deleted - 1, 1).truncated);
    let page = read_after(engine, name, last_deleted - 1, 1);
    assert_eq!((page.oldest, seqs(&page)), (oldest, vec![oldest]));
    let page = read(engine, query(name, kept.len()));
    assert_eq!(seqs(&page), kept);
    assert!(page.truncated && !page.more);
    let page = read(engine, query(name, kept.len() - 1));
    assert!(page.more && !page.truncated);
    assert_eq!(page.oldest, oldest);
}
