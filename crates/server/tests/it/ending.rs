//! SIGTERM: polls are answered, streams are told to come back, nothing is lost, exit code 0.

use tidings_wire::Format;

use crate::support::door::{Door, Follower, Hello, Said};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

#[tokio::test]
async fn everybody_is_told_and_the_server_ends_well() {
    let mut server = Server::start();
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
    let mut text = String::new();
    while let Some(chunk) = soon("the stream's end", stream.chunk()).await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("event: reconnect\n"), "{text}");
    let reconnect: Said = frames.hear().await.unwrap();
    assert_eq!(reconnect.kind, "reconnect");
    assert_eq!(frames.close_code().await, 1012);
    assert!(soon("the end", idle.is_closed()).await);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut server = Server::start();
    let cursor = {
        let follower = Follower::open(&server, Door::Poll(Format::Json), "bob", &["a"]).await;
        follower.cursor.clone()
    };
    for number in 0..20 {
        server.publish("a", &number.to_string()).await;
    }
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    server.restart();
    let mut follower = Follower::open_after(&server, Door::Sse, "bob", &["a"], cursor).await;
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
    until("the drain", async || {
        let refused = tokio::net::TcpStream::connect(server.address()).await;
        refused.is_err().then_some(())
    })
    .await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1));
}
