//! Paths that go dark: nothing is closed, and nothing comes or goes any more. The server notices, and frees all
//! that there was of the client.
//!
//! The client's kernel is told to drop what comes, by a filter on its socket: what the server sends is not
//! acknowledged, as behind a cable that was pulled. Behind a proxy that takes what it cannot deliver the server
//! sees a living client; there only who must answer is noticed, which is a WebSocket, or must ask again, which
//! is a poller.

use std::os::fd::AsFd;

use socket2::{SockFilter, SockRef};
use tidings_wire::Format;
use tokio::net::TcpSocket;

use crate::support::http::Http;
use crate::support::http2::Http2;
use crate::support::server::Server;
use crate::support::tls::Stream;
use crate::support::{soon, until};
use crate::websockets::HANDSHAKE;

/// A heartbeat that is over in less than a second; and nothing else ends a connection while the test runs.
const HASTY: &str = "heartbeat = \"400ms\"\n\
    [presence]\ngrace = \"100ms\"\n\
    [limits]\nhead_timeout = \"1h\"\n";

const BOB: (&str, &str) = ("authorization", "Bearer guest:bob");

/// From now on the stream's kernel neither takes nor answers anything.
fn go_dark(stream: &impl AsFd) {
    /// BPF_RET: keep so many bytes of a segment, here none.
    const RETURN: u16 = 0x06;
    let nothing = [SockFilter::new(RETURN, 0, 0, 0)];
    SockRef::from(stream).attach_filter(&nothing).unwrap();
}

/// Waits until bob is there, over that transport.
async fn there(server: &Server, transport: &str) {
    until("the client", async || {
        let metrics = server.metrics().await;
        let links = format!("tidings_links{{transport=\"{transport}\",shard=\"0\"}}");
        let presence = server.get("/v1/channels/a/presence").await.json();
        (metrics.value(&links) == 1.0 && presence["count"] == 1).then_some(())
    })
    .await;
}

/// Waits until nothing is left of anybody but of who asks.
async fn gone(server: &Server) {
    until("the end of everything", async || {
        let metrics = server.metrics().await;
        let presence = server.get("/v1/channels/a/presence").await.json();
        let is_alone = metrics.value("tidings_connections{shard=\"0\"}") == 1.0;
        let left = metrics.sum("tidings_links") + metrics.sum("tidings_sessions");
        (is_alone && left == 0.0 && presence["count"] == 0).then_some(())
    })
    .await;
}

/// A text frame whose mask is zero.
fn frame(json: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | json.len() as u8, 0, 0, 0, 0];
    frame.extend(json.bytes());
    frame
}

#[tokio::test]
async fn a_websocket() {
    let server = Server::configured(HASTY);
    let mut http = Http::connect(server.address()).await;
    let mut headers = HANDSHAKE.to_vec();
    headers.push(BOB);
    http.send("GET", "/v1/connect", &headers, b"").await;
    assert_eq!(http.head().await.status, 101);
    let subscribe = r#"{"type":"subscribe","req":1,"channel":"a"}"#;
    http.write(&frame(subscribe)).await;
    there(&server, "websocket").await;
    go_dark(http.stream.inner());
    gone(&server).await;
    let closes = "tidings_closes_total{code=\"idle\"}";
    assert_eq!(server.metrics().await.value(closes), 1.0);
}

#[tokio::test]
async fn an_event_stream() {
    let server = Server::configured(HASTY);
    let mut http = Http::connect(server.address()).await;
    let headers = [("accept", "text/event-stream"), BOB];
    http.send("GET", "/v1/events?channel=a", &headers, b"")
        .await;
    assert_eq!(http.head().await.status, 200);
    there(&server, "sse").await;
    go_dark(http.stream.inner());
    gone(&server).await;
}

#[tokio::test]
async fn a_long_poll_that_waits_and_one_whose_answer_goes_nowhere() {
    let server = Server::configured(HASTY);
    for is_answered in [false, true] {
        let now = server.get("/v1/events?channel=a").await.json();
        let after = now["cursor"].as_str().unwrap();
        let path = format!("/v1/events?channel=a&session=s&wait=60&after={after}");
        let mut http = Http::connect(server.address()).await;
        http.send("GET", &path, &[BOB], b"").await;
        // The first one is told that bob has come.
        assert_eq!(http.response().await.json()["events"][0]["type"], "join");
        http.send("GET", &path, &[BOB], b"").await;
        there(&server, "long-poll").await;
        go_dark(http.stream.inner());
        if is_answered {
            server.publish("a", "1").await;
        }
        gone(&server).await;
    }
}

#[tokio::test]
async fn a_connection_between_two_requests() {
    let server = Server::configured(HASTY);
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/healthz", &[], b"").await;
    assert_eq!(http.response().await.status, 200);
    go_dark(http.stream.inner());
    gone(&server).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_though_its_kernel_answers() {
    let server = Server::configured(HASTY);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = soon("a connection", socket.connect(server.address()));
    let stream = stream.await.unwrap();
    let request = format!(
        "GET /v1/events?channel=a HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n{}: {}\r\n\r\n",
        BOB.0, BOB.1
    );
    let mut http = Http::over(Stream::Plain(stream));
    http.write(request.as_bytes()).await;
    assert_eq!(http.head().await.status, 200);
    there(&server, "sse").await;
    // Far more than fits on the way, and far less than the server would hold back by itself.
    let large = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..4 {
        server.publish("a", &large).await;
    }
    gone(&server).await;
    drop(http);
}

#[tokio::test]
async fn an_event_stream_and_a_websocket_that_share_a_connection() {
    let server = Server::configured(HASTY);
    let http = Http2::connect(server.address()).await;
    let headers = [("accept", "text/event-stream"), BOB];
    let _stream = http.stream("/v1/events?channel=a", &headers).await;
    let _frames = http.frames(Format::Json).await;
    there(&server, "sse").await;
    there(&server, "websocket").await;
    go_dark(http.socket());
    gone(&server).await;
}
