//! TLS: who is let in, who is led on, and who is not waited for. That every door works over it is seen in
//! [`doors`](crate::doors).

use std::io;
use std::sync::Arc;

use tidings_websocket::tokio::tls::rustls::crypto::ring;
use tidings_websocket::tokio::tls::rustls::{
    ClientConfig, ProtocolVersion, SupportedProtocolVersion, version,
};
use tidings_wire::Format;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::door::{Follower, House, Way};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::tls::{self, SELF_SIGNED, Stream};
use crate::support::{soon, until};

/// Waits until so many handshakes have ended like that.
async fn handshakes(server: &Server, outcome: &str, count: f64) {
    let sample = format!("tidings_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    until(&sample, async || {
        (server.metrics().await.value(&sample) == count).then_some(())
    })
    .await;
}

/// Metrics that are asked for without TLS, so that asking is no handshake.
fn watched(more: &str) -> Server {
    let metrics = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    Server::configured(&format!("{metrics}{SELF_SIGNED}{more}"))
}

async fn dial(server: &Server) -> TcpStream {
    let connecting = TcpStream::connect(server.address());
    soon("a connection", connecting).await.unwrap()
}

/// Everything until the end, however that comes.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon("the end", stream.read_to_end(&mut bytes)).await;
    bytes
}

/// A client that knows only these versions.
fn speaking(server: &Server, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let roots = tls::roots(&server.data().join("tls/self-signed.pem"));
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

async fn connect(server: &Server, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let stream = dial(server).await;
    soon(
        "a handshake",
        tls::connect(config.clone(), "localhost", stream),
    )
    .await
}

fn version_of(stream: &Stream) -> Option<ProtocolVersion> {
    match stream {
        Stream::Tls(stream) => stream.get_ref().1.protocol_version(),
        _ => None,
    }
}

#[tokio::test]
async fn both_versions_are_spoken_unless_the_newer_is_demanded() {
    let server = Server::configured(SELF_SIGNED);
    for (version, spoken) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = speaking(&server, &[version]);
        let stream = connect(&server, &config).await.unwrap();
        assert_eq!(version_of(&stream), Some(spoken));
        let mut http = Http::over(stream);
        http.send("GET", "/healthz", &[], b"").await;
        assert_eq!(http.response().await.text(), "ok\n");
    }
    let server = watched("min_version = \"1.3\"\n");
    let config = speaking(&server, &[&version::TLS12]);
    let refused = connect(&server, &config).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    handshakes(&server, "failed", 1.0).await;
    let config = speaking(&server, &[&version::TLS13]);
    assert!(connect(&server, &config).await.is_ok());
}

#[tokio::test]
async fn who_comes_back_resumes_on_whatever_shard() {
    const SHARDS: usize = 4;
    const RETURNS: usize = 8;
    let server = Server::configured(&format!(
        "shards = {SHARDS}\n[metrics]\nlisten = \"127.0.0.1:0\"\n{SELF_SIGNED}"
    ));
    let mut resumed = 0;
    for version in [&version::TLS12, &version::TLS13] {
        let config = speaking(&server, &[version]);
        for _ in 0..=RETURNS {
            let mut http = Http::over(connect(&server, &config).await.unwrap());
            // What TLS 1.3 gives to resume with comes before the answer.
            http.send("GET", "/healthz", &[], b"").await;
            assert_eq!(http.response().await.status, 200);
        }
        resumed += RETURNS;
        handshakes(&server, "resumed", resumed as f64).await;
    }
    handshakes(&server, "full", 2.0).await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_is_not_waited_for() {
    let server = watched("handshake_timeout = \"200ms\"\n");
    let mut silent = dial(&server).await;
    assert_eq!(rest(&mut silent).await, b"");
    let mut slow = dial(&server).await;
    // The head of a record, and what it promises does not come.
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(rest(&mut slow).await, b"");
    handshakes(&server, "failed", 2.0).await;
    until("no connection", async || {
        let connections = server
            .metrics()
            .await
            .value("tidings_connections{shard=\"0\"}");
        (connections == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn slow_handshakes_keep_nobody_out() {
    const SLOW: usize = 300;
    let server = watched("");
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = dial(&server).await;
        stream.write_all(&[0x16, 3, 1]).await.unwrap();
        slow.push(stream);
    }
    let mut follower = Follower::open(&server, Way::Sse, "bob", &["a"]).await;
    server.publish("a", "1").await;
    assert_eq!(follower.message().await.number(), 1);
    drop(slow);
    handshakes(&server, "failed", SLOW as f64).await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let server = watched("");
    let mut follower = Follower::open(&server, Way::WebSocket(Format::Json), "bob", &["a"]).await;
    let hello = [0x16, 3, 1, 0, 4, 1, 0, 0, 0];
    for garbage in [
        &[0x16; 5000][..],
        &hello,
        &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3],
    ] {
        let mut stream = dial(&server).await;
        stream.write_all(garbage).await.unwrap();
        let _ = stream.shutdown().await;
        let answer = rest(&mut stream).await;
        // An alert, or nothing.
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    handshakes(&server, "failed", 3.0).await;
    // Inside, too: a record that nobody has encrypted.
    let stream = server.dial().await;
    let mut bare = tls::without(stream);
    bare.write_all(&[0x17, 3, 3, 0, 20]).await.unwrap();
    bare.write_all(&[0; 20]).await.unwrap();
    rest(&mut bare).await;
    server.publish("a", "1").await;
    assert_eq!(follower.message().await.number(), 1);
}

#[tokio::test]
async fn who_comes_without_tls_is_led_to_it() {
    let server = watched("");
    let port = server.address().port();
    let plain = async |method: &str, headers: &[(&str, &str)]| {
        let mut http = Http::connect(server.address()).await;
        http.send(method, "/a?b=c", headers, b"").await;
        http.response().await
    };
    let led = plain("GET", &[]).await;
    assert_eq!(led.status, 308);
    let place = format!("https://127.0.0.1:{port}/a?b=c");
    assert_eq!(led.header("location"), Some(&*place));
    assert_eq!(led.header("strict-transport-security"), None);
    let refused = plain("POST", &[]).await;
    assert_eq!((refused.status, &*refused.problem()), (400, "bad_request"));
    assert!(refused.text().contains("https://"), "{}", refused.text());
    let refused = plain(
        "GET",
        &[("upgrade", "websocket"), ("connection", "upgrade")],
    )
    .await;
    assert_eq!(refused.status, 400);
    // Bytes that are neither are answered by nobody for long.
    let mut stream = dial(&server).await;
    stream.write_all(b"\0\x01\x02\r\n\r\n").await.unwrap();
    rest(&mut stream).await;
}

#[tokio::test]
async fn a_port_of_its_own_leads_to_the_one_with_tls() {
    // Nobody tells which port the system chose, so one is taken that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let lead = async || {
        let mut http = Http::connect(address).await;
        http.send("GET", "/", &[("host", "a.example")], b"").await;
        let led = http.response().await;
        assert_eq!(led.status, 308);
        assert!(soon("the end", http.is_closed()).await);
        led.header("location").map(str::to_owned)
    };
    let from = format!("redirect_from = \"{address}\"\n");
    let server = watched(&from);
    let own = format!("https://a.example:{}/", server.address().port());
    assert_eq!(lead().await, Some(own));
    drop(server);
    // Behind a port that is passed on clients know another one.
    let _server = watched(&format!("{from}redirect_to = 443\n"));
    assert_eq!(lead().await.as_deref(), Some("https://a.example/"));
}

#[tokio::test]
async fn browsers_are_told_to_come_by_tls_only_where_that_is_wished() {
    let header = "strict-transport-security";
    let server = Server::configured(&format!("{SELF_SIGNED}hsts = \"365d\"\n"));
    let stream = [("accept", "text/event-stream")];
    for (path, headers) in [
        ("/", &[][..]),
        ("/healthz", &[]),
        ("/nowhere", &[]),
        ("/v1/events?channel=a", &[]),
        ("/v1/events?channel=a", &stream),
        ("/v1/connect", &[]),
    ] {
        let mut http = Http::to(&server).await;
        http.send("GET", path, headers, b"").await;
        let head = http.head().await;
        assert_eq!(head.header(header), Some("max-age=31536000"), "{path}");
    }
    let server = Server::configured(SELF_SIGNED);
    assert_eq!(server.get("/healthz").await.header(header), None);
}

#[tokio::test]
async fn who_leaves_is_gone_whether_they_say_so_or_not() {
    let server = watched("[presence]\ngrace = \"0s\"\n");
    for is_told in [true, false] {
        for transport in ["sse", "long-poll", "websocket"] {
            let door = match transport {
                "sse" => Way::Sse,
                "websocket" => Way::WebSocket(Format::Json),
                _ => Way::LongPoll(Format::Json),
            };
            let links = format!("tidings_links{{transport=\"{transport}\",shard=\"0\"}}");
            let count = async |count: f64| {
                until(&links, async || {
                    (server.metrics().await.value(&links) == count).then_some(())
                })
                .await;
            };
            let mut stream = match transport {
                "websocket" => Follower::open(&server, door, "bob", &["a"])
                    .await
                    .into_stream(),
                _ => {
                    let now = server.get("/v1/events?channel=a").await.json();
                    let after = now["cursor"].as_str().unwrap().to_owned();
                    let path = format!("/v1/events?channel=a&wait=60&after={after}");
                    let accept = match transport {
                        "sse" => "text/event-stream",
                        _ => "application/json",
                    };
                    let mut http = Http::to(&server).await;
                    http.send("GET", &path, &[("accept", accept)], b"").await;
                    http.stream
                }
            };
            count(1.0).await;
            if is_told {
                // A close_notify, and then the end.
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            count(0.0).await;
        }
    }
}

#[tokio::test]
async fn what_the_server_ends_is_not_taken_for_cut_off() {
    let server =
        watched("[limits]\nhead_timeout = \"200ms\"\n[namespaces.\"\"]\npresence = false\n");
    let links = "tidings_links{transport=\"long-poll\",shard=\"0\"}";
    let now = server.get("/v1/events?channel=a").await.json();
    let after = now["cursor"].as_str().unwrap();
    let wait = format!("/v1/events?channel=a&wait=60&after={after}");
    for (path, is_waiting) in [("/healthz", false), (&*wait, true)] {
        let mut http = Http::to(&server).await;
        http.send("GET", path, &[("connection", "close")], b"")
            .await;
        if is_waiting {
            until(links, async || {
                (server.metrics().await.value(links) == 1.0).then_some(())
            })
            .await;
            server.publish("a", "1").await;
        }
        let mut said = Vec::new();
        // An end that TLS does not tell of is an error.
        soon("the end", http.stream.read_to_end(&mut said))
            .await
            .unwrap();
        assert!(said.starts_with(b"HTTP/1.1 200"));
    }
    let mut silent = Http::to(&server).await;
    soon("the end", silent.stream.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
}

#[tokio::test]
async fn large_messages_pass_both_ways() {
    let limits = "[limits]\nbody = \"2MiB\"\ndata = \"1MiB\"\n";
    let server = House::Tls.configured(limits);
    // Some sixty records of TLS, and what our WebSocket client takes.
    let text = format!("\"{}\"", "x".repeat(1_000_000));
    for door in [
        Way::Poll(Format::Json),
        Way::LongPoll(Format::Cbor),
        Way::Sse,
        Way::WebSocket(Format::Json),
    ] {
        let mut follower = Follower::open(&server, door, "bob", &["a"]).await;
        server.publish("a", &text).await;
        let tidings_wire::Data::Json(heard) = follower.message().await.data() else {
            panic!("JSON stays JSON");
        };
        assert!(*heard == *text, "{door:?}");
    }
}

#[tokio::test]
async fn one_too_many_is_told_so() {
    let server = Server::configured(&format!("[limits]\nconnections = 2\n{SELF_SIGNED}"));
    let _kept = [
        Follower::open(&server, Way::Sse, "bob", &["a"]).await,
        Follower::open(&server, Way::Sse, "eve", &["a"]).await,
    ];
    let refused = server.get("/healthz").await;
    assert_eq!((refused.status, &*refused.problem()), (503, "busy"));
}

#[tokio::test]
async fn one_that_waits_holds_what_tls_needs_and_little_more() {
    const CONNECTIONS: usize = 300;
    /// Over what it takes, for a heap has gaps; rustls' own buffer to read into is 4 KiB of it.
    const BYTES_EACH_MAX: u64 = 16 << 10;
    let server = House::Tls.configured("[namespaces.\"\"]\npresence = false\n");
    for door in [Way::Sse, Way::WebSocket(Format::Json)] {
        // What the first ones take for all.
        let mut kept = Vec::new();
        let mut before = 0;
        for number in 0..CONNECTIONS + 50 {
            if number == 50 {
                before = server.resident_bytes();
            }
            kept.push(Follower::open(&server, door, "bob", &["a"]).await);
        }
        let grown = server.resident_bytes().saturating_sub(before);
        let each = grown / CONNECTIONS as u64;
        assert!(each < BYTES_EACH_MAX, "{door:?}: {each} bytes");
    }
}

#[tokio::test]
async fn who_does_not_read_costs_little() {
    const STALLED: usize = 20;
    const MESSAGES: usize = 400;
    const MESSAGE_BYTES: usize = 3_000;
    let text = format!("\"{}\"", "x".repeat(MESSAGE_BYTES));
    for door in [Way::WebSocket(Format::Json), Way::Sse] {
        let server = House::Tls.configured("[heartbeat]\ninterval = \"1h\"\n");
        let mut stalled = Vec::new();
        for number in 0..STALLED {
            let name = format!("stalled-{number}");
            stalled.push(Follower::open(&server, door, &name, &["a"]).await);
        }
        let before = server.resident_bytes();
        let mut seqs = Vec::new();
        for _ in 0..MESSAGES {
            seqs.push(server.publish("a", &text).await);
        }
        let growth = server.resident_bytes().saturating_sub(before);
        // Queued for each of them it would be 24 MB.
        assert!(growth < 12_000_000, "{door:?}: it grew by {growth} bytes");
        for follower in &mut stalled {
            for seq in &seqs {
                assert_eq!(follower.message().await.seq, Some(*seq));
            }
        }
    }
}
