//! The shell on tokio's paused time: hub, shard and link over the in-memory engine.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where by panicking"
)]

use std::time::Duration;

use tidings_engine::{Engine, EngineError};
use tidings_hub::{Auth, Claims, Limits, Push, Room, Secret, StreamRequest, auth};
use tidings_wire::{Code, Command, Data, MessageId, Reply, ReplyBody, Request};
use tokio::time::timeout;

mod beyond;
mod house;
mod listed;

use house::*;

#[test]
fn a_short_poll_sees_what_was_published_before_it() {
    run(async || {
        let house = House::new(Limits::default());
        let cursor = house.hub.now_cursor();
        house.publish("a", "1").await;
        house.publish("b", "2").await;
        house.publish("c", "3").await;
        let mut link = house.stream(request(&["a", "c"], Some(cursor))).await;
        assert_eq!(names(&short_poll(&mut link).await), ["1", "3"]);
        assert_eq!(link.cursor(), house.hub.now_cursor());
        assert!(!link.has_more() && !link.was_truncated());
    });
}

#[test]
fn a_poll_without_a_cursor_starts_at_now() {
    run(async || {
        let house = House::new(Limits::default());
        house.publish("a", "1").await;
        let mut link = house.stream(request(&["a"], None)).await;
        assert!(short_poll(&mut link).await.is_empty());
        assert_eq!(link.cursor(), house.hub.now_cursor());
        house.publish("a", "2").await;
        assert_eq!(names(&pushes(&mut link).await), ["2"]);
    });
}

#[test]
fn the_cursor_moves_on_while_the_channels_are_quiet() {
    run(async || {
        let house = House::new(Limits::default());
        let mut link = house.stream(request(&["a"], None)).await;
        house.publish("elsewhere", "1").await;
        drop(link);
        link = house.stream(request(&["a"], None)).await;
        assert!(short_poll(&mut link).await.is_empty());
        assert_eq!(seq(&link), 1);
    });
}

#[test]
fn a_poll_takes_its_limit_and_says_that_there_is_more() {
    run(async || {
        let house = House::new(Limits::default());
        let cursor = house.hub.now_cursor();
        for text in ["1", "2", "3"] {
            house.publish("a", text).await;
        }
        let mut link = house.stream(request(&["a"], Some(cursor))).await;
        poll(&mut link, ROOM);
        link.ready().await;
        let two = Room { events: 2, ..ROOM };
        assert_eq!(names(&poll(&mut link, two)), ["1", "2"]);
        assert!(link.has_more());
        assert_eq!(seq(&link), 2);
        assert_eq!(names(&poll(&mut link, two)), ["3"]);
        assert!(!link.has_more());
    });
}

#[test]
fn a_cursor_of_another_log_is_truncated_and_goes_on_from_now() {
    run(async || {
        let house = House::new(Limits::default());
        house.publish("a", "1").await;
        let ahead = format!("{}-99", house.engine.epochs()[0]);
        for cursor in ["other-0", &ahead] {
            let cursor = cursor.parse().unwrap();
            let mut link = house.stream(request(&["a"], Some(cursor))).await;
            assert_eq!(names(&short_poll(&mut link).await), ["truncated"]);
            assert!(link.was_truncated());
            assert_eq!(link.cursor(), house.hub.now_cursor());
        }
    });
}

#[test]
fn a_framed_link_publishes_follows_and_is_answered() {
    run(async || {
        let house = House::new(Limits::default());
        let mut alice = house.connect("alice").await;
        alice.handle(command(1, subscribe("chat:lobby")));
        assert!(matches!(
            reply(&mut alice).await,
            ReplyBody::Subscribed {
                truncated: false,
                ..
            }
        ));
        assert_eq!(names(&pushes(&mut alice).await), ["join"]);
        let publish = Command::Publish {
            channel: channel("chat:lobby"),
            data: Data::from_text("hi"),
            id: None,
        };
        alice.handle(command(2, publish));
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(pushes(&mut alice).await);
        }
        assert!(seen.iter().any(|push| matches!(
            push,
            Push::Reply(Reply {
                req: Some(2),
                body: ReplyBody::Published { seq: 1, .. }
            })
        )));
        assert!(names(&seen).contains(&"1".to_owned()));
        house
            .hub
            .signal(
                &house.guest("bob"),
                channel("chat:lobby"),
                Data::from_text("typing"),
            )
            .unwrap();
        assert_eq!(names(&pushes(&mut alice).await), ["signal"]);
        let ask = Command::Presence {
            channel: channel("chat:lobby"),
        };
        alice.handle(command(3, ask));
        assert!(matches!(
            reply(&mut alice).await,
            ReplyBody::Presence(tidings_wire::Presence { count: 1, .. })
        ));
    });
}

#[test]
fn history_comes_before_what_is_live() {
    run(async || {
        let house = House::new(Limits::default());
        for text in ["1", "2", "3"] {
            house.publish("a", text).await;
        }
        let mut link = house.connect("alice").await;
        let subscribe = Command::Subscribe {
            channel: channel("a"),
            after: None,
            history: Some(2),
        };
        link.handle(command(1, subscribe));
        house.publish("a", "4").await;
        let mut events = Vec::new();
        while events.last().is_none_or(|last| last != "4") {
            let pushes = pushes(&mut link).await;
            events.extend(names(&pushes).into_iter().filter(|name| name.len() == 1));
        }
        // The page may have been read before or after the fourth.
        assert!(
            events == ["2", "3", "4"] || events == ["3", "4"],
            "{events:?}"
        );
    });
}

#[test]
fn hello_comes_first_and_a_bad_one_ends_the_link() {
    run(async || {
        let house = House::with_auth(
            Limits::default(),
            Auth::Secret(Secret::new(SECRET).unwrap()),
        );
        let mut link = house.shard.connect(None).unwrap();
        assert!(link.user().is_none());
        link.handle(command(1, subscribe("a")));
        assert!(matches!(
            reply(&mut link).await,
            ReplyBody::Error {
                code: Code::Unauthenticated,
                ..
            }
        ));
        link.handle(command(2, Command::Hello { token: None }));
        let out = pushes(&mut link).await;
        assert!(matches!(out[0], Push::Reply(Reply { req: Some(2), .. })));
        assert!(matches!(
            out[1],
            Push::Close {
                code: Code::Unauthenticated,
                ..
            }
        ));
    });
}

#[test]
fn a_hello_that_says_nothing_new_is_answered_if_it_has_a_number() {
    run(async || {
        let house = House::new(Limits::default());
        let mut link = house.shard.connect(Some(house.guest("alice"))).unwrap();
        assert!(matches!(reply(&mut link).await, ReplyBody::Hello { .. }));
        let hello = |req, token: Option<&str>| Request {
            req,
            command: Command::Hello {
                token: token.map(str::to_owned),
            },
        };
        link.handle(hello(None, None));
        link.handle(hello(None, Some("guest:alice")));
        link.handle(hello(Some(1), None));
        link.handle(hello(Some(2), Some("guest:bob")));
        let out = pushes(&mut link).await;
        let [Push::Reply(greeted), Push::Reply(refused)] = &out[..] else {
            panic!("two answers were expected: {out:?}");
        };
        assert!(matches!(greeted.body, ReplyBody::Hello { .. }));
        assert_eq!((greeted.req, refused.req), (Some(1), Some(2)));
        assert_eq!(link.user().unwrap().as_str(), "alice");
    });
}

#[test]
fn a_token_ends_and_a_new_one_moves_the_end() {
    run(async || {
        let secret = Secret::new(SECRET).unwrap();
        let house = House::with_auth(Limits::default(), Auth::Secret(secret.clone()));
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let token = |exp, read: &str| {
            let claims = Claims {
                sub: "alice".into(),
                exp: Some(exp),
                read: vec![read.into()],
                write: vec![],
            };
            auth::sign(&secret, &claims)
        };
        let mut link = house.shard.connect(None).unwrap();
        let hello = Command::Hello {
            token: Some(token(now + 100, "*")),
        };
        link.handle(command(1, hello));
        assert!(matches!(reply(&mut link).await, ReplyBody::Hello { .. }));
        assert_eq!(link.user().unwrap().as_str(), "alice");
        link.handle(command(2, subscribe("a")));
        assert!(matches!(
            reply(&mut link).await,
            ReplyBody::Subscribed { .. }
        ));
        assert_eq!(names(&pushes(&mut link).await), ["join"]);

        tokio::time::sleep(Duration::from_secs(90)).await;
        let refresh = Command::Refresh {
            token: token(now + 200, "b"),
        };
        link.handle(command(3, refresh));
        let out = pushes(&mut link).await;
        assert!(matches!(
            &out[0],
            Push::Reply(Reply {
                body: ReplyBody::Refreshed { expires: Some(_) },
                ..
            })
        ));
        // What the new token does not allow any more has ended.
        assert!(matches!(
            &out[1],
            Push::Reply(Reply {
                req: None,
                body: ReplyBody::Unsubscribed {
                    code: Some(Code::Forbidden),
                    ..
                }
            })
        ));
        let soon = timeout(Duration::from_secs(60), link.ready()).await;
        assert!(soon.is_err(), "the first token's end is no end any more");
        let at_last = timeout(Duration::from_secs(300), link.ready()).await;
        assert!(at_last.is_ok());
        let out = pushes(&mut link).await;
        assert!(matches!(
            out[..],
            [Push::Close {
                code: Code::TokenExpired,
                ..
            }]
        ));
    });
}

#[test]
fn presence_follows_the_link() {
    run(async || {
        let house = House::new(Limits::default());
        let mut alice = house.connect("alice").await;
        alice.handle(command(1, subscribe("a")));
        let request = StreamRequest {
            presence: true,
            ..request(&["a"], None)
        };
        let stream = house.shard.stream(house.guest("alice"), request);
        let stream = stream.await.unwrap();
        assert_eq!(house.present("a").await, [("alice".to_owned(), 2)]);
        alice.part();
        assert_eq!(house.present("a").await, [("alice".to_owned(), 1)]);
        drop(stream);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(house.present("a").await, [("alice".to_owned(), 1)]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(house.present("a").await, []);
    });
}

#[test]
fn a_poller_holds_a_lease_and_gets_what_passed_between_two_polls() {
    run(async || {
        let house = House::new(Limits {
            passing_events: 2,
            ..Limits::default()
        });
        let mut link = house.stream(poller(&["a"], None)).await;
        assert_eq!(names(&pushes(&mut link).await), ["join"]);
        let cursor = link.cursor();
        drop(link);
        assert_eq!(house.present("a").await.len(), 1);
        for text in ["1", "2", "3"] {
            let bob = house.guest("bob");
            house
                .hub
                .signal(&bob, channel("a"), Data::from_text(text))
                .unwrap();
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        let mut link = house.stream(poller(&["a"], Some(cursor.clone()))).await;
        // The oldest is lost: they are sent at most once, and only so many are kept.
        assert_eq!(names(&short_poll(&mut link).await), ["signal", "signal"]);
        tokio::time::sleep(Duration::from_secs(25)).await;
        drop(link);
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(
            house.present("a").await.len(),
            1,
            "the lease begins when a poll ends"
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(house.present("a").await.len(), 0);
        assert_eq!(house.hub.sessions(), 0);
    });
}

#[test]
fn a_second_poll_of_the_same_session_takes_over() {
    run(async || {
        let house = House::new(Limits::default());
        let mut first = house.stream(poller(&["a"], None)).await;
        short_poll(&mut first).await;
        pushes(&mut first).await;
        assert!(
            timeout(Duration::from_secs(1), first.ready())
                .await
                .is_err()
        );
        let second = house.stream(poller(&["a"], None)).await;
        first.ready().await;
        assert_eq!(names(&poll(&mut first, ROOM)), ["busy"]);
        drop(first);
        assert_eq!(house.present("a").await.len(), 1);
        assert_eq!(house.hub.sessions(), 1);
        drop(second);
    });
}

#[test]
fn sessions_are_bounded_and_counted_down() {
    run(async || {
        let house = House::new(Limits {
            sessions: 2,
            subscriptions: 1,
            ..Limits::default()
        });
        let first = house.shard.connect(None).unwrap();
        let second = house.stream(request(&["a"], None)).await;
        let refused = house.shard.connect(None).err().unwrap();
        assert_eq!(refused.code, Code::Busy);
        drop((first, second));
        assert_eq!(house.hub.sessions(), 0);
        assert!(house.shard.connect(None).is_ok());
        let many = request(&["a", "b"], None);
        let refused = house.shard.stream(house.guest("x"), many).await;
        assert_eq!(refused.err().unwrap().code, Code::LimitReached);
        assert_eq!(house.hub.sessions(), 0);
    });
}

#[test]
fn a_read_that_fails_for_now_is_tried_again() {
    run(async || {
        let house = House::new(Limits::default());
        let cursor = house.hub.now_cursor();
        house.publish_before("a", "1").await;
        house.engine.fail_reads(Some(EngineError::Busy));
        let mut link = house.stream(request(&["a"], Some(cursor))).await;
        assert!(poll(&mut link, ROOM).is_empty());
        assert!(timeout(Duration::from_secs(5), link.ready()).await.is_err());
        assert!(!link.is_current());
        house.engine.fail_reads(None);
        assert_eq!(names(&pushes(&mut link).await), ["1"]);
    });
}

#[test]
fn a_read_that_fails_for_good_ends_the_link() {
    run(async || {
        let house = House::new(Limits::default());
        let cursor = house.hub.now_cursor();
        house.publish_before("a", "1").await;
        house
            .engine
            .fail_reads(Some(EngineError::Failed("broken".into())));
        let mut link = house.stream(request(&["a"], Some(cursor))).await;
        assert_eq!(names(&pushes(&mut link).await), ["internal"]);
    });
}

#[test]
fn a_refused_publish_says_why() {
    run(async || {
        let house = House::new(Limits {
            data_bytes: 4,
            ..Limits::default()
        });
        let alice = house.guest("alice");
        let publish = |text: &str| {
            house
                .hub
                .publish(&alice, channel("a"), Data::from_text(text), None)
        };
        assert_eq!(publish("abc").await.unwrap_err().code, Code::TooLarge);
        house.engine.fail_publishes(Some(EngineError::StorageFull));
        assert_eq!(publish("ab").await.unwrap_err().code, Code::StorageFull);
    });
}

#[test]
fn leases_end_with_their_shard() {
    run(async || {
        let house = House::new(Limits::default());
        drop(house.stream(poller(&["a"], None)).await);
        assert_eq!(house.present("a").await.len(), 1);
        let hub = house.hub.clone();
        drop(house);
        let users = hub
            .presence(&hub.authenticate(None).unwrap(), channel("a"))
            .await;
        assert_eq!(users.unwrap(), tidings_wire::Presence::default());
        assert_eq!(hub.sessions(), 0);
    });
}

#[test]
fn a_shard_that_lagged_loses_nothing() {
    run(async || {
        let house = House::new(Limits::default());
        let mut stream = house.stream(request(&["a"], None)).await;
        let mut framed = house.connect("alice").await;
        framed.handle(command(1, subscribe("a")));
        assert!(short_poll(&mut stream).await.is_empty());
        while names(&pushes(&mut framed).await) != ["join"] {}
        // More than the ring of notices holds, while the shard has no chance to listen.
        let count = tidings_engine::WATCH_NOTICES_MAX + 1000;
        for _ in 0..count {
            let draft = tidings_engine::Draft {
                channel: channel("a"),
                id: MessageId::new(&fastrand::u64(..).to_string()).unwrap(),
                from: MessageId::new("x").unwrap(),
                data: Data::from_text("x"),
                at: None,
            };
            let published = tidings_engine::Engine::publish(&*house.engine, draft);
            drop(published);
        }
        for link in [&mut stream, &mut framed] {
            let mut seen = Vec::new();
            while seen.len() < count {
                seen.extend(names(&pushes(link).await));
                seen.retain(|name| name != "join");
            }
            let expected: Vec<_> = (1..=count).map(|seq| seq.to_string()).collect();
            assert!(seen == expected);
        }
        assert!(house.shard.census().missed > 0);
    });
}

#[test]
fn a_stream_of_no_channel_is_only_alive() {
    run(async || {
        let house = House::new(Limits::default());
        let mut link = house.stream(request(&[], None)).await;
        house.publish("a", "1").await;
        assert!(poll(&mut link, ROOM).is_empty());
        assert!(link.is_current());
    });
}
