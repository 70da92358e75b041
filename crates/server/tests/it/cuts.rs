//! Ten thousand messages, and every follower is cut off again and again while they come.

use std::time::Duration;

use tidings_wire::{Data, Format};
use tokio::time::{Instant, timeout_at};

use crate::support::door::{Door, Follower, Hello, Publish, Said};
use crate::support::server::Server;
use crate::support::websocket::Frames;

const MESSAGES: u64 = 10_000;

/// How long a connection lives. Short, so that each follower is cut some fifteen times.
const LIFE: Duration = Duration::from_millis(400);

/// Publishes under way at a time, and the pause between two such bursts: the whole takes seconds.
const BURST: u64 = 200;
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn everybody_sees_all_messages_once_and_in_order_however_often_they_are_cut_off() {
    let server = Server::start();
    let mut followers = Vec::new();
    for (number, door) in Door::all().enumerate() {
        let name = format!("follower-{number}");
        followers.push(Follower::open(&server, door, &name, &["chat:a"]).await);
    }
    let following = followers.into_iter().map(follow);
    let (cuts, ()) = tokio::join!(futures_util::future::join_all(following), publish(&server));
    for (door, cuts) in cuts {
        assert!(
            cuts >= 5,
            "{door:?} was cut only {cuts} times, which proves little"
        );
    }
}

async fn publish(server: &Server) {
    let mut frames = Frames::open(server, Format::Json).await;
    let hello = Hello {
        kind: "hello",
        token: "guest:publisher".into(),
    };
    frames.say(&hello).await;
    let mut acknowledged = 0;
    for burst in 0..MESSAGES / BURST {
        for number in burst * BURST..(burst + 1) * BURST {
            frames.feed(&Publish {
                kind: "publish",
                req: number,
                channel: "chat:a",
                data: Data::from_json(&number.to_string()).unwrap(),
            });
        }
        while acknowledged < (burst + 1) * BURST {
            let said: Said = frames.hear().await.unwrap();
            match said.kind.as_str() {
                "published" => acknowledged += 1,
                "error" => panic!("{said:?}"),
                _ => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads them all, cutting its own connection wherever it happens to be.
async fn follow(mut follower: Follower<'_>) -> (Door, u32) {
    let (mut next, mut cuts) = (0, 0);
    let mut end = Instant::now() + LIFE;
    while next < MESSAGES {
        match timeout_at(end, follower.try_event()).await {
            Ok(Some(event)) if event.kind == "message" => {
                assert_eq!(
                    event.number(),
                    next,
                    "{:?}, cut {cuts} times",
                    follower.door
                );
                next += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                follower.cut();
                cuts += 1;
                follower.resume().await;
                end = Instant::now() + LIFE;
            }
        }
    }
    assert!(!follower.was_truncated);
    (follower.door, cuts)
}
