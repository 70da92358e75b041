//! Cursors of another node, which knows more than the one here.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tidings_engine::{Engine, EngineError};
use tidings_hub::{Limits, Link, Refusal};
use tidings_wire::{Code, Command, ReplyBody};

use crate::house::*;

/// A house that has fallen behind: another node has stored so many messages in "a", and given cursors up to there.
async fn behind(messages: u64) -> (House, String) {
    let house = House::new(Limits::default());
    house.engine.fall_behind();
    for n in 1..=messages {
        assert_eq!(house.publish("a", &n.to_string()).await, n);
    }
    assert_eq!(house.engine.head(0), 0);
    let cursor = format!("{}-{messages}", house.engine.epochs()[0]);
    (house, cursor)
}

type Beginning<'a> = Pin<Box<dyn Future<Output = Result<Link, Refusal>> + 'a>>;

fn begin<'a>(house: &'a House, cursor: &str) -> Beginning<'a> {
    let request = poller(&["a"], Some(cursor.parse().unwrap()));
    Box::pin(house.shard.stream(house.guest("reader"), request))
}

fn is_waiting(beginning: &mut Beginning<'_>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(pin!(beginning).poll(&mut context), Poll::Pending)
}

/// Tasks that have something to do have done it.
async fn rest() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[test]
fn a_stream_begins_when_it_is_certain_how_far_the_log_goes() {
    run(async || {
        let (house, cursor) = behind(2).await;
        let mut link = begin(&house, &cursor).await.unwrap();
        assert!(poll(&mut link, ROOM).is_empty());
        assert!(!link.was_truncated());
        assert_eq!((link.cursor().to_string(), seq(&link)), (cursor, 2));
        assert_eq!(link.newest(), None, "others may know of newer ones");
        house.publish("a", "3").await;
        house.engine.catch_up();
        assert_eq!(names(&short_poll(&mut link).await), ["join", "3"]);
    });
}

#[test]
fn a_cursor_from_beyond_every_end_is_truncated() {
    run(async || {
        let (house, _) = behind(2).await;
        let cursor = format!("{}-3", house.engine.epochs()[0]);
        let mut link = begin(&house, &cursor).await.unwrap();
        house.engine.catch_up();
        assert_eq!(names(&short_poll(&mut link).await), ["join", "truncated"]);
        assert_eq!(seq(&link), 2);
    });
}

#[test]
fn those_who_come_with_the_same_cursor_share_one_answer() {
    run(async || {
        let (house, cursor) = behind(2).await;
        house.engine.hold_answers();
        let mut streams: Vec<_> = (0..10).map(|_| begin(&house, &cursor)).collect();
        assert!(streams.iter_mut().all(is_waiting));
        rest().await;
        assert!(house.engine.release_answer());
        assert!(!house.engine.release_answer());
        for stream in streams {
            // Of one session's polls the last one has it.
            let _ = stream.await;
        }
    });
}

#[test]
fn a_stream_that_cannot_be_judged_is_refused() {
    run(async || {
        let (house, cursor) = behind(2).await;
        for (error, code) in [
            (EngineError::Unavailable("no".into()), Code::Unavailable),
            (EngineError::Busy, Code::Busy),
        ] {
            house.engine.fail_reaches(Some(error));
            let refused = begin(&house, &cursor).await.err().unwrap();
            assert_eq!((refused.code, refused.code.http_status()), (code, 503));
            assert_eq!(house.hub.sessions(), 0);
        }
        house.engine.fail_reaches(None);
        assert!(begin(&house, &cursor).await.is_ok());
    });
}

#[test]
fn who_hangs_up_while_it_is_judged_leaves_nothing() {
    run(async || {
        let (house, cursor) = behind(2).await;
        house.engine.hold_answers();
        let mut stream = begin(&house, &cursor);
        assert!(is_waiting(&mut stream));
        rest().await;
        drop(stream);
        house.engine.release_answers();
        rest().await;
        assert_eq!(house.hub.sessions(), 0);
        assert!(house.present("a").await.is_empty());
    });
}

#[test]
fn a_framed_link_is_answered_when_it_is_certain_how_far_the_log_goes() {
    run(async || {
        let (house, cursor) = behind(2).await;
        let mut link = house.connect("alice").await;
        let subscribe = |after: &str| Command::Subscribe {
            channel: channel("a"),
            after: Some(after.parse().unwrap()),
            history: None,
        };
        house.engine.fail_reaches(Some(EngineError::Busy));
        link.handle(command(1, subscribe(&cursor)));
        let refused = loop {
            if let ReplyBody::Error { code, .. } = reply(&mut link).await {
                break code;
            }
        };
        assert_eq!(refused, Code::Busy);
        house.engine.fail_reaches(None);
        link.handle(command(2, subscribe(&cursor)));
        let begun = loop {
            let pushes = pushes(&mut link).await;
            let body = pushes.into_iter().find_map(|push| match push {
                tidings_hub::Push::Reply(reply) => Some(reply.body),
                _ => None,
            });
            if let Some(ReplyBody::Subscribed {
                cursor, truncated, ..
            }) = body
            {
                break (cursor.to_string(), truncated);
            }
        };
        assert_eq!(begun, (cursor, false));
    });
}
