//! The lab: what passes through its lanes is told, what is broken there breaks, and all of it ends with the visit.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidings_wire::Format;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;
use web_transport_quinn::proto::ConnectRequest;

use crate::support::door::{Hello, Said, Subscribe};
use crate::support::http::{Http, Response};
use crate::support::server::{SECRET, Server, tidings};
use crate::support::tls::SELF_SIGNED;
use crate::support::webtransport::{Frames, connect, endpoint};
use crate::support::{soon, until};

/// A visit that is read.
struct Visit<'a> {
    server: &'a Server,
    http: Http,
    id: String,
    /// What was read of a line that is not whole yet.
    text: Vec<u8>,
    /// All that was told so far.
    told: Vec<Value>,
}

/// A port that leads to the server.
struct Lane {
    number: u64,
    address: SocketAddr,
}

impl<'a> Visit<'a> {
    async fn begin(server: &'a Server) -> Self {
        let mut http = Http::connect(server.address()).await;
        http.send("GET", "/v1/lab", &[], b"").await;
        let head = http.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
        let mut visit = Self {
            server,
            http,
            id: String::new(),
            text: Vec::new(),
            told: Vec::new(),
        };
        visit.hears(|told| !told.is_empty()).await;
        assert_eq!(visit.told[0]["now"], 0);
        visit.id = visit.told[0]["visit"].as_str().unwrap().to_owned();
        visit
    }

    /// Reads until what was told is enough.
    async fn hears(&mut self, is_enough: impl Fn(&[Value]) -> bool) {
        soon("what the visit is to tell", async {
            while !is_enough(&self.told) {
                let chunk = self.http.chunk().await;
                self.text.extend(chunk.expect("the visit goes on"));
                while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<_> = self.text.drain(..=end).collect();
                    self.told.push(serde_json::from_slice(&line).unwrap());
                }
            }
        })
        .await;
    }

    /// Reads until something like this was told.
    async fn hears_of(&mut self, like: Value) {
        self.hears(|told| told.iter().any(|line| is_like(line, &like)))
            .await;
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        let path = format!("/v1/lab/{}/lanes{path}", self.id);
        self.server.ask(method, &path, &[], body).await
    }

    async fn open_lane(&self) -> Lane {
        let opened = self.ask("POST", "", "").await;
        assert_eq!(opened.status, 201);
        let url: Url = opened.json()["url"].as_str().unwrap().parse().unwrap();
        assert_eq!((url.scheme(), url.host_str()), ("http", Some("127.0.0.1")));
        Lane {
            number: opened.json()["lane"].as_u64().unwrap(),
            address: url.socket_addrs(|| None).unwrap()[0],
        }
    }

    async fn set(&self, lane: &Lane, network: &str) {
        let path = format!("/{}/network", lane.number);
        assert_eq!(self.ask("PUT", &path, network).await.status, 204);
    }

    /// All bytes that were told of one direction of a connection, and how many there were.
    fn stream(&self, connection: u64, event: &str) -> (Vec<u8>, u64) {
        let like = json!({"wire": "tcp", "connection": connection, "event": event});
        let (mut bytes, mut size) = (Vec::new(), 0);
        for line in self.told.iter().filter(|line| is_like(line, &like)) {
            bytes.extend(STANDARD.decode(line["bytes"].as_str().unwrap()).unwrap());
            size += line["size"].as_u64().unwrap();
        }
        (bytes, size)
    }
}

/// Whether a line says all of that.
fn is_like(line: &Value, like: &Value) -> bool {
    let mut pairs = like.as_object().unwrap().iter();
    pairs.all(|(key, value)| line[key] == *value)
}

impl Lane {
    /// A conversation over a connection of its own, up to where the server has said `last`.
    async fn talk(&self, said: &[u8], last: &str) -> Talk {
        let stream = soon("a connection", TcpStream::connect(self.address));
        let mut talk = Talk {
            stream: stream.await.unwrap(),
            said: Vec::new(),
            heard: Vec::new(),
        };
        talk.say(said).await;
        talk.hears(last).await;
        talk
    }

    /// Follows the channel `a`.
    async fn follow(&self) -> Talk {
        let request = "GET /v1/events?channel=a HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                       Accept: text/event-stream\r\n\r\n";
        self.talk(request.as_bytes(), "event: hello").await
    }
}

struct Talk {
    stream: TcpStream,
    said: Vec<u8>,
    heard: Vec<u8>,
}

impl Talk {
    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.said.extend(bytes);
    }

    async fn hears(&mut self, last: &str) {
        while !String::from_utf8_lossy(&self.heard).contains(last) {
            assert!(self.read().await, "it ended before {last}");
        }
    }

    /// Whether there was more.
    async fn read(&mut self) -> bool {
        let read = soon(
            "something of the server",
            self.stream.read_buf(&mut self.heard),
        );
        matches!(read.await, Ok(1..))
    }

    async fn is_over(&mut self) {
        while self.read().await {}
    }
}

const UPGRADE: &str = "GET /v1/connect HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client's frame with a text (RFC 6455, section 5.2).
fn masked(text: &str) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap()];
    frame.extend(mask);
    frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

#[tokio::test]
async fn a_visit_tells_its_time_every_second() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    visit.hears(|told| told.len() == 3).await;
    let times: Vec<_> = visit.told.iter().map(|line| &line["now"]).collect();
    let (first, second) = (times[1].as_f64().unwrap(), times[2].as_f64().unwrap());
    assert!(first > 500.0 && second - first > 500.0, "{times:?}");
}

#[tokio::test]
async fn what_goes_over_a_lane_is_told_byte_for_byte() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let poll = "GET /v1/events?channel=a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let poll = lane.talk(poll.as_bytes(), "\"events\":[]").await;
    let mut stream = lane.follow().await;
    let mut socket = lane.talk(UPGRADE.as_bytes(), "\r\n\r\n").await;
    socket
        .say(&masked(r#"{"type":"hello","token":"guest:bob"}"#))
        .await;
    socket.hears(r#""type":"hello""#).await;
    let subscribe = r#"{"type":"subscribe","req":1,"channel":"a"}"#;
    socket.say(&masked(subscribe)).await;
    socket.hears("subscribed").await;
    server.publish("a", "\"the news\"").await;
    stream.hears("the news").await;
    socket.hears("the news").await;

    let (mut up, mut down) = (0, 0);
    for (number, talk) in (1..).zip([poll, stream, socket]) {
        let Talk {
            said,
            heard,
            stream,
        } = talk;
        drop(stream);
        let of =
            json!({"lane": lane.number, "wire": "tcp", "connection": number, "event": "close"});
        visit.hears_of(of).await;
        assert_eq!(
            visit.stream(number, "up"),
            (said.clone(), said.len() as u64)
        );
        let (told, size) = visit.stream(number, "down");
        // A join may have come behind what was waited for.
        assert!(told.starts_with(&heard), "{number}");
        assert_eq!(told.len() as u64, size);
        up += said.len() as u64;
        down += size;
    }
    visit
        .hears(|told| {
            let total = told.iter().filter_map(|line| line.get("total")).next_back();
            total.is_some_and(|total| total["tcp"]["open"] == 0)
        })
        .await;
    let total = json!({"connections": 3, "open": 0, "up": up, "down": down, "lost": 0});
    let mut totals = visit.told.iter().filter_map(|line| line.get("total"));
    assert_eq!(totals.next_back().unwrap()["tcp"], total);
    let times = visit.told.iter().filter_map(|line| line["at"].as_f64());
    assert!(times.is_sorted());
}

#[tokio::test]
async fn of_a_large_piece_the_beginning_is_told() {
    let server = Server::start();
    server
        .publish("a", &format!("\"{}\"", "x".repeat(60_000)))
        .await;
    let mut visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let history = "GET /v1/channels/a/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    lane.talk(history.as_bytes(), "\"truncated\"").await;
    visit.hears_of(json!({"event": "close"})).await;
    let shown = visit.told.iter().filter_map(|line| line["bytes"].as_str());
    let longest = shown.map(|text| STANDARD.decode(text).unwrap().len()).max();
    assert_eq!(longest, Some(4096));
    assert!(visit.stream(1, "down").1 > 60_000);
}

#[tokio::test]
async fn a_cut_ends_the_connections_of_a_lane_and_of_no_other() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let (lane, other) = (visit.open_lane().await, visit.open_lane().await);
    for how in ["reset", "close"] {
        let mut broken = lane.follow().await;
        let mut whole = other.follow().await;
        let path = format!("/{}/cut", lane.number);
        let body = format!("{{\"how\":\"{how}\"}}");
        let cut = visit.ask("POST", &path, &body).await;
        assert_eq!((cut.status, cut.json()), (200, json!({"cut": 1})));
        broken.is_over().await;
        server.publish("a", "\"still here\"").await;
        whole.hears("still here").await;
    }
    let second = json!({"lane": lane.number, "connection": 2, "event": "close"});
    visit.hears_of(second).await;
    for wrong in ["", "{}", r#"{"how":"half"}"#] {
        let refused = visit.ask("POST", "/1/cut", wrong).await;
        assert_eq!((refused.status, &*refused.problem()), (400, "bad_request"));
    }
}

#[tokio::test]
async fn a_black_hole_swallows_and_what_it_does_is_told() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let mut stream = lane.follow().await;
    visit.set(&lane, r#"{"black_hole":"down"}"#).await;
    server.publish("a", "\"lost\"").await;
    let lost = json!({"connection": 1, "event": "lost"});
    visit.hears_of(lost).await;
    visit.set(&lane, "{}").await;
    // What has a hole stays dark, and what is new does not.
    let again = lane.follow().await;
    drop(again);
    let cut = visit.ask("POST", "/1/cut", r#"{"how":"close"}"#).await;
    assert_eq!(cut.status, 200);
    stream.is_over().await;
    assert!(!String::from_utf8_lossy(&stream.heard).contains("lost"));
}

#[tokio::test]
async fn a_network_is_refused_that_cannot_be_had_and_the_one_before_stays() {
    let server = Server::start();
    let visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    visit.set(&lane, r#"{"websocket":"block"}"#).await;
    for wrong in [
        "",
        r#"{"latency":1}"#,
        r#"{"loss":2}"#,
        r#"{"latency_ms":600001}"#,
        r#"{"bandwidth":0}"#,
    ] {
        let refused = visit.ask("PUT", "/1/network", wrong).await;
        assert_eq!((refused.status, &*refused.problem()), (400, "bad_request"));
    }
    lane.talk(UPGRADE.as_bytes(), "HTTP/1.1 403 ").await;
    visit.set(&lane, "{}").await;
    lane.talk(UPGRADE.as_bytes(), "HTTP/1.1 101 ").await;
}

/// The next of that kind, past everything else.
async fn hears(frames: &mut Frames, kind: &str) -> Said {
    soon(kind, async {
        loop {
            let said: Said = frames.hear().await.unwrap();
            if said.kind == kind {
                return said;
            }
        }
    })
    .await
}

#[tokio::test]
async fn webtransport_goes_through_a_lane_until_datagrams_are_blocked() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let endpoint = endpoint(&server).await;
    let request = || {
        let url = format!("https://{}/v1/connect", lane.address);
        let mut request = ConnectRequest::new(Url::parse(&url).unwrap());
        // As the page's browser says it.
        let origin = server.url().parse().unwrap();
        request.headers.insert(http::header::ORIGIN, origin);
        request
    };
    let session = connect(&endpoint, lane.address, request()).await.unwrap();
    let mut frames = Frames::over(endpoint.clone(), session, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    frames.hear::<Said>().await.unwrap();
    let (kind, req, channel, after) = ("subscribe", 1, "a", None);
    let subscribe = Subscribe {
        kind,
        req,
        channel,
        after,
    };
    frames.say(&subscribe).await;
    hears(&mut frames, "subscribed").await;
    visit
        .hears_of(json!({"lane": lane.number, "wire": "udp", "connection": 1, "event": "open"}))
        .await;
    let down = json!({"wire": "udp", "connection": 1, "event": "down"});
    visit.hears_of(down.clone()).await;
    let line = visit.told.iter().find(|line| is_like(line, &down)).unwrap();
    let shown = STANDARD.decode(line["bytes"].as_str().unwrap()).unwrap();
    assert!(shown.len() == 64 && line["size"].as_u64().unwrap() > 64);

    visit.set(&lane, r#"{"udp":"block"}"#).await;
    server.publish("a", "1").await;
    let lost = json!({"wire": "udp", "event": "lost"});
    visit.hears_of(lost).await;
    // TCP is as before.
    lane.follow().await;
    visit.set(&lane, "{}").await;
    assert_eq!(hears(&mut frames, "message").await.number(), 1);
}

#[tokio::test]
async fn there_are_four_visits_and_each_has_eight_lanes() {
    let server = Server::start();
    let mut visits = Vec::new();
    for _ in 0..4 {
        visits.push(Visit::begin(&server).await);
    }
    let refused = server.get("/v1/lab").await;
    assert_eq!((refused.status, &*refused.problem()), (503, "busy"));
    visits.pop();
    until("room for another", async || {
        let mut http = Http::connect(server.address()).await;
        http.send("GET", "/v1/lab", &[], b"").await;
        (http.head().await.status == 200).then_some(())
    })
    .await;
    let visit = &visits[0];
    for number in 1..=8 {
        assert_eq!(visit.open_lane().await.number, number);
    }
    let refused = visit.ask("POST", "", "").await;
    assert_eq!(
        (refused.status, &*refused.problem()),
        (403, "limit_reached")
    );
    assert_eq!(visit.ask("DELETE", "/8", "").await.status, 204);
    visit.open_lane().await;
    // Each visit has its own.
    visits[1].open_lane().await;
    for (method, path) in [
        ("DELETE", "/8"),
        ("POST", "/99/cut"),
        ("PUT", "/99/network"),
    ] {
        let unknown = visit.ask(method, path, "{}").await;
        assert_eq!((unknown.status, &*unknown.problem()), (404, "not_found"));
    }
    let elsewhere = server.ask("POST", "/v1/lab/nobody/lanes", &[], "").await;
    assert_eq!(elsewhere.problem(), "not_found");
}

#[tokio::test]
async fn with_the_visit_end_its_lanes_and_their_connections() {
    let server = Server::start();
    let visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let closed = visit.open_lane().await;
    let (mut stream, mut first) = (lane.follow().await, closed.follow().await);
    assert_eq!(visit.ask("DELETE", "/2", "").await.status, 204);
    first.is_over().await;
    drop(visit);
    stream.is_over().await;
    for address in [lane.address, closed.address] {
        until("the lane's end", async || {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
    }
    assert_eq!(server.metrics().await.sum("tidings_links"), 0.0);
}

#[tokio::test]
async fn who_reads_slowly_misses_lines_and_no_totals() {
    const ASKED: usize = 4000;
    let server = Server::start();
    server
        .publish("a", &format!("\"{}\"", "x".repeat(4000)))
        .await;
    let mut visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let mut http = Http::connect(lane.address).await;
    for _ in 0..ASKED {
        http.send("GET", "/v1/channels/a/messages", &[], b"").await;
        assert_eq!(http.response().await.status, 200);
    }
    drop(http);
    visit
        .hears(|told| {
            let total = told.iter().filter_map(|line| line.get("total")).next_back();
            total.is_some_and(|total| total["tcp"]["connections"] == 1 && total["tcp"]["open"] == 0)
        })
        .await;
    let missed = visit.told.iter().filter_map(|line| line["missed"].as_u64());
    assert!(missed.sum::<u64>() > 0);
    let (_, told) = visit.stream(1, "down");
    let mut totals = visit.told.iter().filter_map(|line| line.get("total"));
    let total = totals.next_back().unwrap()["tcp"]["down"].as_u64().unwrap();
    assert!(total > told && total > 4000 * ASKED as u64);
}

#[tokio::test]
async fn pages_of_the_server_may_use_its_lanes_and_others_may_not() {
    let server = Server::start();
    let visit = Visit::begin(&server).await;
    let lane = visit.open_lane().await;
    let ask = async |origin: &str| {
        let mut http = Http::connect(lane.address).await;
        http.send("GET", "/v1/info", &[("origin", origin)], b"")
            .await;
        http.response().await
    };
    let own = server.url();
    let answer = ask(&own).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*own));
    for other in ["http://127.0.0.1:1", "https://evil.example.org", "null"] {
        assert_eq!(ask(other).await.problem(), "origin_refused");
    }
    // And the lab itself is nobody else's.
    let evil = [("origin", "https://evil.example.org")];
    let refused = server.ask("GET", "/v1/lab", &evil, "").await;
    assert_eq!(refused.problem(), "origin_refused");
    let hidden = [("sec-fetch-site", "cross-site")];
    let refused = server.ask("GET", "/v1/lab", &hidden, "").await;
    assert_eq!(refused.problem(), "origin_refused");
}

#[tokio::test]
async fn there_is_none_but_for_guests_without_tls_or_by_name() {
    let servers = [
        Server::with_secret(),
        Server::configured(SELF_SIGNED),
        Server::configured("[lab]\nenabled = false\n"),
    ];
    for server in &servers {
        let info = server.get("/v1/info").await.json();
        assert!(info["lab"].is_null(), "{info}");
        for path in ["/v1/lab", "/lab", "/lab/", "/lab/index.html"] {
            let refused = server.get(path).await;
            assert_eq!((refused.status, &*refused.problem()), (404, "not_found"));
            assert!(refused.text().contains("--lab true"), "{refused:?}");
        }
    }
    let server = Server::start();
    assert_eq!(server.get("/v1/info").await.json()["lab"], true);
    let page = server.get("/lab").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("connect-src 'self' http://127.0.0.1:* "),
        "{policy}"
    );
    assert_eq!(server.get("/lab/nothing.js").await.status, 404);
}

#[tokio::test]
async fn with_a_secret_it_takes_a_token_for_its_channels() {
    let server = Server::begin("[lab]\nenabled = true\n", Some(SECRET));
    assert_eq!(server.get("/v1/lab").await.problem(), "unauthenticated");
    let token = |read: &str, write: &str| {
        let mut command = tidings();
        command.args(["token", "--user", "alice", "--read", read, "--write", write]);
        let signed = command.env("TIDINGS_AUTH_SECRET", SECRET).output().unwrap();
        String::from_utf8(signed.stdout).unwrap().trim().to_owned()
    };
    let enter = async |token: String| {
        let mut http = Http::connect(server.address()).await;
        let bearer = format!("Bearer {token}");
        http.send("GET", "/v1/lab", &[("authorization", &bearer)], b"")
            .await;
        http.head().await.status
    };
    assert_eq!(enter(token("lab:*", "chat:*")).await, 403);
    assert_eq!(enter(token("chat:*", "lab:*")).await, 403);
    assert_eq!(enter(token("lab:*", "lab:*")).await, 200);
}

#[tokio::test]
async fn a_server_ends_with_a_visit_open() {
    let mut server = Server::start();
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/lab", &[], b"").await;
    assert_eq!(http.head().await.status, 200);
    let begun = http.chunk().await.unwrap();
    let begun: Value = serde_json::from_slice(&begun).unwrap();
    let path = format!("/v1/lab/{}/lanes", begun["visit"].as_str().unwrap());
    let opened = server.ask("POST", &path, &[], "").await.json();
    let url: Url = opened["url"].as_str().unwrap().parse().unwrap();
    let lane = Lane {
        number: 1,
        address: url.socket_addrs(|| None).unwrap()[0],
    };
    let mut stream = lane.follow().await;
    server.terminate();
    while soon("the visit's end", http.chunk()).await.is_some() {}
    stream.is_over().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
