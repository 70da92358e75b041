//! SIGTERM: publishes are finished, everybody is told when to come back, nothing is lost, exit code 0.

use tidings_wire::{Data, Format};

use crate::support::door::{Follower, Hello, Publish, Said, Way};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

#[tokio::test]
async fn everybody_is_told_when_to_come_back_and_the_server_ends_well() {
    let mut server = Server::configured("[drain]\nrestart = \"1min\"\nrate = 1\n");
    let cursor = server.get("/v1/events?channel=a").await.json()["cursor"].clone();
    let path = format!(
        "/v1/events?channel=a&wait=60&after={}",
        cursor.as_str().unwrap()
    );
    let mut poll = Http::connect(server.address()).await;
    poll.send("GET", &path, &[], b"").await;
    let mut stream = Http::connect(server.address()).await;
    let accept = [("accept", "text/event-stream")];
    stream
        .send("GET", "/v1/events?channel=b", &accept, b"")
        .await;
    assert_eq!(stream.head().await.status, 200);
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    frames.hear::<Said>().await.unwrap();
    let mut idle = Http::connect(server.address()).await;
    idle.send("GET", "/healthz", &[], b"").await;
    idle.response().await;
    until("the poll", async || {
        let metrics = server.get("/metrics").await;
        let waits = "tidings_links{transport=\"long-poll\",shard=\"0\"} 1";
        metrics.text().contains(waits).then_some(())
    })
    .await;

    server.terminate();
    let answer = poll.response().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["cursor"], cursor);
    assert_eq!(answer.header("connection"), Some("close"));
    let told = answer.json()["events"][0].clone();
    assert_eq!(told["type"], "reconnect");
    let mut returns = vec![told["after_ms"].as_u64().unwrap()];
    let mut text = String::new();
    while let Some(chunk) = soon("the stream's end", stream.chunk()).await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("\nevent: reconnect\n"), "{text}");
    let told = text.trim_end().lines().next_back().unwrap();
    let told: Said = serde_json::from_str(told.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(told.kind, "reconnect");
    returns.push(told.after_ms.unwrap());
    // For a browser that knows nothing else.
    let retry = format!("\nretry: {}\n", told.after_ms.unwrap());
    assert!(text.contains(&retry), "{text}");
    let told: Said = frames.hear().await.unwrap();
    assert_eq!(told.kind, "reconnect");
    returns.push(told.after_ms.unwrap());
    assert_eq!(frames.close_code().await, 1012);
    // Each has its own second, less what has passed until it was told.
    returns.sort_unstable();
    assert!(returns[0] > 50_000 && returns[0] <= 60_000, "{returns:?}");
    assert!(returns[2] <= 62_000, "{returns:?}");
    assert!(
        returns[0] < returns[1] && returns[1] < returns[2],
        "{returns:?}"
    );
    assert!(soon("the end", idle.is_closed()).await);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_being_published_is_stored_and_answered_first() {
    const COUNT: u64 = 3;
    let mut server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    frames.hear::<Said>().await.unwrap();
    // Somebody else writes to the file, so that the log waits.
    let other = rusqlite::Connection::open(server.data().join("messages.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for req in 0..COUNT {
        frames.feed(&Publish {
            kind: "publish",
            req,
            channel: "a",
            data: Data::from_text("x"),
        });
    }
    soon("room", frames.websocket.flush()).await.unwrap();
    let mut http = Http::connect(server.address()).await;
    let json = [("content-type", "application/json")];
    let path = "/v1/channels/a/messages";
    http.send("POST", path, &json, b"{\"data\":1}").await;
    until("the publishes", async || {
        let received = server.metrics().await;
        let bytes = |by: &str| {
            received.value(&format!(
                "tidings_received_bytes_total{{transport=\"{by}\"}}"
            ))
        };
        // All frames are read at once.
        (bytes("http") > 0.0 && bytes("websocket") > 100.0).then_some(())
    })
    .await;
    server.terminate();
    until_it_accepts_nobody(&server).await;
    other.execute_batch("COMMIT").unwrap();
    for _ in 0..COUNT {
        assert_eq!(frames.hear::<Said>().await.unwrap().kind, "published");
    }
    assert_eq!(frames.hear::<Said>().await.unwrap().kind, "reconnect");
    assert_eq!(frames.close_code().await, 1012);
    assert_eq!(http.response().await.status, 201);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn with_a_notice_it_is_not_ready_and_does_everything_else_as_before() {
    let mut server = Server::configured("[drain]\nnotice = \"5min\"\n");
    let mut before = Follower::open(&server, Way::Sse, "alice", &["a"]).await;
    server.terminate();
    until("the notice", async || {
        let ready = server.get("/readyz").await;
        (ready.status == 503).then(|| assert_eq!(ready.problem(), "unavailable"))
    })
    .await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let door = Way::WebSocket(Format::Json);
    let mut after = Follower::open(&server, door, "bob", &["a"]).await;
    server.publish("a", "1").await;
    assert_eq!(before.message().await.number(), 1);
    assert_eq!(after.message().await.number(), 1);
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1), "at once");
}

#[tokio::test]
async fn what_has_not_ended_in_time_is_cut() {
    let mut server = Server::configured("[drain]\nwithin = \"300ms\"\n");
    // A body that does not come.
    let mut http = Http::connect(server.address()).await;
    let headers = [("content-type", "text/plain"), ("content-length", "10")];
    let path = "/v1/channels/a/messages";
    http.send("POST", path, &headers, b"x").await;
    until("the connection", async || {
        let connections = server
            .metrics()
            .await
            .value("tidings_connections{shard=\"0\"}");
        (connections == 2.0).then_some(())
    })
    .await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(soon("the end", http.is_closed()).await);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut server = Server::start();
    let cursor = {
        let follower = Follower::open(&server, Way::Poll(Format::Json), "bob", &["a"]).await;
        follower.cursor.clone()
    };
    for number in 0..20 {
        server.publish("a", &number.to_string()).await;
    }
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    server.restart();
    let mut follower = Follower::open_after(&server, Way::Sse, "bob", &["a"], cursor).await;
    for number in 0..20 {
        assert_eq!(follower.message().await.number(), number);
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start();
    // A body that does not come keeps the server from ending until its time is up.
    let mut http = Http::connect(server.address()).await;
    let headers = [("content-type", "text/plain"), ("content-length", "10")];
    let path = "/v1/channels/a/messages";
    http.send("POST", path, &headers, b"x").await;
    until("the connection", async || {
        let metrics = server.get("/metrics").await;
        metrics
            .text()
            .contains("tidings_connections{shard=\"0\"} 2")
            .then_some(())
    })
    .await;
    server.terminate();
    until_it_accepts_nobody(&server).await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1));
}

async fn until_it_accepts_nobody(server: &Server) {
    until("the drain", async || {
        let refused = tokio::net::TcpStream::connect(server.address()).await;
        refused.is_err().then_some(())
    })
    .await;
}
