//! What only server-sent events do: padding, ids, heartbeats, resuming by `Last-Event-ID`.

use tidings_wire::Format;

use crate::support::door::{Follower, Way};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::{soon, until};

const STREAM: (&str, &str) = ("accept", "text/event-stream");

async fn read_until(http: &mut Http, what: &str) -> String {
    let mut text = String::new();
    soon(what, async {
        while !text.contains(what) {
            let chunk = http
                .chunk()
                .await
                .unwrap_or_else(|| panic!("ended: {text}"));
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    })
    .await;
    text
}

async fn now(server: &Server) -> String {
    let answer = server.get("/v1/events?probe").await.json();
    answer["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_begins_with_padding_a_retry_and_a_hello_and_asks_proxies_to_pass_it_on() {
    let server = Server::start();
    let mut http = Http::connect(server.address()).await;
    let path = "/v1/events?channel=a";
    let headers = [STREAM, ("authorization", "Bearer guest:bob")];
    http.send("GET", path, &headers, b"").await;
    let head = http.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    let text = read_until(&mut http, "event: hello").await;
    assert!(text.starts_with(':'), "a comment first");
    assert!(text.find('\n').unwrap() >= 2048, "of two KiB");
    let retry = text.lines().find_map(|line| line.strip_prefix("retry: "));
    let retry: u64 = retry.unwrap().parse().unwrap();
    assert!((1000..=2000).contains(&retry));
    let hello = text
        .split("\n\n")
        .find(|event| event.contains("event: hello"))
        .unwrap();
    assert!(
        hello.lines().any(|line| line.starts_with("id: ")),
        "{hello}"
    );
    let data = hello.lines().find_map(|line| line.strip_prefix("data: "));
    let data: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
    assert_eq!(data["type"], "hello");
    assert_eq!(data["user"], "bob");
    assert_eq!(data["version"], 1);
    assert_eq!(data["heartbeat"]["interval"], 20_000);
}

#[tokio::test]
async fn a_stream_that_begins_behind_says_where_the_log_ends() {
    let server = Server::start();
    let after = server.get("/v1/events?channel=a").await.json()["cursor"].clone();
    for number in ["1", "2"] {
        server.publish("a", number).await;
    }
    let mut http = Http::connect(server.address()).await;
    let path = format!("/v1/events?channel=a&after={}", after.as_str().unwrap());
    http.send("GET", &path, &[STREAM], b"").await;
    http.head().await;
    let text = read_until(&mut http, "event: hello").await;
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    let data: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
    assert_eq!(data["cursor"], after);
    assert_eq!(data["newest"], 2);
}

#[tokio::test]
async fn a_plain_event_source_resumes_by_itself() {
    let server = Server::start();
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/events?channel=a", &[STREAM], b"")
        .await;
    http.head().await;
    read_until(&mut http, "event: hello").await;
    server.publish("a", "1").await;
    let text = read_until(&mut http, "\"data\":1").await;
    let id = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back();
    let id = id.unwrap().to_owned();
    drop(http);
    server.publish("a", "2").await;
    // The same URL again, and where it was: that is all that an EventSource does.
    let mut http = Http::connect(server.address()).await;
    let headers = [STREAM, ("last-event-id", &id)];
    http.send("GET", "/v1/events?channel=a", &headers, b"")
        .await;
    http.head().await;
    let text = read_until(&mut http, "\"data\":2").await;
    assert!(!text.contains("\"data\":1"), "{text}");
}

#[tokio::test]
async fn a_heartbeat_moves_the_cursor_of_quiet_channels() {
    let server = Server::configured("[heartbeat]\ninterval = \"100ms\"\n");
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/events?channel=quiet", &[STREAM], b"")
        .await;
    http.head().await;
    read_until(&mut http, "event: hello").await;
    let seq = server.publish("loud", "1").await;
    let text = read_until(&mut http, &format!("-{seq}\n\n")).await;
    assert!(
        text.contains(":\nid: "),
        "a comment, and the cursor: {text}"
    );
    assert!(!text.contains("loud"));
}

#[tokio::test]
async fn a_first_heartbeat_comes_soon_whatever_the_interval_is() {
    let server = Server::configured("heartbeat = \"1h\"\n");
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/events?channel=a", &[STREAM], b"")
        .await;
    http.head().await;
    let hello = read_until(&mut http, "event: hello").await;
    let id = hello.lines().find_map(|line| line.strip_prefix("id: "));
    let heartbeat = format!(":\nid: {}\n\n", id.unwrap());
    assert!(!hello.contains(&heartbeat), "it is a piece of its own");
    read_until(&mut http, &heartbeat).await;
}

#[tokio::test]
async fn a_probe_brings_signs_of_life_and_nothing_else() {
    let server = Server::configured("[heartbeat]\ninterval = \"100ms\"\n");
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/events?probe", &[STREAM], b"").await;
    assert_eq!(http.head().await.status, 200);
    read_until(&mut http, "event: hello").await;
    let seq = server.publish("a", "1").await;
    let text = read_until(&mut http, &format!("-{seq}\n\n")).await;
    assert!(!text.contains("data:"), "{text}");
    let cursor = format!("/v1/events?probe&after={}", now(&server).await);
    let waited = server.get(&format!("{cursor}&wait=1")).await.json();
    assert_eq!(waited["events"].as_array().unwrap().len(), 0);
    assert_eq!(server.get("/v1/events").await.status, 400);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_gone_at_once() {
    let server = Server::configured("[presence]\ngrace = \"0s\"\n");
    let mut follower = Follower::open(&server, Way::Sse, "bob", &["a"]).await;
    follower.cut();
    until("nobody", async || {
        let presence = server.get("/v1/channels/a/presence").await.json();
        (presence["count"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn readers_that_do_not_read_cost_cursors_and_not_memory() {
    // Who does not even read its pings for half a minute is given up otherwise.
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    let large = format!("\"{}\"", "x".repeat(60_000));
    // What the log, its cache and a channel's tail take in any case.
    for _ in 0..100 {
        server.publish("a", &large).await;
    }
    let before = server.resident_bytes();
    let mut readers = Vec::new();
    for number in 0..5 {
        for door in [Way::Sse, Way::WebSocket(Format::Json)] {
            let name = format!("reader-{number}-{door:?}").replace(['(', ')'], "");
            readers.push(Follower::open(&server, door, &name, &["a"]).await);
        }
    }
    for _ in 0..200 {
        server.publish("a", &large).await;
    }
    let grown = server.resident_bytes().saturating_sub(before);
    // All that they have not read is 120 MB.
    let bound = 40 << 20;
    assert!(grown < bound, "{} MiB for 10 readers", grown >> 20);
    for reader in &mut readers[..2] {
        let mut last = 0;
        for _ in 0..200 {
            let seq = reader.message().await.seq.unwrap();
            assert!(last == 0 || seq == last + 1);
            last = seq;
        }
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_gets_everything_when_it_does() {
    // Who does not even read its pings for half a minute is given up otherwise.
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    let mut follower = Follower::open(&server, Way::Sse, "bob", &["a"]).await;
    // Far more than the kernel and the server buffer for one connection, at 60 KiB each.
    let large = format!("\"{}\"", "x".repeat(60_000));
    let mut seqs = Vec::new();
    for _ in 0..200 {
        seqs.push(server.publish("a", &large).await);
    }
    for seq in seqs {
        assert_eq!(follower.message().await.seq, Some(seq));
    }
}
