//! Clients of HTTP/2 that keep to nothing: each costs a bounded amount, and is sent away.

use crate::support::framed::{
    CONTINUATION, END_HEADERS, END_STREAM, Framed, GOAWAY, HEADERS, PREFACE, RST_STREAM, frame, get,
};
use crate::support::http2::Http2;
use crate::support::server::Server;

/// RFC 9113, section 7.
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// SETTINGS_INITIAL_WINDOW_SIZE.
const WINDOW: u16 = 4;

/// Nothing else ends a connection while the test runs.
const PATIENT: &str = "[heartbeat]\ninterval = \"1h\"\n[limits]\nhead_timeout = \"1h\"\n";

/// A whole request in a stream of its own.
fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))
}

/// A long poll that waits.
async fn waiting_poll(server: &Server) -> String {
    let now = server.get("/v1/events?channel=a").await.json();
    let after = now["cursor"].as_str().unwrap().to_owned();
    format!("/v1/events?channel=a&wait=60&after={after}")
}

#[tokio::test]
async fn who_opens_and_resets_as_fast_as_it_can_is_sent_away() {
    let server = Server::configured(PATIENT);
    let poll = waiting_poll(&server).await;
    let mut framed = Framed::open(server.address(), &[]).await;
    let mut flood = Vec::new();
    for stream in (1..2000).step_by(2) {
        flood.extend(request(stream, &poll));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    // It may be sent away before all of it is written.
    framed.write(&flood).await;
    if let Some(goaway) = framed.next_of(GOAWAY).await {
        assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
    }
    framed.ended().await;
    let others = Http2::connect(server.address()).await;
    assert_eq!(others.ask("GET", "/healthz", &[], b"").await.status, 200);
}

#[tokio::test]
async fn headers_without_an_end_are_not_gathered() {
    let server = Server::configured(PATIENT);
    let mut framed = Framed::open(server.address(), &[]).await;
    framed
        .write(&frame(HEADERS, END_STREAM, 1, &get("/")))
        .await;
    // A field that nobody wants, without its name being indexed: `x: xxx…`.
    let mut field = vec![0, 1, b'x', 100];
    field.extend([b'x'; 100]);
    let block = field.repeat(100);
    let before = server.resident_bytes();
    let mut written = 0;
    while written < 100 << 20 && framed.write(&frame(CONTINUATION, 0, 1, &block)).await {
        written += block.len();
    }
    assert!(written < 100 << 20, "it takes them all");
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 4 << 20, "it grew by {growth} bytes");
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded_as_over_http_1() {
    let server = Server::configured("[limits]\nhead = \"8KiB\"\n");
    let http = Http2::connect(server.address()).await;
    let ask = async |length: usize| {
        let value = "x".repeat(length);
        http.ask("GET", "/healthz", &[("x", &value)], b"").await
    };
    // A field counts for 32 bytes beside its name and value, and there are others.
    assert_eq!(ask((8 << 10) - 500).await.status, 200);
    assert_eq!(ask(8 << 10).await.status, 431);
    assert_eq!(ask(1).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn more_streams_than_the_bound_are_refused_and_the_others_go_on() {
    const STREAMS_MAX: u32 = 128;
    let server = Server::configured(PATIENT);
    let poll = waiting_poll(&server).await;
    let mut framed = Framed::open(server.address(), &[]).await;
    let streams = (1..).step_by(2).take(STREAMS_MAX as usize + 1);
    for stream in streams.clone() {
        framed.write(&request(stream, &poll)).await;
    }
    let last = streams.last().unwrap();
    let refused = framed.next_of(RST_STREAM).await.unwrap();
    assert_eq!(refused.stream, last);
    assert_eq!(refused.code(), REFUSED_STREAM);
    server.publish("a", "1").await;
    for _ in 0..STREAMS_MAX {
        let answer = framed.next_of(HEADERS).await.unwrap();
        assert!(answer.stream < last);
    }
}

#[tokio::test]
async fn who_gives_no_room_for_its_answers_is_given_up() {
    let server = Server::configured("[heartbeat]\ninterval = \"100ms\"\ntimeout = \"1s\"\n");
    server
        .publish("a", &format!("\"{}\"", "x".repeat(60_000)))
        .await;
    let mut framed = Framed::open(server.address(), &[(WINDOW, 0)]).await;
    let path = "/v1/channels/a/messages";
    framed.write(&request(1, path)).await;
    assert!(framed.next_of(HEADERS).await.is_some());
    // It answers pings all the while, which a GOAWAY would say it did not.
    assert!(framed.next_of(GOAWAY).await.is_none());
}

#[tokio::test]
async fn who_takes_its_time_before_it_asks_is_not_waited_for() {
    let server = Server::configured("[limits]\nhead_timeout = \"200ms\"\n");
    for beginning in [&PREFACE[..3], &PREFACE[..23], PREFACE] {
        let mut framed = Framed::connect(server.address()).await;
        framed.write(beginning).await;
        framed.ended().await;
    }
    // The preface, the settings and their acknowledgement, and a request that does not end.
    let mut framed = Framed::open(server.address(), &[]).await;
    framed
        .write(&frame(HEADERS, END_STREAM, 1, &get("/")))
        .await;
    framed.ended().await;
}

#[tokio::test]
async fn who_asks_no_more_is_told_and_let_go() {
    let server = Server::configured("[limits]\nhead_timeout = \"200ms\"\n");
    let mut framed = Framed::open(server.address(), &[]).await;
    framed.write(&request(1, "/healthz")).await;
    assert_eq!(framed.next_of(HEADERS).await.unwrap().stream, 1);
    let goaway = framed.next_of(GOAWAY).await.unwrap();
    assert_eq!(goaway.code(), 0);
    framed.ended().await;
    // Who waits for an answer is not idle.
    let poll = waiting_poll(&server).await.replace("wait=60", "wait=1");
    let http = Http2::connect(server.address()).await;
    assert_eq!(http.ask("GET", &poll, &[], b"").await.status, 200);
}
