//! What only HTTP/2 does: many at a time on one connection, and each of them as if it were alone.

use hyper::client::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use tidings_wire::{Data, Format};
use tokio::io::AsyncReadExt;

use crate::support::door::{Hello, Publish, Said, Subscribe};
use crate::support::framed::{Framed, SETTINGS};
use crate::support::http2::{Http2, Pieces};
use crate::support::server::{SECRET, Server};
use crate::support::tls::SELF_SIGNED;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

const STREAM: (&str, &str) = ("accept", "text/event-stream");
const BOB: (&str, &str) = ("authorization", "Bearer guest:bob");
const TEXT: (&str, &str) = ("content-type", "text/plain");

/// Reads until `what` has come.
async fn read_until(pieces: &mut Pieces, what: &str) -> String {
    let mut text = String::new();
    let mut looked_at = 0;
    while !text[looked_at..].contains(what) {
        looked_at = text.len().saturating_sub(what.len());
        let piece = pieces.next().await;
        let piece = piece.unwrap_or_else(|| panic!("ended: {text}"));
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

fn hello(name: &str) -> Hello {
    let (kind, token) = ("hello", format!("guest:{name}"));
    Hello { kind, token }
}

const SUBSCRIBE: Subscribe<'_> = Subscribe {
    kind: "subscribe",
    req: 1,
    channel: "a",
    after: None,
};

/// A long poll that waits for what comes next, without a lease that would outlive it.
async fn waiting_poll(http: &Http2) -> String {
    let now = http.ask("GET", "/v1/events?channel=a", &[], b"").await;
    let now = now.json()["cursor"].as_str().unwrap().to_owned();
    format!("/v1/events?channel=a&wait=60&after={now}")
}

async fn links(server: &Server, transport: &str) -> f64 {
    let links = format!("tidings_links{{transport=\"{transport}\",shard=\"0\"}}");
    server.metrics().await.value(&links)
}

#[tokio::test]
async fn ten_event_streams_and_twenty_tabs_share_one_connection() {
    let server = Server::start();
    let http = Http2::connect(server.address()).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = http.stream("/v1/events?channel=a", &[STREAM]).await;
        read_until(&mut stream, "event: hello").await;
        streams.push(stream);
    }
    let mut tabs = Vec::new();
    for number in 0..20 {
        let mut tab = http.frames(Format::Json).await;
        tab.say(&hello(&format!("tab-{number}"))).await;
        tab.say(&SUBSCRIBE).await;
        while tab.hear::<Said>().await.unwrap().kind != "subscribed" {}
        tabs.push(tab);
    }
    // With polls and requests between them.
    let path = waiting_poll(&http).await;
    let poll = http.begin("GET", &path, &[], b"").await;
    until("the poll", async || {
        (links(&server, "long-poll").await == 1.0).then_some(())
    })
    .await;
    let published = http
        .ask("POST", "/v1/channels/a/messages", &[TEXT], b"tidings")
        .await;
    assert_eq!(published.status, 201);
    for stream in &mut streams {
        read_until(stream, "\"tidings\"").await;
    }
    for tab in &mut tabs {
        while tab.hear::<Said>().await.unwrap().kind != "message" {}
    }
    assert_eq!(soon("an answer", poll).await.unwrap().status(), 200);
    let metrics = server.metrics().await;
    // This one, and who asks for the metrics.
    assert_eq!(metrics.value("tidings_connections{shard=\"0\"}"), 2.0);
    assert_eq!(links(&server, "sse").await, 10.0);
    assert_eq!(links(&server, "websocket").await, 20.0);
}

#[tokio::test]
async fn a_stream_that_is_reset_frees_all_of_it_and_the_connection_goes_on() {
    let server = Server::configured("[presence]\ngrace = \"0s\"\n");
    let http = Http2::connect(server.address()).await;
    let gone = async |transport: &str| {
        until("the end", async || {
            let presence = server.get("/v1/channels/a/presence").await.json();
            let metrics = server.metrics().await;
            let left = links(&server, transport).await + metrics.sum("tidings_sessions");
            (left == 0.0 && presence["count"] == 0).then_some(())
        })
        .await;
    };
    let mut stream = http.stream("/v1/events?channel=a", &[STREAM, BOB]).await;
    read_until(&mut stream, "event: join").await;
    drop(stream);
    gone("sse").await;

    let mut frames = http.frames(Format::Json).await;
    frames.say(&hello("bob")).await;
    frames.say(&SUBSCRIBE).await;
    while frames.hear::<Said>().await.unwrap().kind != "subscribed" {}
    drop(frames);
    gone("websocket").await;

    let path = waiting_poll(&http).await;
    let poll = http.begin("GET", &path, &[], b"").await;
    until("the poll", async || {
        (links(&server, "long-poll").await == 1.0).then_some(())
    })
    .await;
    drop(poll);
    gone("long-poll").await;
    assert_eq!(http.ask("GET", "/healthz", &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_breaks_frees_all_of_its_streams() {
    let server = Server::configured("[presence]\ngrace = \"0s\"\n");
    let http = Http2::connect(server.address()).await;
    let mut stream = http.stream("/v1/events?channel=a", &[STREAM, BOB]).await;
    read_until(&mut stream, "event: join").await;
    let mut frames = http.frames(Format::Json).await;
    frames.say(&hello("eve")).await;
    frames.say(&SUBSCRIBE).await;
    while frames.hear::<Said>().await.unwrap().kind != "subscribed" {}
    drop(http);
    until("the end", async || {
        let metrics = server.metrics().await;
        let left = metrics.sum("tidings_links") + metrics.sum("tidings_sessions");
        let connections = metrics.value("tidings_connections{shard=\"0\"}");
        (left == 0.0 && connections == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_who_share_a_connection_are_told_when_the_server_ends() {
    let mut server = Server::configured("[drain]\nrestart = \"1min\"\n");
    let mut http = Http2::connect(server.address()).await;
    let mut stream = http.stream("/v1/events?channel=a", &[STREAM]).await;
    read_until(&mut stream, "event: hello").await;
    let mut frames = http.frames(Format::Cbor).await;
    frames.say(&hello("bob")).await;
    frames.hear::<Said>().await.unwrap();
    let path = waiting_poll(&http).await;
    let poll = http.begin("GET", &path, &[], b"").await;
    until("the poll", async || {
        (links(&server, "long-poll").await == 1.0).then_some(())
    })
    .await;
    server.terminate();
    let answer = soon("the answer", poll).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("connection"));
    let text = read_until(&mut stream, "event: reconnect").await;
    assert!(text.contains("\nretry: "), "{text}");
    while stream.next().await.is_some() {}
    let told: Said = frames.hear().await.unwrap();
    assert_eq!(told.kind, "reconnect");
    assert_eq!(frames.close_code().await, 1012);
    drop(frames);
    http.closed().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn readers_that_do_not_read_cost_cursors_and_get_everything_when_they_do() {
    const STALLED: usize = 20;
    const MESSAGES: usize = 600;
    const MESSAGE_BYTES: usize = 6_000;
    // Who does not read its pings for half a minute is given up otherwise.
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    let mut windows = Builder::new(TokioExecutor::new());
    windows.initial_stream_window_size(65_535);
    windows.initial_connection_window_size(4 << 20);
    let http = Http2::built(server.address(), &windows).await;
    let (mut streams, mut tabs) = (Vec::new(), Vec::new());
    for _ in 0..STALLED {
        let mut stream = http.stream("/v1/events?channel=a", &[STREAM]).await;
        read_until(&mut stream, "event: hello").await;
        streams.push(stream);
        let mut tab = http.frames(Format::Json).await;
        tab.say(&SUBSCRIBE).await;
        while tab.hear::<Said>().await.unwrap().kind != "subscribed" {}
        tabs.push(tab);
    }
    let before = server.resident_bytes();
    let data = "x".repeat(MESSAGE_BYTES);
    let mut last = 0;
    for _ in 0..MESSAGES {
        // The connection is not held up by who does not read.
        let path = "/v1/channels/a/messages";
        let published = http.ask("POST", path, &[TEXT], data.as_bytes()).await;
        last = published.json()["seq"].as_u64().unwrap();
    }
    let growth = server.resident_bytes().saturating_sub(before);
    // Queued for each of them it would be 144 MB.
    assert!(growth < 50_000_000, "it grew by {growth} bytes");
    for stream in &mut streams {
        let text = read_until(stream, &format!("\"seq\":{last},")).await;
        assert_eq!(text.matches("\"type\":\"message\"").count(), MESSAGES);
    }
    for tab in &mut tabs {
        let mut messages = 0;
        while messages < MESSAGES {
            messages += usize::from(tab.hear::<Said>().await.unwrap().kind == "message");
        }
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_ended() {
    let server = Server::configured(&format!("{SELF_SIGNED}[limits]\nconnections = 1\n"));
    // Who follows makes no room.
    let kept = Http2::to(&server).await;
    let _stream = kept.stream("/v1/events?channel=a", &[STREAM]).await;
    let mut above = Http2::to(&server).await;
    let refused = above.ask("GET", "/healthz", &[], b"").await;
    assert_eq!((refused.status, &*refused.problem()), (503, "busy"));
    assert!(refused.header("retry-after").is_some());
    above.closed().await;
    let above = Http2::to(&server).await;
    let refused = above.try_frames(Format::Json, &[]).await.err();
    assert_eq!(refused.map(|status| status.as_u16()), Some(503));
}

#[tokio::test]
async fn websockets_are_offered_unless_they_are_to_have_connections_of_their_own() {
    let offers = async |server: &Server| {
        let mut framed = Framed::open(server.address(), &[]).await;
        let mut head = [0; 9];
        let read = framed.stream.read_exact(&mut head);
        soon("a frame's head", read).await.unwrap();
        assert_eq!((head[0], head[1], head[3]), (0, 0, SETTINGS));
        let mut settings = vec![0; usize::from(head[2])];
        let read = framed.stream.read_exact(&mut settings);
        soon("the server's settings", read).await.unwrap();
        // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3).
        let mut settings = settings.chunks(6);
        settings.any(|setting| setting == [0, 8, 0, 0, 0, 1])
    };
    assert!(offers(&Server::start()).await);
    let server = Server::configured("[websocket]\nover_http2 = false\n");
    assert!(!offers(&server).await);
    let framed = Frames::open(&server, Format::Json).await;
    drop(framed);
}

#[tokio::test]
async fn a_websocket_is_let_in_as_over_http_1() {
    let server = Server::begin("", Some(SECRET));
    let http = Http2::connect(server.address()).await;
    let status = async |headers: &[(&'static str, &str)]| {
        let tried = http.try_frames(Format::Json, headers).await;
        tried.map_or_else(|status| status.as_u16(), |_| 200)
    };
    assert_eq!(status(&[]).await, 200, "its hello will say who it is");
    assert_eq!(status(&[("authorization", "Bearer x")]).await, 401);
    assert_eq!(status(&[("origin", "https://example.org")]).await, 403);
    // A cookie needs an Origin, which browsers send.
    assert_eq!(status(&[("cookie", "tidings_token=x")]).await, 403);
    let get = http.ask("GET", "/v1/connect", &[], b"").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("CONNECT")));
}

#[tokio::test]
async fn a_publish_over_a_tunnel_is_answered_there() {
    let server = Server::start();
    let http = Http2::connect(server.address()).await;
    let mut frames = http.frames(Format::Cbor).await;
    let large = "x".repeat(60_000);
    frames
        .say(&Publish {
            kind: "publish",
            req: 7,
            channel: "a",
            data: Data::from_text(&large),
        })
        .await;
    while frames.hear::<Said>().await.unwrap().req != Some(7) {}
    let history = http.ask("GET", "/v1/channels/a/messages", &[], b"").await;
    assert_eq!(history.json()["messages"][0]["data"], large);
}
