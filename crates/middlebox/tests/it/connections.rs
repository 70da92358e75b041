//! Faults of whole connections: refused, cut, idle, too many.

use std::time::Duration;

use tidings_middlebox::{Cut, Stats, Tcp};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::bench::{Bench, End, LOCALHOST, before, soon, until};

#[tokio::test]
async fn without_faults_everything_passes_and_is_counted() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    client.say("hello").await;
    server.hear("hello").await;
    server.say("hi").await;
    client.hear("hi").await;
    let expected = Stats {
        open: 1,
        accepted: 1,
        refused: 0,
        up: 5,
        down: 2,
        lost: 0,
    };
    assert_eq!(bench.tcp.stats(), expected);
}

#[tokio::test]
async fn an_end_is_passed_on_and_the_other_direction_goes_on() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    client.say("bye").await;
    client.finish().await;
    assert_eq!(server.hear_out().await, "bye");
    server.say("answer").await;
    drop(server);
    assert_eq!(client.hear_out().await, "answer");
    bench.until_open(0).await;
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let bench = Bench::new("{}").await;
    let (client, mut server) = bench.connect().await;
    client.0.set_zero_linger().unwrap();
    drop(client);
    server.hears_reset().await;
    bench.until_open(0).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_resets() {
    let nobody = TcpListener::bind(LOCALHOST)
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let tcp = before(nobody).await;
    let client = TcpStream::connect(tcp.address()).await.unwrap();
    End(client).hears_reset().await;
}

#[tokio::test]
async fn new_connections_are_refused_and_open_ones_are_not() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    bench.set(r#"{"refuse":true}"#);
    bench.client().await.hears_reset().await;
    client.say("still here").await;
    server.hear("still here").await;
    let stats = bench.tcp.stats();
    assert_eq!((stats.accepted, stats.refused), (1, 1));
    bench.set("{}");
    bench.connect().await;
}

#[tokio::test]
async fn every_connection_is_cut_by_a_reset() {
    let bench = Bench::new("{}").await;
    let (mut first, mut second) = (bench.connect().await, bench.connect().await);
    assert_eq!(soon(bench.tcp.cut(Cut::Reset)).await, 2);
    assert_eq!(bench.tcp.stats().open, 0);
    for (client, server) in [&mut first, &mut second] {
        client.hears_reset().await;
        server.hears_reset().await;
    }
    let (mut client, mut server) = bench.connect().await;
    client.say("again").await;
    server.hear("again").await;
}

#[tokio::test]
async fn every_connection_is_cut_by_a_close() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    // What is still being said must not turn the end into a reset.
    client.say("unheard").await;
    assert_eq!(soon(bench.tcp.cut(Cut::Close)).await, 1);
    assert_eq!(bench.tcp.stats().open, 0);
    client.hears_fin().await;
    client.say("more").await;
    server.hear_out().await;
    // Who says goodbye holds up nobody.
    assert_eq!(soon(bench.tcp.cut(Cut::Close)).await, 0);
}

#[tokio::test]
async fn half_a_cut_ends_what_comes_down_and_leaves_what_goes_up() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    assert_eq!(soon(bench.tcp.cut(Cut::Half)).await, 1);
    assert_eq!(bench.tcp.stats().open, 1);
    server.say("unheard").await;
    client.hears_fin().await;
    bench.until_lost(7).await;
    client.say("still here").await;
    server.hear("still here").await;
    drop(client);
    server.hears_fin().await;
    bench.until_open(0).await;
}

#[tokio::test]
async fn a_connection_that_waits_is_cut_as_well() {
    let bench = Bench::new(r#"{"connections_max":1}"#).await;
    let (_client, _server) = bench.connect().await;
    let mut waiting = bench.client().await;
    bench.until_open(2).await;
    assert_eq!(soon(bench.tcp.cut(Cut::Reset)).await, 2);
    waiting.hears_reset().await;
    assert_eq!(bench.tcp.stats().open, 0);
}

#[tokio::test]
async fn an_idle_connection_is_reset() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    client.say("hello").await;
    server.hear("hello").await;
    // It holds for connections that are open already, too.
    bench.set(r#"{"idle_cut_ms":50}"#);
    client.hears_reset().await;
    server.hears_reset().await;
    bench.until_open(0).await;
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_their_turn() {
    let bench = Bench::new(r#"{"connections_max":1}"#).await;
    let (mut first, mut server) = bench.connect().await;
    let mut second = bench.client().await;
    second.say("me too").await;
    bench.until_open(2).await;
    first.say("me first").await;
    server.hear("me first").await;
    assert_eq!(bench.tcp.stats().up, 8);
    drop((first, server));
    bench.server().await.hear("me too").await;
}

#[tokio::test]
async fn who_waits_goes_on_when_the_fault_is_lifted() {
    let bench = Bench::new(r#"{"connections_max":1}"#).await;
    let (_first, _server) = bench.connect().await;
    let mut second = bench.client().await;
    bench.until_open(2).await;
    bench.set("{}");
    second.say("me too").await;
    bench.server().await.hear("me too").await;
}

#[tokio::test]
async fn its_connections_end_with_it() {
    let bench = Bench::new("{}").await;
    let (mut client, mut server) = bench.connect().await;
    drop(bench);
    client.hear_out().await;
    server.hear_out().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_settled_nothing_passes_by_the_faults_before() {
    // Often, for the connection's task is on another thread and may be quick by chance.
    for _ in 0..100 {
        let bench = Bench::new("{}").await;
        let (mut client, mut server) = bench.connect().await;
        let sent =
            tokio::spawn(async move { while client.0.write_all(&[7; 100]).await.is_ok() {} });
        server.hear([7; 1000]).await;
        bench.set(r#"{"black_hole":"up"}"#);
        bench.tcp.settle().await;
        let Stats { up, lost, .. } = bench.tcp.stats();
        until(|| bench.tcp.stats().lost > lost).await;
        assert_eq!(bench.tcp.stats().up, up);
        sent.abort();
    }
}

#[tokio::test]
async fn to_settle_cuts_nobody() {
    let bench = Bench::new(r#"{"connections_max":1}"#).await;
    let (mut client, mut server) = bench.connect().await;
    // It waits for its turn.
    let _waiting = bench.client().await;
    bench.until_open(2).await;
    bench.tcp.settle().await;
    assert_eq!(bench.tcp.stats().open, 2);
    client.say("hello").await;
    server.hear("hello").await;
}

#[tokio::test]
async fn of_several_servers_a_connection_leads_to_any() {
    let (tcp, [first, second]) = before_two().await;
    for server in [first, second] {
        let comes = async {
            loop {
                let _client = TcpStream::connect(tcp.address()).await.unwrap();
                let accept = timeout(Duration::from_millis(10), server.accept());
                if accept.await.is_ok() {
                    return;
                }
            }
        };
        soon(comes).await;
    }
}

#[tokio::test]
async fn where_one_of_them_is_gone_it_leads_to_the_other() {
    let (tcp, [gone, there]) = before_two().await;
    drop(gone);
    for _ in 0..20 {
        let _client = TcpStream::connect(tcp.address()).await.unwrap();
        soon(there.accept()).await.unwrap();
    }
}

async fn before_two() -> (Tcp, [TcpListener; 2]) {
    let bind = async || TcpListener::bind(LOCALHOST).await.unwrap();
    let servers = [bind().await, bind().await];
    let to = servers.each_ref().map(|it| it.local_addr().unwrap());
    (Tcp::open_any(LOCALHOST, to).await.unwrap(), servers)
}
