//! The lab: visits, lanes and what is told of them; who may, and where there is one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Http, Response};
use crate::support::server::{SECRET, Server, tidings};
use crate::support::soon;

/// A visit whose lines the test reads.
struct Visit<'a> {
    server: &'a Server,
    name: String,
    stream: Http,
    rest: String,
    lines: VecDeque<Value>,
}

impl<'a> Visit<'a> {
    async fn begin(server: &'a Server) -> Self {
        let mut stream = Http::connect(server.address()).await;
        stream.send("GET", "/v1/lab", &[], b"").await;
        assert_eq!(stream.head().await.status, 200);
        let mut visit = Self {
            server,
            name: String::new(),
            stream,
            rest: String::new(),
            lines: VecDeque::new(),
        };
        let first = visit.line().await.unwrap();
        visit.name = first["visit"].as_str().unwrap().to_owned();
        visit
    }

    /// The next line; `None` when the stream has ended.
    async fn line(&mut self) -> Option<Value> {
        while self.lines.is_empty() {
            let chunk = soon("a line", self.stream.chunk()).await?;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((line, rest)) = self.rest.split_once('\n') {
                self.lines.push_back(serde_json::from_str(line).unwrap());
                self.rest = rest.to_owned();
            }
        }
        self.lines.pop_front()
    }

    /// The next line that tells this event.
    async fn event(&mut self, event: &str) -> Value {
        loop {
            let line = self.line().await.unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        let path = format!("/v1/lab/{}/lanes{path}", self.name);
        let mut http = Http::connect(self.server.address()).await;
        http.send(method, &path, &[], body.as_bytes()).await;
        http.response().await
    }

    /// Opens a lane; gives where it is.
    async fn lane(&self) -> SocketAddr {
        let opened = self.ask("POST", "", "").await;
        assert_eq!(opened.status, 201, "{opened:?}");
        let url = opened.json()["url"].as_str().unwrap().to_owned();
        url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    async fn set(&self, lane: u32, network: &str) -> Response {
        self.ask("PUT", &format!("/{lane}/network"), network).await
    }
}

/// Whether somebody answers there.
async fn answers(lane: SocketAddr) -> bool {
    let Ok(mut stream) = tokio::net::TcpStream::connect(lane).await else {
        return false;
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asked =
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    asked.await.is_ok()
        && stream
            .read_to_end(&mut answer)
            .await
            .is_ok_and(|count| count > 0)
}

#[tokio::test]
async fn what_goes_over_a_lane_is_told_to_the_byte() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let mut http = Http::connect(visit.lane().await).await;
    http.send("GET", "/v1/info", &[], b"").await;
    let info = http.response().await.json();
    assert_eq!(info["lab"], true);
    let open = visit.event("open").await;
    assert_eq!(
        (&open["lane"], &open["wire"], &open["connection"]),
        (&json!(1), &json!("tcp"), &json!(1))
    );
    let up = visit.event("up").await;
    let down = visit.event("down").await;
    use base64::Engine as _;
    let text = |line: &Value| {
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(line["bytes"].as_str().unwrap());
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    assert!(text(&up).starts_with("GET /v1/info HTTP/1.1\r\n"));
    assert_eq!(text(&up).len(), up["size"].as_u64().unwrap() as usize);
    assert!(text(&down).starts_with("HTTP/1.1 200 OK\r\n") && text(&down).ends_with('}'));
    loop {
        let line = visit.line().await.unwrap();
        if let Some(tcp) = line["total"].get("tcp")
            && tcp["down"] == down["size"]
        {
            assert_eq!(
                (&tcp["up"], &tcp["connections"], &tcp["open"]),
                (&up["size"], &json!(1), &json!(1))
            );
            break;
        }
    }
    drop(http);
    visit.event("close").await;
}

#[tokio::test]
async fn a_network_breaks_as_it_is_told_and_mends() {
    let server = Server::start();
    let mut visit = Visit::begin(&server).await;
    let lane = visit.lane().await;
    assert!(answers(lane).await);
    assert_eq!(visit.set(1, r#"{"refuse":true}"#).await.status, 204);
    assert!(!answers(lane).await);
    visit.event("refused").await;
    assert_eq!(visit.set(1, "{}").await.status, 204);
    assert!(answers(lane).await);
    let mut kept = Http::connect(lane).await;
    kept.send("GET", "/healthz", &[], b"").await;
    kept.response().await;
    let cut = visit.ask("POST", "/1/cut", r#"{"how":"reset"}"#).await;
    assert_eq!(cut.json(), json!({"cut": 1}));
    for wrong in [r#"{"los":1}"#, r#"{"loss":2}"#, "nonsense"] {
        assert_eq!(visit.set(1, wrong).await.problem(), "bad_request");
    }
    assert_eq!(visit.set(2, "{}").await.problem(), "not_found");
}

#[tokio::test]
async fn visits_and_lanes_are_bounded_and_end_with_their_reader() {
    let server = Server::start();
    let mut visits = Vec::new();
    for _ in 0..4 {
        visits.push(Visit::begin(&server).await);
    }
    assert_eq!(server.get("/v1/lab").await.problem(), "limit_reached");
    let first = visits.pop().unwrap();
    let lane = first.lane().await;
    for _ in 0..7 {
        first.lane().await;
    }
    assert_eq!(first.ask("POST", "", "").await.problem(), "limit_reached");
    assert_eq!(first.ask("DELETE", "/8", "").await.status, 204);
    first.lane().await;
    assert!(answers(lane).await);
    drop(first);
    // When the server has seen that nobody reads, the lanes are closed and another may visit.
    crate::support::until("the visit's end", async || {
        (!answers(lane).await).then_some(())
    })
    .await;
    Visit::begin(&server).await;
}

#[tokio::test]
async fn a_server_with_a_visit_ends_in_time() {
    let mut server = Server::start();
    let address = server.address();
    let mut stream = Http::connect(address).await;
    stream.send("GET", "/v1/lab", &[], b"").await;
    assert_eq!(stream.head().await.status, 200);
    server.terminate();
    while soon("the stream's end", stream.chunk()).await.is_some() {}
    assert!(soon("the server's end", server.ended()).await.success());
}

#[tokio::test]
async fn its_own_pages_come_by_its_lanes_and_nobody_elses_do() {
    let server = Server::start();
    let visit = Visit::begin(&server).await;
    let lane = visit.lane().await;
    let port = server.address().port();
    for (origin, may) in [
        (format!("http://127.0.0.1:{port}"), true),
        (format!("http://127.0.0.1:{}", lane.port()), true),
        (format!("http://localhost:{port}"), false),
        (format!("http://127.0.0.1:{}", port ^ 1), false),
        (format!("https://127.0.0.1:{port}"), false),
        ("http://evil.example".to_owned(), false),
    ] {
        let mut http = Http::connect(lane).await;
        http.send("GET", "/v1/info", &[("origin", &origin)], b"")
            .await;
        assert_eq!(http.response().await.status == 200, may, "{origin}");
    }
    drop(visit);
}

#[tokio::test]
async fn there_is_one_for_guests_on_this_machine_and_elsewhere_by_name() {
    let off = Server::configured("[lab]\nenabled = false\n");
    assert_eq!(off.get("/lab").await.problem(), "not_found");
    assert_eq!(off.get("/v1/lab").await.problem(), "not_found");
    assert_eq!(off.get("/v1/info").await.json().get("lab"), None);
    let on = Server::start();
    let page = on.get("/lab").await;
    assert!(page.text().contains("/lab/src/main.js"));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("connect-src *")
    );
    assert_eq!(on.get("/lab/src/main.js").await.status, 200);
    assert_eq!(on.get("/lab/README.md").await.problem(), "not_found");
    let secret = Server::with_secret();
    assert_eq!(secret.get("/v1/info").await.json().get("lab"), None);
    let both = Server::begin("[lab]\nenabled = true\n", Some(SECRET));
    assert_eq!(both.get("/v1/lab").await.problem(), "unauthenticated");
    let refused = tidings()
        .args([
            "--listen",
            "127.0.0.1:0",
            "--lab",
            "true",
            "--tls",
            "self-signed",
        ])
        .current_dir(tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("the lab cannot be where there is TLS"),
        "{said}"
    );
}
