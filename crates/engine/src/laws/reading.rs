//! What a page is: the queries of history and of catching up.

use super::subject::{Setup, Subject};
use super::tools::{beside, publish, query, read, read_after, read_all, seqs, setup};
use crate::{Engine, Query};

/// Without `after`: the newest, oldest first.
pub fn the_newest_page_ends_at_the_head(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let published = fill(&*engine, 10);
    let page = read(&*engine, query("room", 4));
    assert_eq!(seqs(&page), published[6..]);
    assert!(page.more && !page.truncated);
    assert_eq!(page.oldest, published[0]);
    assert!(page.head >= published[9]);
    let page = read(&*engine, query("room", 10));
    assert_eq!(seqs(&page), published);
    assert!(!page.more && !page.truncated);
}

/// Whichever way and in whatever steps it is read, it is the same, whole and without a hole.
pub fn pages_after_and_before_meet_without_a_hole(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    // Enough for an engine's shortcuts to be in play.
    let published = fill(&*engine, 300);
    for limit in [1, 7, 64, 65, 299, 300, 301] {
        let (messages, truncated) = read_all(&*engine, "room", 0, limit);
        assert!(!truncated);
        let forwards: Vec<_> = messages.iter().map(|message| message.seq).collect();
        assert_eq!(forwards, published, "forwards by {limit}");

        let (mut backwards, mut before) = (Vec::new(), None);
        loop {
            let page = read(
                &*engine,
                Query {
                    before,
                    ..query("room", limit)
                },
            );
            backwards.splice(0..0, seqs(&page));
            before = page.messages.first().map(|message| message.seq);
            if !page.more {
                break;
            }
        }
        assert_eq!(backwards, published, "backwards by {limit}");
    }
    // Any place will do, a message's of this channel or not.
    for place in (0..published[299] + 2).step_by(37) {
        let index = published.partition_point(|seq| *seq <= place);
        let expected = &published[index..(index + 3).min(300)];
        assert_eq!(seqs(&read_after(&*engine, "room", place, 3)), expected);
        let index = published.partition_point(|seq| *seq < place);
        let before = Some(place);
        let page = read(
            &*engine,
            Query {
                before,
                ..query("room", 3)
            },
        );
        assert_eq!(seqs(&page), published[index.saturating_sub(3)..index]);
    }
    let (after, before) = (Some(published[100]), Some(published[104]));
    let between = Query {
        after,
        before,
        ..query("room", 2)
    };
    let page = read(&*engine, between.clone());
    assert_eq!(seqs(&page), published[101..103]);
    assert!(page.more);
    let page = read(
        &*engine,
        Query {
            limit: 3,
            ..between
        },
    );
    assert_eq!(seqs(&page), published[101..104]);
    assert!(!page.more);
}

/// Nothing there is no error, and nothing missing.
pub fn what_is_not_there_is_an_empty_page(make: fn(Setup) -> Subject) {
    let engine = make(setup());
    let published = fill(&*engine, 3);
    let nowhere = beside(&*engine, &beside(&*engine, "room"));
    let nowhere = read(&*engine, query(&nowhere, 10));
    let beyond = read_after(&*engine, "room", u64::MAX, 10);
    let current = read_after(&*engine, "room", published[2], 10);
    let before = Some(published[0]);
    let before = read(
        &*engine,
        Query {
            before,
            ..query("room", 10)
        },
    );
    let none = read(&*engine, query("room", 0));
    for (page, what) in [
        (&nowhere, "no channel"),
        (&beyond, "beyond the head"),
        (&current, "behind the newest"),
        (&before, "before the oldest"),
        (&none, "none asked for"),
    ] {
        assert!(page.messages.is_empty() && !page.truncated, "{what}");
        assert!(page.head >= published[2], "{what}");
        let oldest = if what == "no channel" {
            0
        } else {
            published[0]
        };
        assert_eq!(page.oldest, oldest, "{what}");
    }
    assert!(!nowhere.more && !beyond.more && !current.more && !before.more);
    assert!(none.more);
}

/// So many messages in "room", with others of another channel of its log between them.
fn fill(engine: &dyn Engine, count: usize) -> Vec<u64> {
    let elsewhere = beside(engine, "room");
    (0..count)
        .map(|n| {
            if n % 3 == 0 {
                publish(engine, &elsewhere, &n.to_string());
            }
            publish(engine, "room", &n.to_string()).seq
        })
        .collect()
}
