//! What only WebTransport does: datagrams, streams and their bounds, paths that change or go dark.

use std::net::UdpSocket;

use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tidings_middlebox::{BlackHole, Faults, Middlebox, Transport, Udp};
use tidings_wire::{Data, Format};
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ClientError, ConnectError, Session, proto};

use crate::support::door::{Follower, Hello, Ping, Publish, Said, Subscribe, Way};
use crate::support::server::{SECRET, Server, tidings};
use crate::support::webtransport::{Frames, close_code, connect, endpoint, request, varint};
use crate::support::{soon, until};

#[derive(Serialize)]
struct Signal {
    #[serde(rename = "type")]
    kind: &'static str,
    channel: &'static str,
    data: Data,
}

impl Signal {
    fn of(data: Data) -> Self {
        let (kind, channel) = ("signal", "a");
        Self {
            kind,
            channel,
            data,
        }
    }
}

fn ping(req: u64) -> Ping {
    Ping { kind: "ping", req }
}

async fn say_hello(frames: &mut Frames) {
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(hello.user.as_deref(), Some("bob"));
}

async fn follow(frames: &mut Frames) {
    let (kind, req, channel, after) = ("subscribe", 1, "a", None);
    let subscribe = Subscribe {
        kind,
        req,
        channel,
        after,
    };
    frames.say(&subscribe).await;
    hear_of(frames, "subscribed").await;
}

/// A server that takes tokens only, and has WebTransport all the same.
fn guarded() -> Server {
    Server::begin("[webtransport]\nenabled = true\n", Some(SECRET))
}

/// The next of that kind, past everything else.
async fn hear_of(frames: &mut Frames, kind: &str) -> Said {
    loop {
        let said: Said = frames.hear().await.unwrap();
        if said.kind == kind {
            return said;
        }
    }
}

/// A session of bob's, who follows `a`.
async fn follower(server: &Server, format: Format) -> Frames {
    let mut frames = Frames::open(server, format).await;
    say_hello(&mut frames).await;
    follow(&mut frames).await;
    frames
}

/// Opens a session with a request of the test's own.
async fn ask(server: &Server, request: ConnectRequest) -> Result<Session, ClientError> {
    connect(&endpoint(server).await, server.address(), request).await
}

#[tokio::test]
async fn signals_travel_as_datagrams_where_they_fit() {
    let server = Server::start();
    for format in [Format::Json, Format::Cbor] {
        let mut alice = follower(&server, format).await;
        let bob = follower(&server, format).await;
        bob.say_apart(&Signal::of(Data::from_text("small")));
        let small: Said = alice.hear_apart().await;
        assert_eq!(
            (&*small.kind, small.data()),
            ("signal", Data::from_text("small"))
        );
        let small: Said = bob.hear_apart().await;
        assert_eq!(small.from.as_deref(), Some("bob"));
        let large = Data::from_text(&"x".repeat(5000));
        alice.say(&Signal::of(large.clone())).await;
        assert_eq!(hear_of(&mut alice, "signal").await.data(), large);
    }
}

#[tokio::test]
async fn nothing_but_signals_is_heard_in_datagrams() {
    let server = Server::start();
    let mut frames = follower(&server, Format::Json).await;
    let (kind, req, channel, data) = ("publish", 9, "a", Data::from_text("x"));
    frames.say_apart(&Publish {
        kind,
        req,
        channel,
        data,
    });
    let error = hear_of(&mut frames, "error").await;
    assert_eq!(
        (error.req, error.code.as_deref()),
        (Some(9), Some("bad_request"))
    );
    let history = server.get("/v1/channels/a/messages").await.json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_datagram_that_overtakes_the_hello_is_lost_and_makes_nobody_a_guest() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    frames.say_apart(&Signal::of(Data::from_text("early")));
    say_hello(&mut frames).await;
}

#[tokio::test]
async fn a_datagram_of_no_session_harms_nobody() {
    let server = Server::start();
    let mut frames = follower(&server, Format::Json).await;
    let quic: quinn::Connection = (*frames.session).clone();
    for odd in [&b""[..], b"\x3f", b"\x04", b"\xff\xff"] {
        quic.send_datagram(odd.into()).unwrap();
    }
    frames.say_apart(&Signal::of(Data::from_text("heard")));
    let heard = hear_of(&mut frames, "signal").await;
    assert_eq!(heard.data(), Data::from_text("heard"));
    frames.say(&ping(1)).await;
    assert_eq!(hear_of(&mut frames, "pong").await.req, Some(1));
}

#[tokio::test]
async fn what_is_no_http3_ends_that_connection_alone() {
    let server = Server::start();
    let endpoint = endpoint(&server).await;
    for odd in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xFF; 64],
        &[0; 64],
        b"\x01\x40",
    ] {
        let connecting = endpoint.connect(server.address(), "127.0.0.1").unwrap();
        let connection = soon("a QUIC handshake", connecting).await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(odd).await.unwrap();
        let _ = control.finish();
        soon("the end", connection.closed()).await;
    }
    follower(&server, Format::Json).await;
}

#[tokio::test]
async fn the_format_is_offered_or_asked_for() {
    let server = Server::start();
    let by_query = request(&server, "?protocol=tidings.v1.cbor");
    let unknown = request(&server, "").with_protocol("mqtt");
    for (request, format) in [(by_query, Format::Cbor), (unknown, Format::Json)] {
        let endpoint = endpoint(&server).await;
        let session = connect(&endpoint, server.address(), request).await.unwrap();
        let mut frames = Frames::over(endpoint, session, format).await;
        say_hello(&mut frames).await;
    }
}

#[tokio::test]
async fn what_is_no_command_is_answered_and_too_much_of_it_ends_the_session() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    say_hello(&mut frames).await;
    for _ in 0..7 {
        frames.say(&"nonsense").await;
        let error = hear_of(&mut frames, "error").await;
        assert_eq!(error.code.as_deref(), Some("bad_request"));
    }
    frames.say(&ping(1)).await;
    assert_eq!(hear_of(&mut frames, "pong").await.req, Some(1));
    for _ in 0..8 {
        frames.say(&"nonsense").await;
    }
    assert_eq!(frames.close_code().await, 1008);
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_session_before_it_came() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    say_hello(&mut frames).await;
    frames
        .send
        .write_all(&varint((128 << 10) + 1))
        .await
        .unwrap();
    assert_eq!(frames.close_code().await, 1009);
    let closes = "tidings_closes_total{code=\"too_large\"}";
    assert_eq!(server.metrics().await.value(closes), 1.0);
}

#[tokio::test]
async fn there_is_one_stream() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    say_hello(&mut frames).await;
    let session = frames.session.clone();
    let mut another = std::pin::pin!(session.open_bi());
    for req in 1..10 {
        frames.say(&ping(req)).await;
        tokio::select! {
            _ = &mut another => panic!("another stream was opened"),
            pong = hear_of(&mut frames, "pong") => assert_eq!(pong.req, Some(req)),
        }
    }
}

#[tokio::test]
async fn whoever_does_not_say_who_they_are_in_time_is_not_kept() {
    let server = guarded();
    let silent = async {
        let mut frames = Frames::open(&server, Format::Json).await;
        // Something must be said for the stream to be there.
        frames.send.write_all(&[0x40]).await.unwrap();
        assert_eq!(frames.close_code().await, 4004);
    };
    let without_a_stream = async {
        let session = ask(&server, request(&server, "")).await.unwrap();
        assert_eq!(close_code(&soon("the end", session.closed()).await), 4004);
    };
    tokio::join!(silent, without_a_stream);
    let closes = "tidings_closes_total{code=\"hello_late\"}";
    assert_eq!(server.metrics().await.value(closes), 2.0);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_by_the_session() {
    let server = guarded();
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, token) = ("hello", "nonsense".to_owned());
    frames.say(&Hello { kind, token }).await;
    assert_eq!(frames.close_code().await, 4001);
    let session = ask(&server, request(&server, "?ticket=nonsense"))
        .await
        .unwrap();
    assert_eq!(close_code(&soon("the end", session.closed()).await), 4001);
}

#[tokio::test]
async fn a_foreign_page_and_another_path_are_refused() {
    let server = Server::start();
    let origin = |of: &str| {
        let value = HeaderValue::from_str(of).unwrap();
        request(&server, "").with_header(HeaderName::from_static("origin"), value)
    };
    let mut elsewhere = request(&server, "");
    elsewhere.url.set_path("/v1/events");
    let mut renamed = request(&server, "");
    renamed.url.set_host(Some("chat.example.org")).unwrap();
    for wrong in [origin("https://evil.example.org"), elsewhere, renamed] {
        let refused = ask(&server, wrong).await.err().unwrap();
        assert!(
            matches!(
                refused,
                ClientError::HttpError(ConnectError::ProtoError(proto::ConnectError::WrongStatus(
                    Some(_)
                )))
            ),
            "{refused:?}"
        );
    }
    let own = origin(&format!("http://{}", server.address()));
    assert!(ask(&server, own).await.is_ok());
}

#[tokio::test]
async fn a_client_that_closes_on_purpose_leaves_at_once() {
    let server = Server::configured("[presence]\ngrace = \"5min\"\n");
    let mut watcher = follower(&server, Format::Json).await;
    let open = async |name: &str| {
        let mut frames = Frames::open(&server, Format::Json).await;
        let (kind, token) = ("hello", format!("guest:{name}"));
        frames.say(&Hello { kind, token }).await;
        follow(&mut frames).await;
        frames
    };
    let (carol, dave) = (open("carol").await, open("dave").await);
    // What a page says that is loaded again, and what one says that is done.
    dave.session.close(0, b"");
    carol.session.close(1000, b"done");
    let left = hear_of(&mut watcher, "leave").await;
    assert_eq!(left.user.as_deref(), Some("carol"));
    let presence = server.get("/v1/channels/a/presence").await.json();
    assert_eq!(presence["count"], 2, "{presence}");
}

#[tokio::test]
async fn a_client_whose_address_changes_stays() {
    let server = Server::start();
    let mut frames = follower(&server, Format::Json).await;
    let before = frames.endpoint.local_addr().unwrap();
    for number in 0..3 {
        frames
            .endpoint
            .rebind(UdpSocket::bind("127.0.0.2:0").unwrap())
            .unwrap();
        server.publish("a", &number.to_string()).await;
        // The server learns the new address from what the client says.
        frames.say(&ping(number)).await;
        assert_eq!(hear_of(&mut frames, "message").await.number(), number);
    }
    assert_ne!(frames.endpoint.local_addr().unwrap(), before);
    assert_eq!(server.metrics().await.sum("tidings_links"), 1.0);
}

/// A heartbeat that is over in less than a second.
const HASTY: &str = "heartbeat = \"400ms\"\n[presence]\ngrace = \"100ms\"\n";

fn dark() -> Faults {
    Faults {
        black_hole: Some(BlackHole::Both),
        ..Faults::default()
    }
}

/// A session of bob's, who follows `a`, and the path that its datagrams take.
async fn follower_behind(server: &Server) -> (Udp, Frames) {
    let (here, there) = (([127, 0, 0, 1], 0).into(), server.address());
    let path = Middlebox::open(Transport::Udp, here, there).await.unwrap();
    let Middlebox::Udp(path) = path else {
        unreachable!("it was asked for UDP");
    };
    let endpoint = endpoint(server).await;
    let session = connect(&endpoint, path.address(), request(server, "")).await;
    let mut frames = Frames::over(endpoint, session.unwrap(), Format::Json).await;
    say_hello(&mut frames).await;
    follow(&mut frames).await;
    (path, frames)
}

#[tokio::test]
async fn a_path_that_goes_dark_is_noticed() {
    let server = Server::configured(HASTY);
    let (path, _frames) = follower_behind(&server).await;
    path.set(dark()).unwrap();
    until("the end of everything", async || {
        let metrics = server.metrics().await;
        let presence = server.get("/v1/channels/a/presence").await.json();
        let left = metrics.sum("tidings_links") + metrics.sum("tidings_sessions");
        (left == 0.0 && presence["count"] == 0).then_some(())
    })
    .await;
    let closes = "tidings_closes_total{code=\"idle\"}";
    assert_eq!(server.metrics().await.value(closes), 1.0);
}

#[tokio::test]
async fn who_says_nothing_stays_while_the_path_lives() {
    let server = Server::configured(HASTY);
    let mut frames = follower(&server, Format::Json).await;
    // Whoever polls meanwhile makes many heartbeats pass.
    let now = server.get("/v1/events?channel=b").await.json();
    let after = now["cursor"].as_str().unwrap();
    for _ in 0..2 {
        let path = format!("/v1/events?channel=b&wait=1&after={after}");
        assert_eq!(server.get(&path).await.json()["cursor"], after);
    }
    server.publish("a", "1").await;
    assert_eq!(hear_of(&mut frames, "message").await.number(), 1);
}

#[tokio::test]
async fn who_takes_nothing_is_given_little_and_everything_later() {
    const MESSAGES: u64 = 120;
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    let (path, mut stalled) = follower_behind(&server).await;
    let mut live = Follower::open(&server, Way::WebSocket(Format::Json), "live", &["a"]).await;
    path.set(dark()).unwrap();
    let text = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..MESSAGES {
        let seq = server.publish("a", &text).await;
        assert_eq!(live.message().await.seq, Some(seq));
    }
    let given = "tidings_sent_bytes_total{transport=\"webtransport\"}";
    let given = server.metrics().await.value(given);
    // What is not acknowledged, and the room of one time with its last frame; all messages are 7.2 MB.
    assert!(given < 400_000.0, "{given} bytes");
    path.set(Faults::default()).unwrap();
    let mut prev = 0;
    for _ in 0..MESSAGES {
        let message = hear_of(&mut stalled, "message").await;
        assert_eq!(message.prev, Some(prev));
        prev = message.seq.unwrap();
    }
}

#[tokio::test]
async fn when_the_server_ends_everybody_is_told_when_to_come_back() {
    let mut server = Server::configured("[drain]\nrestart = \"1min\"\nrate = 1\n");
    let mut frames = follower(&server, Format::Json).await;
    let unopened = ask(&server, request(&server, "")).await.unwrap();
    server.terminate();
    let told = hear_of(&mut frames, "reconnect").await;
    assert!((50_000..=61_000).contains(&told.after_ms.unwrap()));
    assert_eq!(frames.close_code().await, 1012);
    assert_eq!(close_code(&soon("the end", unopened.closed()).await), 1012);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn who_only_begins_handshakes_keeps_nobody_out() {
    let server = Server::start();
    let endpoint = endpoint(&server).await;
    // Each is a handshake that never comes to its CONNECT; from the 128th on they are asked to come again.
    let mut begun = Vec::new();
    for _ in 0..300 {
        let connecting = endpoint.connect(server.address(), "127.0.0.1").unwrap();
        begun.push(soon("a QUIC handshake", connecting).await.unwrap());
    }
    follower(&server, Format::Json).await;
    assert!(begun.iter().all(|it| it.close_reason().is_none()));
    // Who is asked to come again says all of their first words twice.
    let said = |of: &[quinn::Connection]| of.iter().map(|it| it.stats().frame_tx.crypto).min();
    assert!(said(&begun[..100]) < said(&begun[200..]));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let server = Server::configured("[tls]\nhandshake_timeout = \"200ms\"\n");
    let endpoint = endpoint(&server).await;
    let connecting = endpoint.connect(server.address(), "127.0.0.1").unwrap();
    let connection = soon("a QUIC handshake", connecting).await.unwrap();
    soon("the end", connection.closed()).await;
    follower(&server, Format::Json).await;
}

#[tokio::test]
async fn connections_count_with_all_others() {
    let server = Server::configured("[limits]\nconnections = 2\n");
    let endpoint = endpoint(&server).await;
    let _first = follower(&server, Format::Json).await;
    let _second = Follower::open(&server, Way::Sse, "eve", &["a"]).await;
    let connecting = endpoint.connect(server.address(), "127.0.0.1").unwrap();
    let refused = soon("an answer", connecting).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn sessions_are_on_all_shards() {
    let server = Server::configured("shards = 2\n");
    let mut followers = Vec::new();
    for _ in 0..6 {
        followers.push(follower(&server, Format::Json).await);
    }
    let metrics = server.metrics().await;
    for shard in 0..2 {
        let links = format!("tidings_links{{transport=\"webtransport\",shard=\"{shard}\"}}");
        assert!(metrics.value(&links) > 0.0, "shard {shard}");
    }
    server.publish("a", "1").await;
    for frames in &mut followers {
        assert_eq!(hear_of(frames, "message").await.number(), 1);
    }
}

#[tokio::test]
async fn who_stands_behind_a_proxy_does_not_offer_it() {
    let server = Server::with_secret();
    let info = server.get("/v1/info").await.json();
    assert!(info["webtransport"].is_null(), "{info}");
    assert!(UdpSocket::bind(server.address()).is_ok());
}

#[tokio::test]
async fn where_the_port_is_taken_it_is_done_without_unless_it_was_asked_for() {
    let mut server = Server::start();
    let transports = async |server: &Server| {
        let info = server.get("/v1/info").await.json();
        let is_told = info["transports"].to_string().contains("\"webtransport\"");
        assert_eq!(is_told, info["webtransport"].is_object(), "{info}");
        is_told
    };
    assert!(transports(&server).await);
    server.kill();
    let taken = UdpSocket::bind(server.address()).unwrap();
    server.restart();
    server.has_said("no WebTransport").await;
    assert!(!transports(&server).await);
    server.kill();
    let listen = server.address().to_string();
    let mut command = tidings();
    command.args([
        "serve",
        "--listen",
        &listen,
        "--webtransport",
        "true",
        "--data",
    ]);
    let refused = command.arg(server.data()).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--webtransport false"), "{said}");
    drop(taken);
    server.reconfigure("[webtransport]\nenabled = false\n");
    server.restart();
    assert!(!transports(&server).await);
}
