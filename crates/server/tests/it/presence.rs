//! Who is seen: a quick return is no leave and no join, and a farewell is one at once.

use serde::Serialize;
use tidings_websocket::{Close, CloseCode};
use tidings_wire::Format;

use crate::support::door::{Follower, Hello, Said, Subscribe, Way};
use crate::support::server::Server;
use crate::support::until;
use crate::support::websocket::Frames;

/// Nobody who is lost leaves while the test runs.
const LONG: &str = "shards = 2\n[presence]\ngrace = \"5min\"\n";

/// Waits until so many links over WebSocket and SSE are there, on both shards.
async fn streams(server: &Server, count: u64) {
    until("the links", async || {
        let metrics = server.metrics().await;
        let links = ["websocket", "sse"].map(|transport| {
            let of =
                |shard| format!("tidings_links{{transport=\"{transport}\",shard=\"{shard}\"}}");
            metrics.value(&of(0)) + metrics.value(&of(1))
        });
        (links[0] + links[1] == count as f64).then_some(())
    })
    .await;
}

/// Who comes or goes next.
async fn next(watcher: &mut Follower<'_>) -> (String, String) {
    loop {
        let event = watcher.event().await;
        if matches!(&*event.kind, "join" | "leave") {
            return (event.kind, event.user.unwrap());
        }
    }
}

fn event(kind: &str, user: &str) -> (String, String) {
    (kind.to_owned(), user.to_owned())
}

/// A connection of bob's that follows `a`.
async fn bob(server: &Server) -> Frames {
    let mut frames = Frames::open(server, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.feed(&Hello { kind, token });
    let subscribe = Subscribe {
        kind: "subscribe",
        req: 1,
        channel: "a",
        after: None,
    };
    frames.say(&subscribe).await;
    while frames.hear::<Said>().await.unwrap().kind != "subscribed" {}
    frames
}

#[tokio::test]
async fn who_comes_back_soon_has_never_left_over_whatever_it_comes() {
    let server = Server::configured(LONG);
    let mut watcher = Follower::open(&server, Way::Sse, "alice", &["a"]).await;
    assert_eq!(next(&mut watcher).await, event("join", "alice"));
    // Often enough for both shards.
    for number in 0..8 {
        for door in [Way::Sse, Way::WebSocket(Format::Json)] {
            let mut bob = Follower::open(&server, door, "bob", &["a"]).await;
            if number == 0 && door == Way::Sse {
                assert_eq!(next(&mut watcher).await, event("join", "bob"));
            }
            bob.cut();
            streams(&server, 1).await;
        }
    }
    let _carol = Follower::open(&server, Way::Sse, "carol", &["a"]).await;
    assert_eq!(next(&mut watcher).await, event("join", "carol"));
}

#[tokio::test]
async fn who_says_that_it_goes_leaves_at_once() {
    #[derive(Serialize)]
    struct Unsubscribe {
        #[serde(rename = "type")]
        kind: &'static str,
        req: u64,
        channel: &'static str,
    }
    let server = Server::configured(LONG);
    let mut watcher = Follower::open(&server, Way::Sse, "alice", &["a"]).await;
    assert_eq!(next(&mut watcher).await, event("join", "alice"));
    let mut frames = bob(&server).await;
    assert_eq!(next(&mut watcher).await, event("join", "bob"));
    let unsubscribe = Unsubscribe {
        kind: "unsubscribe",
        req: 2,
        channel: "a",
    };
    frames.say(&unsubscribe).await;
    assert_eq!(next(&mut watcher).await, event("leave", "bob"));
    drop(frames);
    let within = std::time::Duration::from_secs(5);
    for code in [CloseCode::NORMAL, CloseCode::NO_STATUS] {
        let mut frames = bob(&server).await;
        assert_eq!(next(&mut watcher).await, event("join", "bob"));
        let close = Close::new(code, "");
        frames.websocket.close(close, within).await.unwrap();
        assert_eq!(next(&mut watcher).await, event("leave", "bob"));
    }
    // A page that is loaded again.
    let mut frames = bob(&server).await;
    assert_eq!(next(&mut watcher).await, event("join", "bob"));
    let close = Close::new(CloseCode::GOING_AWAY, "");
    frames.websocket.close(close, within).await.unwrap();
    streams(&server, 1).await;
    let _carol = Follower::open(&server, Way::Sse, "carol", &["a"]).await;
    assert_eq!(next(&mut watcher).await, event("join", "carol"));
}
