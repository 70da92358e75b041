//! Faults of datagrams.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidings_middlebox::{Middlebox, Transport, Udp};
use tokio::net::UdpSocket;

use crate::bench::{LOCALHOST, faults, soon, until};

/// A middlebox, a client of it, and the server behind it.
struct Bench {
    udp: Udp,
    client: UdpSocket,
    server: UdpSocket,
}

impl Bench {
    async fn new(json: &str) -> Self {
        let server = UdpSocket::bind(LOCALHOST).await.unwrap();
        let to = server.local_addr().unwrap();
        let Middlebox::Udp(udp) = Middlebox::open(Transport::Udp, LOCALHOST, to)
            .await
            .unwrap()
        else {
            unreachable!("it was asked for UDP");
        };
        udp.set(faults(json)).unwrap();
        let client = client(&udp).await;
        Self {
            udp,
            client,
            server,
        }
    }

    fn set(&self, json: &str) {
        self.udp.set(faults(json)).unwrap();
    }

    /// Sends it up, and gives from where it came to the server.
    async fn up(&self, text: &str) -> SocketAddr {
        say(&self.client, text).await;
        let (heard, from) = hear(&self.server).await;
        assert_eq!(heard, text);
        from
    }
}

async fn client(udp: &Udp) -> UdpSocket {
    let client = UdpSocket::bind(LOCALHOST).await.unwrap();
    client.connect(udp.address()).await.unwrap();
    client
}

async fn say(socket: &UdpSocket, text: &str) {
    socket.send(text.as_bytes()).await.unwrap();
}

async fn hear(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut text = [0; 100];
    let (count, from) = soon(socket.recv_from(&mut text)).await.unwrap();
    (String::from_utf8_lossy(&text[..count]).into_owned(), from)
}

#[tokio::test]
async fn each_client_has_a_port_of_its_own_and_hears_its_answers() {
    let bench = Bench::new("{}").await;
    let from = bench.up("hello").await;
    let another = client(&bench.udp).await;
    say(&another, "me too").await;
    let (_, its_from) = hear(&bench.server).await;
    assert_ne!(from, its_from);
    bench.server.send_to(b"to the first", from).await.unwrap();
    bench
        .server
        .send_to(b"to the other", its_from)
        .await
        .unwrap();
    assert_eq!(hear(&bench.client).await.0, "to the first");
    assert_eq!(hear(&another).await.0, "to the other");
    let stats = bench.udp.stats();
    assert_eq!(
        (stats.open, stats.accepted, stats.up, stats.down),
        (2, 2, 11, 24)
    );
}

#[tokio::test]
async fn latency_holds_for_datagrams() {
    let bench = Bench::new(r#"{"latency_ms":60}"#).await;
    let begin = Instant::now();
    let from = bench.up("hello").await;
    assert!(begin.elapsed() >= Duration::from_millis(60));
    bench.server.send_to(b"hi", from).await.unwrap();
    assert_eq!(hear(&bench.client).await.0, "hi");
    assert!(begin.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn jitter_reorders() {
    let bench = Bench::new(r#"{"jitter_ms":60}"#).await;
    for number in 0..100 {
        say(&bench.client, &format!("{number:02}")).await;
    }
    let mut heard = Vec::new();
    for _ in 0..100 {
        heard.push(hear(&bench.server).await.0);
    }
    assert!(!heard.is_sorted(), "{heard:?}");
    assert_eq!(heard.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[tokio::test]
async fn some_are_lost() {
    let bench = Bench::new(r#"{"loss":0.5}"#).await;
    for _ in 0..200 {
        say(&bench.client, "lossy").await;
    }
    until(|| bench.udp.stats().up + bench.udp.stats().lost == 1000).await;
    let lost = bench.udp.stats().lost;
    assert!((250..750).contains(&lost), "{lost}");
    bench.set(r#"{"loss":1}"#);
    say(&bench.client, "lossy").await;
    until(|| bench.udp.stats().lost == lost + 5).await;
}

#[tokio::test]
async fn a_black_hole_takes_datagrams_one_way() {
    let bench = Bench::new("{}").await;
    let from = bench.up("before").await;
    bench.set(r#"{"black_hole":"up"}"#);
    say(&bench.client, "lost").await;
    bench.server.send_to(b"down", from).await.unwrap();
    assert_eq!(hear(&bench.client).await.0, "down");
    until(|| bench.udp.stats().lost == 4).await;
    bench.set(r#"{"black_hole":"down"}"#);
    bench.server.send_to(b"lost", from).await.unwrap();
    bench.up("after").await;
    until(|| bench.udp.stats().lost == 8).await;
    bench.set("{}");
    bench.server.send_to(b"last", from).await.unwrap();
    assert_eq!(hear(&bench.client).await.0, "last");
}

#[tokio::test]
async fn after_a_rebind_datagrams_come_from_a_new_port() {
    let bench = Bench::new("{}").await;
    let before = bench.up("before").await;
    assert_eq!(bench.up("still").await, before);
    bench.udp.rebind();
    let after = bench.up("after").await;
    assert_ne!(before, after);
    bench.server.send_to(b"lost", before).await.unwrap();
    bench.server.send_to(b"hi", after).await.unwrap();
    assert_eq!(hear(&bench.client).await.0, "hi");
    assert_eq!(bench.udp.stats().open, 1);
}
