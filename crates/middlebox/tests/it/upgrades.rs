//! Faults of requests: what proxies do to upgrades, and a captive portal.

use crate::bench::{Bench, End, soon};

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const STRIPPED: &str = "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A connection that is upgraded, at both ends.
async fn upgrade(bench: &Bench) -> (End, End) {
    let (mut client, mut server) = bench.connect().await;
    client.say(UPGRADE).await;
    server.hear(UPGRADE).await;
    server.say(SWITCHED).await;
    client.hear(SWITCHED).await;
    (client, server)
}

#[tokio::test]
async fn an_upgrade_loses_its_header() {
    let bench = Bench::new(r#"{"upgrade":"strip"}"#).await;
    let (mut client, mut server) = bench.connect().await;
    client.say(GET).await;
    server.hear(GET).await;
    server.say(ANSWER).await;
    client.hear(ANSWER).await;
    client.say(UPGRADE).await;
    server.hear(STRIPPED).await;
}

#[tokio::test]
async fn an_upgrade_is_answered_by_the_proxy() {
    for status in [400, 403, 502] {
        let bench = Bench::new(&format!(r#"{{"upgrade":{status}}}"#)).await;
        let (mut client, mut server) = bench.connect().await;
        client.say(UPGRADE).await;
        let answer = client.hear_out().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        server.hears_fin().await;
        let (mut client, mut server) = bench.connect().await;
        client.say(GET).await;
        server.hear(GET).await;
    }
}

#[tokio::test]
async fn an_upgrade_passes_and_after_it_nothing_comes_down() {
    let bench = Bench::new(r#"{"upgrade":"mute"}"#).await;
    let (mut client, mut server) = upgrade(&bench).await;
    server.say("unheard").await;
    client.say("heard").await;
    server.hear("heard").await;
    bench.until_lost(7).await;
    assert_eq!(bench.tcp.stats().down, SWITCHED.len() as u64);
    client.has_heard_nothing();
}

#[tokio::test]
async fn after_a_muted_upgrade_not_even_the_end_comes_down() {
    let bench = Bench::new(r#"{"upgrade":"mute"}"#).await;
    let (mut client, server) = upgrade(&bench).await;
    drop(server);
    // What goes up is lost once the server's end is known.
    soon(async {
        while bench.tcp.stats().lost == 0 {
            client.say("anybody?").await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.has_heard_nothing();
    drop(client);
    bench.until_open(0).await;
}

#[tokio::test]
async fn an_upgraded_connection_falls_silent_when_it_is_told_to() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = upgrade(&bench).await;
    bench.set(r#"{"upgrade":"mute"}"#);
    server.say("unheard").await;
    client.say("heard").await;
    server.hear("heard").await;
    bench.until_lost(7).await;
    assert_eq!(bench.tcp.stats().down, SWITCHED.len() as u64);
}

#[tokio::test]
async fn what_was_upgraded_is_no_http_any_more() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = upgrade(&bench).await;
    bench.set(r#"{"captive":true,"hold_chunked":true}"#);
    client.say(GET).await;
    server.hear(GET).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    server.say(chunked).await;
    client.hear(chunked).await;
}

#[tokio::test]
async fn a_hotel_answers_every_request() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    client.say(GET).await;
    server.hear(GET).await;
    server.say(ANSWER).await;
    client.hear(ANSWER).await;
    bench.set(r#"{"captive":true}"#);
    // A body that nobody waits for must not turn the answer into a reset.
    client
        .say("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        .await;
    client.say([b'a'; 50_000]).await;
    let answer = client.hear_out().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("text/html") && answer.contains("Grand Hotel"),
        "{answer}"
    );
    client.say([b'a'; 50_000]).await;
    server.hears_fin().await;
}
