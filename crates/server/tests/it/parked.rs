//! Connections whose answers wait: what comes before, meanwhile and after.

use tokio::io::AsyncWriteExt;

use crate::access::token;
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::{soon, until};

const STREAM: &str = "accept: text/event-stream\r\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A request with nothing but what is given.
fn request(version: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/{version}\r\nhost: localhost\r\n{headers}\r\n")
}

/// The path of a long poll of `a` that waits for what is published next.
async fn long_poll(server: &Server) -> String {
    let now = server.get("/v1/events?channel=a").await.json();
    let cursor = now["cursor"].as_str().unwrap();
    format!("/v1/events?channel=a&wait=60&after={cursor}")
}

/// Waits until the server counts so many links.
async fn links(server: &Server, transport: &str, count: usize) {
    let line = format!("tidings_links{{transport=\"{transport}\",shard=\"0\"}} {count}\n");
    until(&line, async || {
        let metrics = server.get("/metrics").await;
        metrics.text().contains(&line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_kept_from_one_long_poll_to_the_next() {
    let server = Server::start();
    let mut http = Http::connect(server.address()).await;
    for number in 0..5 {
        let path = long_poll(&server).await;
        http.send("GET", &path, &[], b"").await;
        links(&server, "long-poll", 1).await;
        server.publish("a", &number.to_string()).await;
        let answer = http.response().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), None);
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.json()["events"][0]["data"], number);
    }
    http.write(HEALTH.as_bytes()).await;
    assert_eq!(http.response().await.text(), "ok\n");
}

#[tokio::test]
async fn a_connection_ends_with_its_answer_where_that_is_asked_for() {
    let server = Server::start();
    let path = long_poll(&server).await;
    let mut http = Http::connect(server.address()).await;
    http.send("GET", &path, &[("connection", "close")], b"")
        .await;
    links(&server, "long-poll", 1).await;
    server.publish("a", "1").await;
    let answer = http.response().await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.json()["events"][0]["data"], 1);
    assert!(soon("the end", http.is_closed()).await);
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for_longer_than_a_head_may_take() {
    let server = Server::configured("[limits]\nhead_timeout = \"200ms\"\n");
    let mut silent = Http::connect(server.address()).await;
    assert!(soon("the end", silent.is_closed()).await);
    // That bounds requests, and not how long their answers take.
    let path = long_poll(&server).await.replace("wait=60", "wait=1");
    let mut http = Http::connect(server.address()).await;
    http.send("GET", &path, &[], b"").await;
    assert_eq!(http.response().await.status, 200);
    assert!(soon("the end", http.is_closed()).await);
}

#[tokio::test]
async fn requests_that_come_while_an_answer_waits_are_answered_after_it() {
    let server = Server::start();
    // As many as are read with the one that waits, as are kept meanwhile, and as stay in the kernel.
    for count in [1, 50, 2000] {
        for is_at_once in [true, false] {
            let poll = request("1.1", &long_poll(&server).await, "");
            let rest = HEALTH.repeat(count);
            let mut http = Http::connect(server.address()).await;
            if is_at_once {
                http.write((poll + &rest).as_bytes()).await;
                links(&server, "long-poll", 1).await;
            } else {
                http.write(poll.as_bytes()).await;
                links(&server, "long-poll", 1).await;
                http.write(rest.as_bytes()).await;
            }
            server.publish("a", "1").await;
            assert_eq!(http.response().await.json()["events"][0]["data"], 1);
            for _ in 0..count {
                assert_eq!(http.response().await.text(), "ok\n");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_before_it_is_whole_however_late_it_is_read() {
    let server = Server::start();
    let large = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..50 {
        server.publish("a", &large).await;
    }
    let mut http = Http::connect(server.address()).await;
    let history = "/v1/channels/a/messages?limit=50";
    // With a body that nobody reads, the next request is looked at while the answer is being written.
    let history = request("1.1", history, "content-length: 2\r\n") + "xx";
    let stream = request("1.1", "/v1/events?channel=a", STREAM);
    // More than the kernel takes for a connection.
    const HISTORIES: usize = 5;
    http.write((history.repeat(HISTORIES) + &stream).as_bytes())
        .await;
    until("the history to be under way", async || {
        let waits = http.stream.inner().peek(&mut [0; 8192]).await.unwrap();
        (waits == 8192).then_some(())
    })
    .await;
    for _ in 0..HISTORIES {
        let history = http.response().await.json();
        assert_eq!(history["messages"].as_array().unwrap().len(), 50);
    }
    assert_eq!(http.head().await.status, 200);
    assert!(http.chunk().await.unwrap().starts_with(b": "));
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_in_its_manner() {
    let server = Server::start();
    // A stream has no frame, and ends with its connection.
    let mut http = Http::connect(server.address()).await;
    let headers = format!("{STREAM}connection: keep-alive\r\n");
    let stream = request("1.0", "/v1/events?channel=a", &headers);
    http.write(stream.as_bytes()).await;
    let head = http.head().await;
    assert_eq!((head.status, &*head.version), (200, "HTTP/1.0"));
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(head.header("connection"), Some("close"));
    server.publish("a", "\"plain\"").await;
    let text = http.text_until("\"plain\"").await;
    assert!(text.starts_with(": "), "{text}");
    assert!(!text.contains('\r'), "{text}");
    // A poll has a length, and the connection is kept for who asks for that.
    for (headers, connection) in [
        ("", "close"),
        ("connection: close\r\n", "close"),
        ("connection: keep-alive\r\n", "keep-alive"),
    ] {
        let path = long_poll(&server).await;
        let mut http = Http::connect(server.address()).await;
        http.write(request("1.0", &path, headers).as_bytes()).await;
        links(&server, "long-poll", 1).await;
        server.publish("a", "1").await;
        let answer = http.response().await;
        assert_eq!(answer.header("connection"), Some(connection));
        assert_eq!(answer.json()["events"][0]["data"], 1);
        if connection == "keep-alive" {
            http.write(request("1.0", "/healthz", "").as_bytes()).await;
            assert_eq!(http.response().await.text(), "ok\n");
        }
        assert!(soon("the end", http.is_closed()).await);
    }
}

#[tokio::test]
async fn who_hangs_up_is_gone_at_once_whatever_it_has_sent() {
    let server = Server::start();
    for headers in ["", STREAM] {
        let transport = if headers.is_empty() {
            "long-poll"
        } else {
            "sse"
        };
        for more in ["", HEALTH] {
            let begin = async || {
                let waiting = request("1.1", &long_poll(&server).await, headers);
                let mut http = Http::connect(server.address()).await;
                http.write((waiting + more).as_bytes()).await;
                links(&server, transport, 1).await;
                http
            };
            // It closes the connection, or says that it will send no more.
            drop(begin().await);
            links(&server, transport, 0).await;
            let mut http = begin().await;
            http.stream.shutdown().await.unwrap();
            links(&server, transport, 0).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_is_no_request() {
    let server = Server::start();
    let length = format!("content-length: {}", HEALTH.len());
    for expectation in ["", "expect: 100-continue\r\n"] {
        let headers = format!("{length}\r\n{expectation}");
        let poll = request("1.1", &long_poll(&server).await, &headers) + HEALTH;
        let mut http = Http::connect(server.address()).await;
        http.write(poll.as_bytes()).await;
        links(&server, "long-poll", 1).await;
        server.publish("a", "1").await;
        let answer = http.response().await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("close"))
        );
        assert!(soon("the end", http.is_closed()).await);
    }
}

#[tokio::test]
async fn a_refusal_comes_while_it_waits_as_well() {
    let server = Server::configured("[namespaces.\"\"]\npresence = false\n");
    let path = format!("{}&session=s1", long_poll(&server).await);
    let mut first = Http::connect(server.address()).await;
    let bob = [("authorization", "Bearer guest:bob")];
    first.send("GET", &path, &bob, b"").await;
    links(&server, "long-poll", 1).await;
    // Another request takes the session over.
    let mut second = Http::connect(server.address()).await;
    second.send("GET", &path, &bob, b"").await;
    let refused = first.response().await;
    assert_eq!((refused.status, &*refused.problem()), (503, "busy"));
    assert!(refused.header("retry-after").is_some());
    let metrics = server.get("/metrics").await;
    assert!(
        metrics
            .text()
            .contains("tidings_refusals_total{code=\"busy\"} 1\n")
    );
    first.write(HEALTH.as_bytes()).await;
    assert_eq!(first.response().await.text(), "ok\n");
}

#[tokio::test]
async fn a_stream_that_is_over_leaves_its_connection_to_the_next_request() {
    let server = Server::with_secret();
    let token = token(&["--user", "a", "--read", "*", "--expires", "2s"]);
    let bearer = format!("Bearer {token}");
    let headers = [
        ("accept", "text/event-stream"),
        ("authorization", bearer.as_str()),
    ];
    let mut http = Http::connect(server.address()).await;
    http.send("GET", "/v1/events?channel=a", &headers, b"")
        .await;
    assert_eq!(http.head().await.status, 200);
    let mut text = String::new();
    while let Some(chunk) = soon("the stream's end", http.chunk()).await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("token_expired"), "{text}");
    http.write(HEALTH.as_bytes()).await;
    assert_eq!(http.response().await.text(), "ok\n");
}

#[tokio::test]
async fn an_allowed_page_may_read_what_it_waited_for() {
    let server = Server::configured("allowed_origins = [\"https://app.example.org\"]\n");
    let origin = "origin: https://app.example.org\r\n";
    for headers in ["", STREAM] {
        let waiting = long_poll(&server).await;
        let waiting = request("1.1", &waiting, &format!("{origin}{headers}"));
        let mut http = Http::connect(server.address()).await;
        http.write(waiting.as_bytes()).await;
        links(
            &server,
            if headers.is_empty() {
                "long-poll"
            } else {
                "sse"
            },
            1,
        )
        .await;
        server.publish("a", "1").await;
        let head = http.head().await;
        let allowed = head.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example.org"));
        assert_eq!(
            head.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.header("vary"), Some("origin"));
    }
}

#[tokio::test]
async fn one_that_waits_or_will_ask_again_holds_little() {
    const CONNECTIONS: usize = 500;
    /// Far more than it takes, and far less than hyper would.
    const BYTES_EACH_MAX: u64 = 6 << 10;
    for (transport, headers) in [("poll", ""), ("long-poll", ""), ("sse", STREAM)] {
        let server = Server::configured("[namespaces.\"\"]\npresence = false\n");
        let path = match transport {
            "poll" => "/v1/events?channel=a".to_owned(),
            _ => long_poll(&server).await,
        };
        // What the first ones take for all.
        let mut kept = Vec::new();
        let mut before = 0;
        for number in 0..CONNECTIONS + 50 {
            if number == 50 {
                before = server.resident_bytes();
            }
            let mut http = Http::connect(server.address()).await;
            http.write(request("1.1", &path, headers).as_bytes()).await;
            match transport {
                "poll" => assert_eq!(http.response().await.status, 200),
                "sse" => assert_eq!(http.head().await.status, 200),
                _ => {}
            }
            kept.push(http);
        }
        let waiting = if transport == "poll" { 0 } else { kept.len() };
        links(&server, transport, waiting).await;
        let grown = server.resident_bytes().saturating_sub(before);
        let each = grown / CONNECTIONS as u64;
        assert!(each < BYTES_EACH_MAX, "{each} bytes for each {transport}");
    }
}
