//! Clients that take their time: none is waited for longer than is said, and those that hold every place keep
//! nobody out.

use std::net::SocketAddr;
use std::time::Duration;

use tidings_middlebox::{BlackHole, Faults, Middlebox, Transport};
use tidings_websocket::tokio::tls::rustls::ClientConnection;
use tidings_websocket::tokio::tls::rustls::pki_types::ServerName;
use tidings_wire::Format;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::door::{Door, Follower, Version, Way};
use crate::support::framed::{
    DATA, END_HEADERS, END_STREAM, Framed, HEADERS, PREFACE, SETTINGS, frame, get, post,
};
use crate::support::http::Http;
use crate::support::server::{SECRET, Server};
use crate::support::tls::SELF_SIGNED;
use crate::support::websocket::Frames;
use crate::support::webtransport::{connect, endpoint, request};
use crate::support::{soon, until};

/// Connections that a server takes in these tests.
const CONNECTIONS: usize = 12;

/// Nobody is sent away for the time that they take.
const PATIENT: &str = "[limits]\nhead_timeout = \"1h\"\nbody_timeout = \"1h\"\nconnections = 12\n\
    [metrics]\nlisten = \"127.0.0.1:0\"\n[heartbeat]\ninterval = \"1h\"\n";

/// [`PATIENT`] with TLS, and as patient there.
fn patient_with_tls() -> String {
    format!("{PATIENT}{SELF_SIGNED}handshake_timeout = \"1h\"\n")
}

/// Whoever opens a connection and says these first words, and nothing more.
async fn dawdle(address: SocketAddr, first_words: &[u8]) -> TcpStream {
    let connecting = TcpStream::connect(address);
    let mut stream = soon("a connection", connecting).await.unwrap();
    stream.write_all(first_words).await.unwrap();
    stream
}

/// What a client of TLS says first.
fn client_hello(server: &Server) -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(server.trust(), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Everything until the end, however that comes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon("the end", stream.read_to_end(&mut bytes)).await;
    bytes
}

/// Somebody honest finds the server as ever, by each kind of request.
async fn everybody_else_is_served(server: &Server) {
    for way in [Way::Sse, Way::WebSocket(Format::Json)] {
        let mut follower = Follower::open(server, way, "bob", &["a"]).await;
        server.publish("a", "1").await;
        assert_eq!(follower.message().await.number(), 1);
    }
}

#[tokio::test]
async fn a_tls_handshake_is_not_waited_for_however_it_is_drawn_out() {
    let server = Server::configured(&format!("{SELF_SIGNED}handshake_timeout = \"300ms\"\n"));
    let hello = client_hello(&server);
    // All of it, and no answer to what the server says.
    let mut silent = dawdle(server.address(), &hello).await;
    let answered = rest(&mut silent).await;
    assert_eq!(answered[0], 0x16, "a ServerHello");
    // So slowly that it would take seconds.
    let mut slow = dawdle(server.address(), &hello[..1]).await;
    let (mut from, mut to) = slow.split();
    let dribble = async {
        for byte in &hello[1..] {
            sleep(Duration::from_millis(20)).await;
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        panic!("all of it was taken");
    };
    let mut answer = [0];
    tokio::select! {
        () = dribble => {}
        read = soon("the end", from.read(&mut answer)) => assert!(!matches!(read, Ok(1..))),
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_over_http_2_is_not_waited_for() {
    let server = Server::configured("[limits]\nbody_timeout = \"300ms\"\n");
    let mut framed = Framed::open(server.address(), &[]).await;
    let head = post("/v1/channels/a/messages");
    framed.write(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    for _ in 0..10 {
        framed.write(&frame(DATA, 0, 1, b"x")).await;
    }
    let problem = framed.next_of(DATA).await.unwrap();
    let problem = String::from_utf8(problem.payload).unwrap();
    assert!(problem.contains("\"status\":408"), "{problem}");
}

#[tokio::test]
async fn who_waits_for_nothing_makes_room_for_who_comes() {
    let server = Server::configured(PATIENT);
    let large = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..60 {
        server.publish("b", &large).await;
    }
    let mut busy = Http::connect(server.address()).await;
    let mut settled = Vec::new();
    for http in [Version::One, Version::Two] {
        for way in [Way::Sse, Way::WebSocket(Format::Json)] {
            let door = Door { way, http };
            settled.push(Follower::open(&server, door, "eve", &["a"]).await);
        }
    }
    let settings = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    let unended = [&settings[..], &frame(HEADERS, 0, 1, &get("/"))].concat();
    let asks = frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/healthz"));
    let served = [&settings[..], &asks].concat();
    // And takes little of what it is answered.
    let read = "GET /v1/channels/b/messages HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let post =
        "POST /v1/channels/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n1";
    for first_words in [
        &b""[..],
        b"GET / HTTP/1.1\r\nx: ",
        post.as_bytes(),
        &PREFACE[..20],
        &settings,
        &unended,
        &served,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        read.as_bytes(),
    ] {
        let mut dawdlers = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            dawdlers.push(dawdle(server.address(), first_words).await);
            // Whoever comes back again and again keeps its place.
            busy.send("GET", "/healthz", &[], b"").await;
            assert_eq!(busy.response().await.status, 200);
        }
        everybody_else_is_served(&server).await;
        for follower in &mut settled {
            for _ in 0..2 {
                assert_eq!(follower.message().await.number(), 1);
            }
        }
        // Those who came last stay.
        let connections = server.metrics().await.sum("tidings_connections");
        assert!(connections <= CONNECTIONS as f64, "{connections}");
        for dawdler in &mut dawdlers[..CONNECTIONS] {
            rest(dawdler).await;
        }
    }
    let refused = server.metrics().await;
    assert!(refused.value("tidings_connections_refused_total") > 0.0);
}

#[tokio::test]
async fn who_draws_a_tls_handshake_out_makes_room_for_who_comes() {
    let server = Server::configured(&patient_with_tls());
    let hello = client_hello(&server);
    for first_words in [&b""[..], &hello[..20], &hello] {
        let mut dawdlers = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            dawdlers.push(dawdle(server.address(), first_words).await);
        }
        everybody_else_is_served(&server).await;
    }
    // Those who speak it and say no more, too.
    let mut dawdlers = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        dawdlers.push(server.dial_for(b"h2").await);
    }
    everybody_else_is_served(&server).await;
}

#[tokio::test]
async fn who_never_says_a_hello_keeps_its_place_for_the_time_of_one() {
    let server = Server::begin(PATIENT, Some(SECRET));
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(Frames::open(&server, Format::Json).await);
    }
    assert_eq!(server.get("/healthz").await.status, 503);
    until("a place", async || {
        (server.get("/healthz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_dawdles_at_the_side_doors_makes_room_there_too() {
    // Nobody tells which port the system chose, so one is taken that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let redirecting = free.local_addr().unwrap();
    drop(free);
    let server = Server::configured(&format!(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n{SELF_SIGNED}redirect_from = \"{redirecting}\"\n"
    ));
    for (address, path, places) in [
        (server.metrics_address(), "/metrics", 16),
        (redirecting, "/", 256),
    ] {
        let mut dawdlers = Vec::new();
        for _ in 0..places + 1 {
            dawdlers.push(dawdle(address, b"GET").await);
        }
        // Whoever came first is gone, long before its time is over.
        rest(&mut dawdlers[0]).await;
        let mut http = Http::connect(address).await;
        http.send("GET", path, &[], b"").await;
        http.head().await;
    }
}

#[tokio::test]
async fn quic_handshakes_that_end_nowhere_are_few_and_keep_nobody_out() {
    const BEGUN: u64 = 200;
    const FROM_ANYWHERE: f64 = 128.0;
    let server = Server::configured(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[tls]\nhandshake_timeout = \"1h\"\n",
    );
    let client = endpoint(&server).await;
    // Nothing comes back to who lies about its address.
    let deaf = Faults {
        black_hole: Some(BlackHole::Down),
        ..Faults::default()
    };
    let mut begun = Vec::new();
    for _ in 0..BEGUN {
        let here = ([127, 0, 0, 1], 0).into();
        let path = Middlebox::open(Transport::Udp, here, server.address()).await;
        let path = path.unwrap();
        path.set(deaf.clone()).unwrap();
        let connecting = client.connect(path.address(), "127.0.0.1").unwrap();
        until("its first words", async || {
            (path.stats().up > 0).then_some(())
        })
        .await;
        begun.push((path, connecting));
    }
    let session = connect(&client, server.address(), request(&server, "")).await;
    let connections = server.metrics().await.sum("tidings_connections");
    assert_eq!(connections, FROM_ANYWHERE + 1.0);
    drop(session);
}

#[tokio::test]
async fn who_never_asks_for_a_session_makes_room_for_who_comes() {
    let server = Server::configured(&format!("{PATIENT}[tls]\nhandshake_timeout = \"1h\"\n"));
    let client = endpoint(&server).await;
    let mut begun = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        let connecting = client.connect(server.address(), "127.0.0.1").unwrap();
        begun.push(soon("a QUIC handshake", connecting).await.unwrap());
    }
    let session = connect(&client, server.address(), request(&server, "")).await;
    assert!(session.is_ok());
    everybody_else_is_served(&server).await;
    for dawdler in &begun[..CONNECTIONS] {
        soon("the end", dawdler.closed()).await;
    }
    assert!(session.unwrap().close_reason().is_none());
}

#[tokio::test]
async fn the_handshakes_of_quic_have_places_of_their_own() {
    const PLACES: usize = 1024;
    let server = Server::configured(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[tls]\nhandshake_timeout = \"1h\"\n",
    );
    let client = endpoint(&server).await;
    let mut begun = Vec::new();
    for _ in 0..PLACES + 1 {
        let connecting = client.connect(server.address(), "127.0.0.1").unwrap();
        begun.push(soon("a QUIC handshake", connecting).await.unwrap());
    }
    soon("the end", begun[0].closed()).await;
    let session = connect(&client, server.address(), request(&server, "")).await;
    assert!(session.is_ok());
    assert!(begun[PLACES].close_reason().is_none());
}
