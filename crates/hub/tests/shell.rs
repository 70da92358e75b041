//! The shell on tokio's paused time: hub, shard and link over the in-memory engine.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where by panicking"
)]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::Duration;

use tidings_engine::{EngineError, MemoryEngine};
use tidings_hub::{
    Auth, Claims, Hub, HubConfig, Identity, Limits, Link, NamespacePolicies, Push, Room, Secret,
    Shard, StreamRequest, Stretch, auth,
};
use tidings_wire::{
    ChannelName, Code, Command, Cursor, Data, Event, Heartbeat, MessageId, Reply, ReplyBody,
    Request,
};
use tokio::task::LocalSet;
use tokio::time::timeout;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct House {
    engine: Arc<MemoryEngine>,
    hub: Arc<Hub>,
    shard: Shard,
}

impl House {
    fn new(limits: Limits) -> Self {
        Self::with_auth(limits, Auth::Guests)
    }

    fn with_auth(limits: Limits, auth: Auth) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let config = HubConfig {
            auth,
            limits,
            namespaces: NamespacePolicies::default(),
            heartbeat: Heartbeat {
                interval: 20_000,
                timeout: 5_000,
                tries: 2,
            },
        };
        let hub = Hub::new(engine.clone(), config);
        Self {
            shard: Shard::start(hub.clone()),
            engine,
            hub,
        }
    }

    fn guest(&self, name: &str) -> Identity {
        let token = format!("guest:{name}");
        self.hub.authenticate(Some(&token)).unwrap()
    }

    async fn publish(&self, name: &str, text: &str) -> u64 {
        let who = self.guest("publisher");
        let published = self
            .hub
            .publish(&who, channel(name), Data::from_text(text), None);
        published.await.unwrap().seq
    }

    /// Publishes, and lets the shard hear of it, so that nobody's tail will have it.
    async fn publish_before(&self, name: &str, text: &str) {
        self.publish(name, text).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn stream(&self, request: StreamRequest) -> Link {
        self.shard.stream(self.guest("reader"), request).unwrap()
    }

    async fn connect(&self, name: &str) -> Link {
        let mut link = self.shard.connect(Some(self.guest(name))).unwrap();
        assert!(matches!(reply(&mut link).await, ReplyBody::Hello { .. }));
        link
    }

    /// How many are in a channel, over how many connections.
    async fn present(&self, name: &str) -> Vec<(String, u32)> {
        let users = self.hub.presence(&self.guest("x"), channel(name)).await;
        let entry = |present: &tidings_wire::Present| {
            (present.user.as_str().to_owned(), present.connections)
        };
        users.unwrap().users.iter().map(entry).collect()
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

fn request(channels: &[&str], after: Option<Cursor>) -> StreamRequest {
    StreamRequest {
        channels: channels.iter().map(|name| channel(name)).collect(),
        after,
        session: None,
        presence: false,
    }
}

fn poller(channels: &[&str], after: Option<Cursor>) -> StreamRequest {
    StreamRequest {
        session: Some(MessageId::new("tab-1").unwrap()),
        ..request(channels, after)
    }
}

const ROOM: Room = Room {
    bytes: 1 << 20,
    events: 1000,
};

fn poll(link: &mut Link, room: Room) -> Vec<Push> {
    let mut out = Vec::new();
    link.poll(room, &mut out);
    out
}

/// What comes next, waiting for it; virtual time makes the deadline cheap.
async fn pushes(link: &mut Link) -> Vec<Push> {
    loop {
        let out = poll(link, ROOM);
        if !out.is_empty() {
            return out;
        }
        timeout(Duration::from_secs(60), link.ready())
            .await
            .expect("something comes within a minute");
    }
}

async fn reply(link: &mut Link) -> ReplyBody {
    match pushes(link).await.remove(0) {
        Push::Reply(Reply { body, .. }) => body,
        other => panic!("not a reply: {other:?}"),
    }
}

/// Polls as a short poll does: until current.
async fn short_poll(link: &mut Link) -> Vec<Push> {
    let mut out = poll(link, ROOM);
    while !link.is_current() {
        timeout(Duration::from_secs(60), link.ready())
            .await
            .expect("the stream gets current within a minute");
        link.poll(ROOM, &mut out);
    }
    out
}

fn command(req: u64, command: Command) -> Request {
    Request {
        req: Some(req),
        command,
    }
}

fn subscribe(name: &str) -> Command {
    Command::Subscribe {
        channel: channel(name),
        after: None,
        history: None,
    }
}

/// Messages by `seq`, other events by type.
fn names(pushes: &[Push]) -> Vec<String> {
    let name = |push: &Push| match push {
        Push::Event(event) => match event.event() {
            Event::Message(message) => message.seq.to_string(),
            other => other.type_name().to_owned(),
        },
        Push::Reply(reply) => format!("{:?}", reply.body),
        Push::Close { code, .. } => code.to_string(),
    };
    pushes.iter().map(name).collect()
}

/// Runs `test` where shards can live, on virtual time.
fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(LocalSet::new().run_until(test()));
}

#[test]
fn a_short_poll_sees_what_was_published_before_it() {
    run(async || {
        let house = House::new(Limits::default());
        let cursor = house.hub.now_cursor();
        house.publish("a", "1").await;
        house.publish("b", "2").await;
        house.publish("c", "3").await;
        let mut link = house.stream(request(&["a", "c"], Some(cursor)));
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
        let mut link = house.stream(request(&["a"], None));
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
        let mut link = house.stream(request(&["a"], None));
        house.publish("elsewhere", "1").await;
        drop(link);
        link = house.stream(request(&["a"], None));
        assert!(short_poll(&mut link).await.is_empty());
        assert_eq!(link.cursor().seq, 1);
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
        let mut link = house.stream(request(&["a"], Some(cursor)));
        poll(&mut link, ROOM);
        link.ready().await;
        let two = Room { events: 2, ..ROOM };
        assert_eq!(names(&poll(&mut link, two)), ["1", "2"]);
        assert!(link.has_more());
        assert_eq!(link.cursor().seq, 2);
        assert_eq!(names(&poll(&mut link, two)), ["3"]);
        assert!(!link.has_more());
    });
}

#[test]
fn a_cursor_of_another_log_is_truncated_and_goes_on_from_now() {
    run(async || {
        let house = House::new(Limits::default());
        house.publish("a", "1").await;
        let ahead = Cursor {
            seq: 99,
            ..house.hub.now_cursor()
        };
        for cursor in ["other-0".parse().unwrap(), ahead] {
            let mut link = house.stream(request(&["a"], Some(cursor)));
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
        let stream = house.shard.stream(house.guest("alice"), request).unwrap();
        assert_eq!(house.present("a").await, [("alice".to_owned(), 2)]);
        drop(alice);
        assert_eq!(house.present("a").await, [("alice".to_owned(), 1)]);
        drop(stream);
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
        let mut link = house.stream(poller(&["a"], None));
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
        let mut link = house.stream(poller(&["a"], Some(cursor.clone())));
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
        let mut first = house.stream(poller(&["a"], None));
        short_poll(&mut first).await;
        pushes(&mut first).await;
        assert!(
            timeout(Duration::from_secs(1), first.ready())
                .await
                .is_err()
        );
        let second = house.stream(poller(&["a"], None));
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
            ..Limits::default()
        });
        let first = house.shard.connect(None).unwrap();
        let second = house.stream(request(&["a"], None));
        let refused = house.shard.connect(None).err().unwrap();
        assert_eq!(refused.code, Code::Busy);
        drop((first, second));
        assert_eq!(house.hub.sessions(), 0);
        assert!(house.shard.connect(None).is_ok());
        let nothing = house.shard.stream(house.guest("x"), request(&[], None));
        assert_eq!(nothing.err().unwrap().code, Code::BadRequest);
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
        let mut link = house.stream(request(&["a"], Some(cursor)));
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
        let mut link = house.stream(request(&["a"], Some(cursor)));
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
        drop(house.stream(poller(&["a"], None)));
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
        let mut stream = house.stream(request(&["a"], None));
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

async fn follower(house: &House, name: &str) -> Link {
    let mut link = house.connect(name).await;
    link.handle(command(1, subscribe("a")));
    let answer = reply(&mut link).await;
    assert!(matches!(answer, ReplyBody::Subscribed { .. }));
    link
}

/// Followers of one holder, listed under their numbers and given everything so far.
async fn listed_links(house: &House, count: u64) -> Vec<Link> {
    let mut links = Vec::new();
    for token in 0..count {
        let mut link = follower(house, &format!("user-{token}")).await;
        link.list_as(token);
        links.push(link);
    }
    // The joins, so that whoever is listed after this has a message.
    tokio::time::sleep(Duration::from_millis(1)).await;
    take_listed(house);
    for link in &mut links {
        poll(link, ROOM);
    }
    links
}

fn take_listed(house: &House) -> Vec<u64> {
    let (mut tokens, mut in_step) = (Vec::new(), Vec::new());
    let give = |token, _: &Stretch| {
        in_step.push(token);
        false
    };
    house.shard.give_listed(usize::MAX, ROOM, &mut tokens, give);
    tokens.append(&mut in_step);
    tokens
}

#[test]
fn the_holder_of_many_links_is_woken_once_for_all_of_them() {
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    run(async || {
        let house = House::new(Limits::default());
        let mut links = listed_links(&house, 100).await;
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = wakes.clone().into();
        let mut listed = pin!(house.shard.listed());
        assert!(
            listed
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        house.publish_before("a", "1").await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        house.publish_before("a", "2").await;
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "it knows already");
        let mut tokens = take_listed(&house);
        tokens.sort_unstable();
        assert!(tokens.into_iter().eq(0..100), "each is listed once");
        for link in &mut links {
            assert_eq!(names(&poll(link, ROOM)), ["1", "2"]);
        }
        assert!(take_listed(&house).is_empty());
        house.publish_before("a", "3").await;
        assert_eq!(take_listed(&house).len(), 100);
    });
}

#[test]
fn a_link_whose_room_ran_out_is_not_listed_until_it_was_polled_dry() {
    run(async || {
        let house = House::new(Limits::default());
        let mut links = listed_links(&house, 1).await;
        let small = Room {
            bytes: usize::MAX,
            events: 1,
        };
        for text in ["1", "2"] {
            house.publish_before("a", text).await;
        }
        assert_eq!(take_listed(&house), [0]);
        assert_eq!(names(&poll(&mut links[0], small)), ["1"]);
        house.publish_before("a", "3").await;
        assert!(take_listed(&house).is_empty());
        assert_eq!(names(&poll(&mut links[0], ROOM)), ["2", "3"]);
        house.publish_before("a", "4").await;
        assert_eq!(take_listed(&house), [0]);
    });
}

#[test]
fn whoever_takes_the_place_of_a_listed_link_is_not_listed() {
    run(async || {
        let house = House::new(Limits::default());
        drop(listed_links(&house, 1).await);
        take_listed(&house);
        let mut link = follower(&house, "bob").await;
        house.publish_before("a", "1").await;
        assert_eq!(names(&poll(&mut link, ROOM)).last().unwrap(), "1");
        assert!(take_listed(&house).is_empty());
        // One that has something already is listed at once.
        house.publish_before("a", "2").await;
        link.list_as(7);
        assert_eq!(take_listed(&house), [7]);
    });
}

#[test]
fn a_census_tells_who_is_behind_and_what_the_tails_hold() {
    run(async || {
        let house = House::new(Limits::default());
        let mut links = listed_links(&house, 2).await;
        // Follows nothing, and so is behind nobody.
        let _bystander = house.shard.connect(None).unwrap();
        let census = house.shard.census();
        assert_eq!((census.sessions, census.subscriptions), (3, 2));
        assert_eq!((census.channels, census.followers_behind), (1, 0));
        assert_eq!((census.tail_bytes, census.missed), (0, 0));
        house.publish_before("a", "1").await;
        let census = house.shard.census();
        assert_eq!(census.followers_behind, 2, "nobody was given it");
        assert!(census.tail_bytes > 0);
        poll(&mut links[0], ROOM);
        assert_eq!(house.shard.census().followers_behind, 1);
        let none = Room {
            bytes: 0,
            events: 0,
        };
        poll(&mut links[1], none);
        assert_eq!(house.shard.census().followers_behind, 1, "it had no room");
        poll(&mut links[1], ROOM);
        assert_eq!(house.shard.census().followers_behind, 0);
        drop(links);
        let census = house.shard.census();
        assert_eq!((census.subscriptions, census.tail_bytes), (0, 0));
    });
}

#[test]
fn a_lag_is_measured_once_for_each_batch_that_was_given_to_followers() {
    run(async || {
        let house = House::new(Limits::default());
        let _links = listed_links(&house, 2).await;
        let lags = || house.shard.census().lags.count();
        // By the holder of many, who has to take them from the list and come again.
        house.publish_before("a", "1").await;
        house.publish_before("a", "2").await;
        assert_eq!(lags(), 0, "nobody was given it");
        take_listed(&house);
        assert_eq!(lags(), 0, "they are being given it");
        let waker = std::task::Waker::noop();
        let listed = pin!(house.shard.listed());
        assert!(listed.poll(&mut Context::from_waker(waker)).is_pending());
        assert_eq!(lags(), 2);
        house.publish_before("nobody's", "1").await;
        assert_eq!(lags(), 2, "nobody follows it");
        // And by a task of its own, which was woken.
        let mut stream = house.stream(request(&["b"], None));
        poll(&mut stream, ROOM);
        house.publish_before("b", "1").await;
        assert_eq!(lags(), 3);
    });
}
