//! What only WebSockets do: handshake, subprotocols, frames that are none, heartbeats.

use serde::Serialize;
use tidings_websocket::{Close, CloseCode, Event};
use tidings_wire::Format;

use crate::support::door::{Follower, Hello, Ping, Said, Way};
use crate::support::server::Server;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

async fn greeted(server: &Server, format: Format) -> Frames {
    let mut frames = Frames::open(server, format).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(
        (&*hello.kind, hello.user.as_deref()),
        ("hello", Some("bob"))
    );
    frames
}

#[tokio::test]
async fn an_ordinary_request_is_told_to_upgrade() {
    let server = Server::start();
    let response = server.get("/v1/connect").await;
    assert_eq!(response.status, 426);
    assert_eq!(response.header("upgrade"), Some("websocket"));
    assert_eq!(response.problem(), "bad_request");
    for missing in 0..HANDSHAKE.len() {
        let mut headers = HANDSHAKE.to_vec();
        headers.remove(missing);
        let response = server.ask("GET", "/v1/connect", &headers, "").await;
        assert!((400..500).contains(&response.status), "{missing}");
    }
}

#[tokio::test]
async fn without_a_subprotocol_it_speaks_json() {
    let server = Server::start();
    let response = server.ask("GET", "/v1/connect", &HANDSHAKE, "").await;
    assert_eq!(response.status, 101);
    assert_eq!(
        response.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(response.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn the_first_of_our_subprotocols_that_the_client_knows_is_chosen() {
    let server = Server::start();
    for (offered, chosen) in [
        ("tidings.v1.cbor", Some("tidings.v1.cbor")),
        ("tidings.v1.cbor, tidings.v1.json", Some("tidings.v1.json")),
        ("tidings.v9, tidings.v1.cbor", Some("tidings.v1.cbor")),
        ("mqtt", None),
    ] {
        let mut headers = HANDSHAKE.to_vec();
        headers.push(("sec-websocket-protocol", offered));
        let response = server.ask("GET", "/v1/connect", &headers, "").await;
        assert_eq!(response.status, 101);
        assert_eq!(
            response.header("sec-websocket-protocol"),
            chosen,
            "{offered}"
        );
    }
}

#[tokio::test]
async fn what_is_no_command_is_answered_and_the_connection_stays() {
    let server = Server::start();
    for format in [Format::Json, Format::Cbor] {
        let mut frames = greeted(&server, format).await;
        #[derive(Serialize)]
        struct Odd {
            #[serde(rename = "type")]
            kind: &'static str,
            req: u64,
        }
        let (kind, req) = ("dance", 9);
        frames.say(&Odd { kind, req }).await;
        let error: Said = frames.hear().await.unwrap();
        assert_eq!((&*error.kind, error.req), ("error", Some(9)));
        assert_eq!(error.code.as_deref(), Some("bad_request"));
        assert!(error.message.unwrap().contains("dance"));
        // A frame of the wrong kind as well.
        let wrong = match format {
            Format::Json => Event::from(&b"{}"[..]),
            Format::Cbor => Event::from("{}"),
        };
        frames.websocket.send(wrong).await.unwrap();
        let error: Said = frames.hear().await.unwrap();
        assert_eq!(error.code.as_deref(), Some("bad_request"));
        let (kind, req) = ("ping", 1);
        frames.say(&Ping { kind, req }).await;
        let pong: Said = frames.hear().await.unwrap();
        assert_eq!((&*pong.kind, pong.req), ("pong", Some(1)));
    }
}

#[tokio::test]
async fn nothing_but_nonsense_ends_the_connection() {
    let server = Server::start();
    let mut frames = greeted(&server, Format::Json).await;
    for _ in 0..20 {
        if frames.websocket.send("nonsense").await.is_err() {
            break;
        }
    }
    assert_eq!(frames.close_code().await, 1008);
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_kept_as_long_as_it_answers() {
    let server =
        Server::configured("[heartbeat]\ninterval = \"100ms\"\ntimeout = \"100ms\"\ntries = 2\n");
    let mut frames = greeted(&server, Format::Json).await;
    for _ in 0..3 {
        let event = soon("a ping", frames.websocket.recv()).await.unwrap();
        // `recv` has answered it already.
        assert!(matches!(event, Some(Event::Ping(_))), "{event:?}");
    }
    let (kind, req) = ("ping", 1);
    frames.say(&Ping { kind, req }).await;
    let pong: Said = frames.hear().await.unwrap();
    assert_eq!(pong.kind, "pong");
}

#[tokio::test]
async fn a_client_that_does_not_even_answer_pings_is_given_up() {
    let server =
        Server::configured("[heartbeat]\ninterval = \"100ms\"\ntimeout = \"100ms\"\ntries = 2\n");
    let mut http = crate::support::http::Http::connect(server.address()).await;
    http.send("GET", "/v1/connect", &HANDSHAKE, b"").await;
    assert_eq!(http.head().await.status, 101);
    // A hello, masked with zeros: {"type":"hello"}
    let hello = br#"{"type":"hello"}"#;
    let mut frame = vec![0x81, 0x80 | hello.len() as u8, 0, 0, 0, 0];
    frame.extend(hello);
    http.write(&frame).await;
    let mut bytes = Vec::new();
    soon("the end", async {
        use tokio::io::AsyncReadExt;
        http.stream.read_to_end(&mut bytes).await
    })
    .await
    .unwrap();
    // Close, 4003.
    let close = [0x0f, 0xa3];
    assert!(bytes.windows(2).any(|pair| pair == close), "{bytes:?}");
    assert!(
        bytes.windows(2).any(|pair| pair == [0x89, 0]),
        "a ping came first"
    );
    until("its end to be counted", async || {
        let idle = server.metrics().await;
        (idle.value("tidings_closes_total{code=\"idle\"}") == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_up_and_gets_everything_when_it_does() {
    // Who does not even read its pings for half a minute is given up otherwise.
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    for format in [Format::Json, Format::Cbor] {
        let door = Way::WebSocket(format);
        let mut stalled = Follower::open(&server, door, "bob", &["a"]).await;
        let mut live = Follower::open(&server, door, "eve", &["a"]).await;
        // Far more than the kernel and the server buffer for one connection, at 60 KiB each.
        let large = format!("\"{}\"", "x".repeat(60_000));
        let mut seqs = Vec::new();
        for _ in 0..200 {
            let seq = server.publish("a", &large).await;
            assert_eq!(live.message().await.seq, Some(seq));
            seqs.push(seq);
        }
        for seq in seqs {
            assert_eq!(stalled.message().await.seq, Some(seq));
        }
    }
}

#[tokio::test]
async fn what_is_counted_ends_with_the_connections_however_they_end() {
    let server = Server::start();
    let count = async |connections: usize, links: usize| {
        until("the counts", async || {
            let metrics = server.get("/metrics").await;
            let text = metrics.text();
            // The one that asks is counted, too.
            let connections = format!("tidings_connections{{shard=\"0\"}} {}\n", connections + 1);
            let links = format!("tidings_links{{transport=\"websocket\",shard=\"0\"}} {links}\n");
            (text.contains(&connections) && text.contains(&links)).then_some(())
        })
        .await;
    };
    let mut orderly = greeted(&server, Format::Json).await;
    let cut = greeted(&server, Format::Json).await;
    let mut faulty = greeted(&server, Format::Json).await;
    count(3, 3).await;
    let done = Close::new(CloseCode::NORMAL, "");
    let within = std::time::Duration::from_secs(5);
    orderly.websocket.close(done, within).await.unwrap();
    drop(orderly);
    count(2, 2).await;
    drop(cut);
    count(1, 1).await;
    for _ in 0..20 {
        if faulty.websocket.send("nonsense").await.is_err() {
            break;
        }
    }
    assert_eq!(faulty.close_code().await, 1008);
    drop(faulty);
    count(0, 0).await;
}
