//! Links that one holder has: listed together, given what they share, moved to another shard.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tidings_engine::Engine;
use tidings_hub::{Limits, Link, Room, Shard, Stretch};
use tidings_wire::{Data, ReplyBody, User};
use tokio::time::timeout;

use crate::house::*;

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
        // By the holder of many, who takes them from the list and comes again when they have been given it.
        let take_one = || {
            let (mut others, give) = (Vec::new(), |_, _: &Stretch| true);
            house.shard.give_listed(1, ROOM, &mut others, give);
        };
        let come_again = || {
            let mut context = Context::from_waker(std::task::Waker::noop());
            let _ = pin!(house.shard.listed()).poll(&mut context);
        };
        house.publish_before("a", "1").await;
        house.publish_before("a", "2").await;
        assert_eq!(lags(), 0, "nobody was given it");
        take_one();
        come_again();
        assert_eq!(lags(), 0, "one of two was");
        take_one();
        assert_eq!(lags(), 0, "the other is being given it");
        come_again();
        assert_eq!(lags(), 2);
        house.publish_before("nobody's", "1").await;
        assert_eq!(lags(), 2, "nobody follows it");
        // And by a task of its own, which was woken.
        let mut stream = house.stream(request(&["b"], None)).await;
        poll(&mut stream, ROOM);
        house.publish_before("b", "1").await;
        assert_eq!(lags(), 3);
    });
}

/// Two shards of one node, and a follower of "a" on the first.
async fn two_shards() -> (House, Shard, Link) {
    let house = House::new(Limits::default());
    let other = Shard::start(house.hub.clone());
    let mut link = follower(&house, "bob").await;
    link.list_as(1);
    // Its own join.
    tokio::time::sleep(Duration::from_millis(1)).await;
    take_listed(&house);
    poll(&mut link, ROOM);
    (house, other, link)
}

#[test]
fn a_link_goes_on_at_another_shard_and_nobody_is_told() {
    run(async || {
        let (house, other, mut link) = two_shards().await;
        house.publish_before("a", "1").await;
        assert_eq!(names(&poll(&mut link, ROOM)), ["1"]);
        // The other shard has not heard of this when the session comes.
        house.engine.signal(
            channel("a"),
            User::new("x").unwrap(),
            Data::from_text("once"),
        );
        tokio::task::yield_now().await;
        poll(&mut link, ROOM);
        let moving = link.leave().expect("it is in step");
        assert!(link.leave().is_none());
        drop(link);
        house.publish("a", "2").await;
        let mut receiving = pin!(other.receive(moving));
        let at_once = receiving
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(at_once.is_pending(), "it has not heard all yet");
        let mut link = receiving.await;
        link.list_as(2);
        house.publish_before("a", "3").await;
        let mut given = Vec::new();
        while given.len() < 2 {
            given.extend(names(&pushes(&mut link).await));
        }
        assert_eq!(given, ["2", "3"], "and no signal again");
        assert_eq!(house.present("a").await, [("bob".to_owned(), 1)]);
        link.part();
        assert!(house.present("a").await.is_empty());
    });
}

#[test]
fn a_session_that_does_not_arrive_ends() {
    run(async || {
        let limits = Limits {
            sessions: 1,
            ..Limits::default()
        };
        let house = House::new(limits);
        let mut link = follower(&house, "bob").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        poll(&mut link, ROOM);
        let moving = link.leave().expect("it is in step");
        drop(link);
        assert_eq!(house.present("a").await.len(), 1);
        assert!(house.shard.connect(None).is_err(), "it still counts");
        drop(moving);
        assert!(house.present("a").await.is_empty());
        assert!(house.shard.connect(None).is_ok());
    });
}

#[test]
fn a_session_is_received_however_many_notices_there_are_before_it() {
    // As many as the shard takes at a time, so that it cannot tell whether there are more. Which it looks at
    // first, the notices or the session, is chance.
    const NOTICES_AT_A_TIME: usize = 256;
    for _ in 0..20 {
        run(async || {
            let (house, other, mut link) = two_shards().await;
            let moving = link.leave().expect("it is in step");
            for _ in 0..NOTICES_AT_A_TIME {
                let user = User::new("x").unwrap();
                house
                    .engine
                    .signal(channel("b"), user, Data::from_text("1"));
            }
            let received = timeout(Duration::from_secs(60), other.receive(moving)).await;
            assert!(received.is_ok(), "it waits for ever");
        });
    }
}
