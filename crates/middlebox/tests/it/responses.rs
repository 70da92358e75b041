//! Faults of what comes down: proxies that buffer.

use std::time::{Duration, Instant};

use crate::bench::Bench;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn small_pieces_wait_until_they_are_enough() {
    let bench = Bench::new(r#"{"buffer_bytes":4}"#).await;
    let (mut client, mut server) = bench.connect().await;
    server.say("abc").await;
    // Not so upwards; and what is heard there shows that the other had its time.
    client.say("up").await;
    server.hear("up").await;
    client.has_heard_nothing();
    server.say("d").await;
    client.hear("abcd").await;
}

#[tokio::test]
async fn small_pieces_wait_for_a_while() {
    let bench = Bench::new(r#"{"buffer_ms":60}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let begin = Instant::now();
    server.say("abc").await;
    client.hear("abc").await;
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn what_waits_goes_on_with_the_end_and_when_the_fault_is_lifted() {
    let bench = Bench::new(r#"{"buffer_bytes":1000}"#).await;
    let (mut client, mut server) = bench.connect().await;
    server.say("abc").await;
    bench.set("{}");
    client.hear("abc").await;
    bench.set(r#"{"buffer_bytes":1000}"#);
    server.say("def").await;
    drop(server);
    assert_eq!(client.hear_out().await, "def");
}

#[tokio::test]
async fn a_whole_response_waits_for_nothing() {
    let bench = Bench::new(r#"{"buffer_bytes":1000}"#).await;
    let (mut client, mut server) = bench.connect().await;
    for _ in 0..2 {
        client.say(GET).await;
        server.hear(GET).await;
        server.say(ANSWER).await;
        client.hear(ANSWER).await;
    }
    server.say(STREAM).await;
    client.say(GET).await;
    server.hear(GET).await;
    client.has_heard_nothing();
}

#[tokio::test]
async fn a_chunked_response_is_held_until_it_ends() {
    let bench = Bench::new(r#"{"hold_chunked":true}"#).await;
    let (mut client, mut server) = bench.connect().await;
    client.say(GET).await;
    server.hear(GET).await;
    server.say(ANSWER).await;
    client.hear(ANSWER).await;
    server.say(STREAM).await;
    server.say("5\r\nhello\r\n").await;
    client.say(GET).await;
    server.hear(GET).await;
    client.has_heard_nothing();
    server.say("0\r\n\r\n").await;
    client
        .hear(format!("{STREAM}5\r\nhello\r\n0\r\n\r\n"))
        .await;
}

#[tokio::test]
async fn a_stream_that_is_open_is_held_from_then_on_and_let_go_again() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    server.say(STREAM).await;
    client.hear(STREAM).await;
    bench.set(r#"{"hold_chunked":true}"#);
    server.say("5\r\nhello\r\n").await;
    client.say(GET).await;
    server.hear(GET).await;
    client.has_heard_nothing();
    bench.set("{}");
    client.hear("5\r\nhello\r\n").await;
}
