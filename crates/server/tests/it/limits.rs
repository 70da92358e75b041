//! Each bound: at it, one below, one above.

use tidings_wire::{Data, Format};

use crate::support::door::{Follower, Hello, Publish, Said, Way};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];
const MESSAGES: &str = "/v1/channels/a/messages";

#[tokio::test]
async fn the_data_of_a_message_is_bounded() {
    let server = Server::configured("[limits]\ndata = 100\n");
    let ask = async |length: usize| {
        // Two quotes make the text JSON.
        let text = "x".repeat(length - 2);
        server.ask("POST", MESSAGES, &TEXT, text).await
    };
    assert_eq!(ask(99).await.status, 201);
    assert_eq!(ask(100).await.status, 201);
    let above = ask(101).await;
    assert_eq!((above.status, &*above.problem()), (413, "too_large"));
}

#[tokio::test]
async fn the_body_of_a_request_is_bounded_whether_its_length_is_declared_or_not() {
    let server = Server::configured("[limits]\nbody = 1000\n");
    let ask = async |length: usize| {
        let declared = server
            .ask("POST", MESSAGES, &TEXT, "x".repeat(length))
            .await;
        let chunks = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
        let headers = [TEXT[0], ("transfer-encoding", "chunked")];
        let chunked = server.ask("POST", MESSAGES, &headers, chunks).await;
        assert_eq!(declared.status, chunked.status);
        declared
    };
    assert_eq!(ask(999).await.status, 201);
    assert_eq!(ask(1000).await.status, 201);
    let above = ask(1001).await;
    assert_eq!((above.status, &*above.problem()), (413, "too_large"));
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded() {
    let server = Server::configured("[limits]\nhead = \"8KiB\"\n");
    let ask = async |length: usize| {
        let mut http = Http::connect(server.address()).await;
        let head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ";
        let rest = length - head.len() - "\r\n\r\n".len();
        let head = format!("{head}{}\r\n\r\n", "x".repeat(rest));
        assert_eq!(head.len(), length);
        http.write(head.as_bytes()).await;
        http.head().await.status
    };
    assert_eq!(ask(8191).await, 200);
    assert_eq!(ask(8192).await, 200);
    assert_eq!(ask(8193).await, 431);
}

#[tokio::test]
async fn a_head_or_a_body_that_does_not_come_is_not_waited_for() {
    let server =
        Server::configured("[limits]\nhead_timeout = \"200ms\"\nbody_timeout = \"200ms\"\n");
    let mut http = Http::connect(server.address()).await;
    http.write(b"GET /healthz HTTP/1.1\r\n").await;
    assert!(soon("the end", http.is_closed()).await);
    let mut http = Http::connect(server.address()).await;
    let headers = [TEXT[0], ("content-length", "10")];
    http.send("POST", MESSAGES, &headers, b"x").await;
    let response = http.response().await;
    assert_eq!((response.status, &*response.problem()), (408, "idle"));
}

#[tokio::test]
async fn a_frame_is_bounded() {
    let server = Server::configured("[limits]\nbody = 1000\n");
    let ask = async |length: usize| {
        let mut frames = greeted(&server).await;
        let publish = |data: &str| Publish {
            kind: "publish",
            req: 1,
            channel: "a",
            data: Data::from_text(data),
        };
        let rest = length - Format::Json.encode(&publish("")).len();
        let publish = publish(&"x".repeat(rest));
        assert_eq!(Format::Json.encode(&publish).len(), length);
        frames.say(&publish).await;
        frames.hear::<Said>().await
    };
    assert_eq!(ask(999).await.unwrap().kind, "published");
    assert_eq!(ask(1000).await.unwrap().kind, "published");
    let mut frames = greeted(&server).await;
    frames.say(&"x".repeat(1001)).await;
    assert_eq!(frames.close_code().await, 1009);
}

async fn greeted(server: &Server) -> Frames {
    let mut frames = Frames::open(server, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(hello.kind, "hello");
    frames
}

#[tokio::test]
async fn the_channels_of_a_stream_are_bounded() {
    let server = Server::configured("[limits]\nsubscriptions = 3\n");
    for accept in ["application/json", "text/event-stream"] {
        let ask = async |count: usize| {
            let channels: Vec<_> = (0..count).map(|n| format!("channel=c{n}")).collect();
            let path = format!("/v1/events?{}", channels.join("&"));
            let mut http = Http::connect(server.address()).await;
            http.send("GET", &path, &[("accept", accept)], b"").await;
            http.head().await
        };
        assert_eq!(ask(2).await.status, 200);
        assert_eq!(ask(3).await.status, 200);
        let above = ask(4).await;
        assert_eq!(above.status, 403);
    }
}

#[tokio::test]
async fn connections_are_bounded_and_one_too_many_is_told_so() {
    let server = Server::configured("[limits]\nconnections = 3\n");
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(Follower::open(&server, Way::Sse, "bob", &["a"]).await);
    }
    let refused = server.get("/healthz").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.problem(), "busy");
    assert!(refused.header("retry-after").is_some());
    kept.pop();
    until("a place", async || {
        let response = server.get("/healthz").await;
        (response.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_channels_name_is_bounded() {
    let server = Server::start();
    let ask = async |length: usize| {
        let path = format!("/v1/channels/{}/messages", "c".repeat(length));
        server.get(&path).await
    };
    assert_eq!(ask(254).await.status, 200);
    assert_eq!(ask(255).await.status, 200);
    let above = ask(256).await;
    assert_eq!((above.status, &*above.problem()), (400, "bad_request"));
}
