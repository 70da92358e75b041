//! Faults of the bytes of a connection: late, narrow, lost.

use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, End, LOCALHOST, before, faults, until};

#[tokio::test]
async fn latency_holds_in_both_directions() {
    let bench = Bench::new(r#"{"latency_ms":60}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let begin = Instant::now();
    client.say("hello").await;
    server.hear("hello").await;
    assert!(begin.elapsed() >= Duration::from_millis(60));
    server.say("hi").await;
    client.hear("hi").await;
    assert!(begin.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn an_end_is_late_as_well() {
    let bench = Bench::new(r#"{"latency_ms":60}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let begin = Instant::now();
    client.say("hello").await;
    client.finish().await;
    assert_eq!(server.hear_out().await, "hello");
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn what_is_under_way_arrives_when_latency_is_lifted() {
    let bench = Bench::new(r#"{"latency_ms":600000}"#).await;
    let (mut client, mut server) = bench.connect().await;
    client.say("hello").await;
    bench.set("{}");
    server.hear("hello").await;
}

#[tokio::test]
async fn jitter_keeps_the_order() {
    let bench = Bench::new(r#"{"jitter_ms":20}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let mut expected = String::new();
    for number in 0..100 {
        let text = format!("{number},");
        client.say(&text).await;
        expected.push_str(&text);
        // So that the pieces are read apart.
        tokio::task::yield_now().await;
    }
    server.hear(expected).await;
}

#[tokio::test]
async fn a_narrow_line_takes_its_time() {
    let bench = Bench::new(r#"{"bandwidth":100000}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let text = vec![b'a'; 20_000];
    let begin = Instant::now();
    client.say(&text).await;
    server.hear(&text).await;
    // 200 ms, less what may pass at once.
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn much_passes_through_little_room() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    let text = vec![b'a'; 8 << 20];
    tokio::join!(client.say(&text), server.hear(&text));
    tokio::join!(server.say(&text), client.hear(&text));
}

#[tokio::test]
async fn a_black_hole_takes_what_goes_up() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    bench.set(r#"{"black_hole":"up"}"#);
    client.say("lost").await;
    server.say("down").await;
    client.hear("down").await;
    let (mut another, mut its_server) = bench.connect().await;
    another.say("lost").await;
    its_server.say("down").await;
    another.hear("down").await;
    bench.until_lost(8).await;

    bench.set("{}");
    client.say("dead").await;
    server.say("down again").await;
    client.hear("down again").await;
    let (mut third, mut its_server) = bench.connect().await;
    third.say("alive").await;
    its_server.hear("alive").await;
    bench.until_lost(12).await;
    server.has_heard_nothing();
    assert_eq!(bench.tcp.stats().up, 5);
}

#[tokio::test]
async fn a_black_hole_takes_what_comes_down() {
    let bench = Bench::new(r#"{"black_hole":"down"}"#).await;
    let (mut client, mut server) = bench.connect().await;
    server.say("lost").await;
    client.say("up").await;
    server.hear("up").await;
    bench.until_lost(4).await;
    bench.set("{}");
    server.say("dead").await;
    let (mut another, mut its_server) = bench.connect().await;
    its_server.say("alive").await;
    another.hear("alive").await;
    bench.until_lost(8).await;
    client.has_heard_nothing();
    assert_eq!(bench.tcp.stats().down, 5);
}

#[tokio::test]
async fn a_black_hole_takes_ends_as_well() {
    let bench = Bench::new(r#"{"black_hole":"both"}"#).await;
    let (mut client, mut server) = bench.connect().await;
    let (mut another, its_server) = bench.connect().await;
    client.say("lost").await;
    another.say("lost").await;
    bench.until_lost(8).await;
    drop(client);
    its_server.0.set_zero_linger().unwrap();
    drop(its_server);
    // They are over once both ends are, and not before.
    server.say("lost").await;
    bench.until_lost(12).await;
    server.has_heard_nothing();
    another.has_heard_nothing();
    assert_eq!(bench.tcp.stats().open, 2);
    drop((server, another));
    bench.until_open(0).await;
}

#[tokio::test]
async fn a_black_hole_takes_what_is_under_way() {
    let bench = Bench::new(r#"{"latency_ms":600000}"#).await;
    let (mut client, mut server) = bench.connect().await;
    client.say("lost").await;
    bench.set(r#"{"latency_ms":600000,"black_hole":"up"}"#);
    bench.until_lost(4).await;
    bench.set("{}");
    server.say("down").await;
    client.hear("down").await;
    server.has_heard_nothing();
}

#[tokio::test]
async fn a_connection_that_lost_nothing_survives_a_black_hole() {
    let bench = Bench::new(r#"{"black_hole":"both"}"#).await;
    let (mut client, mut server) = bench.connect().await;
    bench.set("{}");
    client.say("hello").await;
    server.hear("hello").await;
}

#[tokio::test]
async fn in_a_black_hole_nobody_learns_that_the_server_is_gone() {
    let nobody = TcpListener::bind(LOCALHOST).await.unwrap();
    let tcp = before(nobody.local_addr().unwrap()).await;
    drop(nobody);
    tcp.set(faults(r#"{"black_hole":"both"}"#)).unwrap();
    let mut client = End(TcpStream::connect(tcp.address()).await.unwrap());
    client.say("lost").await;
    until(|| tcp.stats().open == 1).await;
    // Who is refused is not open any more.
    let mut another = End(TcpStream::connect(tcp.address()).await.unwrap());
    another.finish().await;
    until(|| tcp.stats().accepted == 2 && tcp.stats().open == 1).await;
    client.has_heard_nothing();
    tcp.set(faults("{}")).unwrap();
    client.hears_reset().await;
}
