//! Who is let in, over every door: tokens, tickets, cookies, guests, origins and hosts.

use std::process::Stdio;

use tidings_wire::Format;

use crate::support::door::{Hello, Said, Subscribe};
use crate::support::http::Http;
use crate::support::server::{SECRET, Server, tidings};
use crate::support::websocket::Frames;

/// A token made by the real `tidings token`.
pub(crate) fn token(arguments: &[&str]) -> String {
    let output = tidings()
        .arg("token")
        .args(arguments)
        .env("TIDINGS_AUTH_SECRET", SECRET)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn alice() -> String {
    token(&[
        "--user",
        "alice",
        "--read",
        "chat:*",
        "--write",
        "chat:lobby",
    ])
}

/// Every path that needs an identity.
const DOORS: [(&str, &str); 7] = [
    ("GET", "/v1/events?channel=chat:lobby"),
    ("GET", "/v1/channels/chat:lobby/messages"),
    ("POST", "/v1/channels/chat:lobby/messages"),
    ("POST", "/v1/channels/chat:lobby/signals"),
    ("GET", "/v1/channels/chat:lobby/presence"),
    ("POST", "/v1/tickets"),
    ("STREAM", "/v1/events?channel=chat:lobby"),
];

/// The status of one of [`DOORS`].
async fn knock(server: &Server, (method, path): (&str, &str), more: &[(&str, &str)]) -> u16 {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(more);
    let (method, body) = match method {
        "STREAM" => {
            headers.push(("accept", "text/event-stream"));
            ("GET", "")
        }
        "POST" => ("POST", r#"{"data":1}"#),
        other => (other, ""),
    };
    let mut http = Http::connect(server.address()).await;
    http.send(method, path, &headers, body.as_bytes()).await;
    http.head().await.status
}

#[tokio::test]
async fn with_a_secret_nobody_comes_in_without_a_good_token() {
    let server = Server::with_secret();
    let forged = {
        let mut forged = alice();
        let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
        forged.push(last);
        format!("Bearer {forged}")
    };
    let good = format!("Bearer {}", alice());
    for door in DOORS {
        assert_eq!(knock(&server, door, &[]).await, 401, "{door:?}");
        for bad in ["Bearer guest:alice", "Bearer x", "Basic YTpi", &forged] {
            let status = knock(&server, door, &[("authorization", bad)]).await;
            assert_eq!(status, 401, "{door:?} {bad}");
        }
        let status = knock(&server, door, &[("authorization", &good)]).await;
        assert!((200..300).contains(&status), "{door:?} {status}");
    }
    let refused = server.get("/v1/channels/chat:lobby/messages").await;
    assert_eq!(refused.problem(), "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    // How it is, and its files, are everybody's.
    for path in ["/", "/v1/info", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(server.get("/v1/info").await.json()["auth"], "token");
}

#[tokio::test]
async fn a_token_says_what_may_be_read_and_written() {
    let server = Server::with_secret();
    let bearer = format!("Bearer {}", alice());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = r#"{"data":1}"#;
    for (method, path, code) in [
        ("POST", "/v1/channels/chat:other/messages", "forbidden"),
        ("POST", "/v1/channels/chat:other/signals", "forbidden"),
        ("GET", "/v1/channels/news/messages", "forbidden"),
        ("GET", "/v1/channels/news/presence", "forbidden"),
        (
            "GET",
            "/v1/events?channel=chat:lobby&channel=news",
            "forbidden",
        ),
    ] {
        let response = server.ask(method, path, &headers, body).await;
        assert_eq!(response.status, 403, "{path}");
        assert_eq!(response.problem(), code, "{path}");
    }
    let path = "/v1/channels/chat:lobby/messages";
    let response = server.ask("POST", path, &headers, body).await;
    assert_eq!(response.status, 201);
    let history = server.ask("GET", path, &headers, "").await.json();
    assert_eq!(history["messages"][0]["from"], "alice");
}

#[tokio::test]
async fn a_token_that_has_expired_is_told_from_a_bad_one() {
    let server = Server::with_secret();
    let short = token(&["--user", "a", "--read", "*", "--expires", "0s"]);
    let bearer = format!("Bearer {short}");
    let headers = [("authorization", bearer.as_str())];
    let path = "/v1/channels/a/messages";
    crate::support::until("the expiry", async || {
        let response = server.ask("GET", path, &headers, "").await;
        (response.status == 401).then(|| assert_eq!(response.problem(), "token_expired"))
    })
    .await;
}

#[tokio::test]
async fn a_websocket_says_who_it_is_in_its_handshake_or_in_its_hello() {
    let server = Server::with_secret();
    let alice = alice();
    let bearer = format!("Bearer {alice}");
    let cookie = format!("tidings_token={alice}");
    let origin = server.url();
    let known: [&[(&'static str, &str)]; 2] = [
        &[("authorization", &bearer)],
        &[("cookie", &cookie), ("origin", &origin)],
    ];
    for headers in known {
        let mut frames = Frames::try_open(&server, Format::Json, "", headers)
            .await
            .unwrap();
        let hello: Said = frames.hear().await.unwrap();
        assert_eq!(
            (&*hello.kind, hello.user.as_deref()),
            ("hello", Some("alice"))
        );
    }
    let mut frames = Frames::open(&server, Format::Cbor).await;
    let (kind, token) = ("hello", alice);
    frames.say(&Hello { kind, token }).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(
        (&*hello.kind, hello.user.as_deref()),
        ("hello", Some("alice"))
    );
    let (kind, req, after) = ("subscribe", 1, None);
    let channel = "news";
    frames
        .say(&Subscribe {
            kind,
            req,
            channel,
            after,
        })
        .await;
    let error: Said = frames.hear().await.unwrap();
    assert_eq!((&*error.kind, error.req), ("error", Some(1)));
    assert_eq!(error.code.as_deref(), Some("forbidden"));
}

#[tokio::test]
async fn a_websocket_of_a_stranger_is_closed() {
    let server = Server::with_secret();
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, token) = ("hello", "guest:alice".to_owned());
    frames.say(&Hello { kind, token }).await;
    assert_eq!(frames.close_code().await, 4001);
    let refused = Frames::try_open(
        &server,
        Format::Json,
        "",
        &[("authorization", "Bearer nonsense")],
    )
    .await;
    let status = refused.err().and_then(|error| error.status());
    assert_eq!(status.map(|status| status.as_u16()), Some(401));
    // One that says nothing is closed as well, after five seconds.
    let mut frames = Frames::open(&server, Format::Json).await;
    assert_eq!(frames.close_code().await, 4004);
}

#[tokio::test]
async fn a_ticket_stands_for_a_token_once() {
    for (server, bearer) in [
        (Server::with_secret(), format!("Bearer {}", alice())),
        (Server::start(), "Bearer guest:alice".to_owned()),
    ] {
        let headers = [("authorization", bearer.as_str())];
        let response = server.ask("POST", "/v1/tickets", &headers, "").await;
        assert_eq!(response.status, 201);
        let answer = response.json();
        assert_eq!(answer["expires_in_ms"], 30_000);
        let ticket = answer["ticket"].as_str().unwrap();
        let path = format!("/v1/channels/chat:lobby/messages?ticket={ticket}");
        assert_eq!(server.get(&path).await.status, 200);
        let again = server.get(&path).await;
        assert_eq!(again.status, 401);
        assert_eq!(again.problem(), "unauthenticated");
    }
    let server = Server::start();
    let headers = [("authorization", "Bearer guest:alice")];
    let response = server.ask("POST", "/v1/tickets", &headers, "").await;
    let query = format!("?ticket={}", response.json()["ticket"].as_str().unwrap());
    let mut frames = Frames::try_open(&server, Format::Json, &query, &[])
        .await
        .unwrap();
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(hello.user.as_deref(), Some("alice"));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_at_every_door() {
    let server = Server::configured("allowed_origins = [\"https://app.example.org\"]\n");
    for door in DOORS {
        for origin in ["https://evil.example.org", "null", "http://127.0.0.1:1"] {
            let status = knock(&server, door, &[("origin", origin)]).await;
            assert_eq!(status, 403, "{door:?} {origin}");
        }
        for origin in ["https://app.example.org", &server.url()] {
            let status = knock(&server, door, &[("origin", origin)]).await;
            assert!((200..300).contains(&status), "{door:?} {origin} {status}");
        }
    }
    let evil = [("origin", "https://evil.example.org")];
    let refused = server.ask("GET", "/v1/info", &evil, "").await;
    assert_eq!(refused.problem(), "origin_refused");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let refused = Frames::try_open(&server, Format::Json, "", &evil).await;
    let status = refused.err().and_then(|error| error.status());
    assert_eq!(status.map(|status| status.as_u16()), Some(403));
    let allowed = [("origin", "https://app.example.org")];
    assert!(
        Frames::try_open(&server, Format::Json, "", &allowed)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_allowed_page_is_told_so_before_and_after() {
    let server = Server::configured("allowed_origins = [\"https://app.example.org\"]\n");
    let path = "/v1/channels/a/messages";
    let preflight = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ]
    };
    let yes = server
        .ask("OPTIONS", path, &preflight("https://app.example.org"), "")
        .await;
    assert_eq!(yes.status, 204);
    let allowed = Some("https://app.example.org");
    assert_eq!(yes.header("access-control-allow-origin"), allowed);
    assert_eq!(
        yes.header("access-control-allow-methods"),
        Some("GET, POST")
    );
    let headers = yes.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("content-type"));
    let no = server
        .ask("OPTIONS", path, &preflight("https://evil.example.org"), "")
        .await;
    assert_eq!(no.status, 403);
    assert_eq!(no.header("access-control-allow-origin"), None);
    let origin = [("origin", "https://app.example.org")];
    let answer = server.ask("GET", path, &origin, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), allowed);
    assert!(answer.header("vary").unwrap().contains("origin"));
}

#[tokio::test]
async fn guests_reach_the_server_under_loopback_names_only() {
    let server = Server::start();
    for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]:80"] {
        let response = server.ask("GET", "/v1/info", &[("host", host)], "").await;
        assert_eq!(response.status, 200, "{host}");
    }
    for path in ["/", "/v1/info", "/v1/events?channel=a"] {
        let rebound = [
            ("host", "evil.example.org"),
            ("origin", "http://evil.example.org"),
        ];
        let response = server.ask("GET", path, &rebound, "").await;
        assert_eq!(response.status, 403, "{path}");
        assert_eq!(response.problem(), "origin_refused");
    }
    // With a secret there are no guests, and the server may have any name.
    let server = Server::with_secret();
    let response = server
        .ask("GET", "/v1/info", &[("host", "chat.example.org")], "")
        .await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_cookie_is_not_taken_from_another_sites_page() {
    let server = Server::with_secret();
    let cookie = format!("a=b; tidings_token={}", alice());
    let own = server.url();
    let path = "/v1/channels/chat:lobby/messages";
    let ask = async |method: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("cookie", &*cookie), ("content-type", "application/json")];
        headers.extend(more);
        server
            .ask(method, path, &headers, r#"{"data":1}"#)
            .await
            .status
    };
    assert_eq!(ask("GET", &[]).await, 200);
    assert_eq!(ask("GET", &[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(
        ask("POST", &[]).await,
        403,
        "browsers say where a POST comes from"
    );
    assert_eq!(
        ask("POST", &[("origin", "https://evil.example.org")]).await,
        403
    );
    assert_eq!(ask("POST", &[("origin", &own)]).await, 201);
}

#[tokio::test]
async fn a_guest_who_says_nothing_is_welcomed_under_a_name_of_the_servers_choice() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(hello.kind, "hello");
    assert!(hello.user.unwrap().starts_with("guest-"));
}

#[tokio::test]
async fn a_guest_who_begins_without_a_hello_is_welcomed_as_well() {
    let server = Server::start();
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, req, after) = ("subscribe", 1, None);
    let channel = "a";
    let subscribe = Subscribe {
        kind,
        req,
        channel,
        after,
    };
    frames.say(&subscribe).await;
    let hello: Said = frames.hear().await.unwrap();
    assert_eq!(hello.kind, "hello");
    let subscribed: Said = frames.hear().await.unwrap();
    assert_eq!((&*subscribed.kind, subscribed.req), ("subscribed", Some(1)));
}
