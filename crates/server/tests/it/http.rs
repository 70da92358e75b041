//! The HTTP API: what it takes, what it answers, how it refuses.

use tidings_wire::{Data, Format};

use crate::support::door::Said;
use crate::support::server::Server;

const MESSAGES: &str = "/v1/channels/chat:a/messages";
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_repeated_id_is_stored_once_and_answered_the_same() {
    let server = Server::start();
    let body = r#"{"data":1,"id":"key"}"#;
    let first = server.ask("POST", MESSAGES, &[JSON], body).await;
    let second = server.ask("POST", MESSAGES, &[JSON], body).await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.body, second.body);
    assert_eq!(first.json()["id"], "key");
    let text = [("content-type", "text/plain")];
    let third = server
        .ask("POST", &format!("{MESSAGES}?id=key"), &text, "x")
        .await;
    assert_eq!(third.status, 200);
    let history = server.get(MESSAGES).await.json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn history_is_paged_both_ways() {
    let server = Server::start();
    let mut seqs = Vec::new();
    for number in 0..5 {
        seqs.push(server.publish("chat:a", &number.to_string()).await);
        server.publish("chat:b", "0").await;
    }
    let numbers = async |query: &str| -> Vec<u64> {
        let page = server.get(&format!("{MESSAGES}?{query}")).await.json();
        assert_eq!(page["truncated"], false, "{query}");
        let messages = page["messages"].as_array().unwrap().clone();
        messages
            .iter()
            .map(|message| message["data"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers("").await, [0, 1, 2, 3, 4]);
    assert_eq!(numbers("limit=2").await, [3, 4]);
    assert_eq!(
        numbers(&format!("limit=2&before={}", seqs[3])).await,
        [1, 2]
    );
    assert_eq!(numbers(&format!("limit=2&after={}", seqs[0])).await, [1, 2]);
    assert_eq!(numbers(&format!("after={}", seqs[4])).await, [] as [u64; 0]);
    for query in ["limit=0", "limit=1001", "limit=x", "after=e-1", "before=-1"] {
        let response = server.get(&format!("{MESSAGES}?{query}")).await;
        assert_eq!(
            (response.status, &*response.problem()),
            (400, "bad_request"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn every_answer_comes_in_cbor_to_who_asks_for_it() {
    let server = Server::start();
    let cbor = ("accept", "application/cbor");
    let octets = ("content-type", "application/octet-stream");
    let stored = server
        .ask("POST", MESSAGES, &[cbor, octets], [0, 255])
        .await;
    assert_eq!(stored.status, 201);
    let stored: Said = Format::Cbor.decode(&stored.body).unwrap();
    let history = server.ask("GET", MESSAGES, &[cbor], "").await;
    assert_eq!(history.header("content-type"), Some("application/cbor"));
    let history: Said = Format::Cbor.decode(&history.body).unwrap();
    assert_eq!(history.messages[0].seq, stored.seq);
    assert_eq!(history.messages[0].data(), Data::Bytes(vec![0, 255].into()));
    let presence = server
        .ask("GET", "/v1/channels/chat:a/presence", &[cbor], "")
        .await;
    let presence: Said = Format::Cbor.decode(&presence.body).unwrap();
    assert_eq!(presence.count, Some(0));
}

#[tokio::test]
async fn what_cannot_be_done_is_a_problem_with_a_code() {
    let server = Server::start();
    for (method, path, headers, body, status, code) in [
        ("GET", "/nothing", &[][..], "", 404, "not_found"),
        ("GET", "/v1/nothing", &[], "", 404, "not_found"),
        ("GET", "/chat/nothing.js", &[], "", 404, "not_found"),
        ("DELETE", MESSAGES, &[], "", 405, "method_not_allowed"),
        (
            "POST",
            "/v1/events?channel=a",
            &[],
            "",
            405,
            "method_not_allowed",
        ),
        ("GET", "/v1/events", &[], "", 400, "bad_request"),
        (
            "GET",
            "/v1/events?channel=a&after=7",
            &[],
            "",
            400,
            "bad_request",
        ),
        (
            "GET",
            "/v1/events?channel=a&wait=61",
            &[],
            "",
            400,
            "bad_request",
        ),
        ("GET", "/v1/events?channel=%ff", &[], "", 400, "bad_request"),
        (
            "GET",
            "/v1/channels/a*/messages",
            &[],
            "",
            400,
            "bad_request",
        ),
        (
            "GET",
            "/v1/channels/%ff/messages",
            &[],
            "",
            400,
            "bad_request",
        ),
        ("POST", MESSAGES, &[JSON], "{", 400, "bad_request"),
        ("POST", MESSAGES, &[JSON], "{}", 400, "bad_request"),
        ("POST", MESSAGES, &[], "x", 415, "unsupported_media_type"),
        (
            "POST",
            MESSAGES,
            &[("content-type", "application/x-www-form-urlencoded")],
            "hello",
            415,
            "unsupported_media_type",
        ),
    ] {
        let response = server.ask(method, path, headers, body).await;
        assert_eq!(response.status, status, "{method} {path}: {response:?}");
        assert_eq!(response.problem(), code, "{method} {path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        if status == 405 {
            assert!(
                response
                    .header("allow")
                    .is_some_and(|allow| allow.contains("GET"))
            );
        }
    }
}

#[tokio::test]
async fn the_chat_and_the_client_are_served_with_their_types_and_asked_for_again_cheaply() {
    let server = Server::start();
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().contains("<title>Tidings</title>"));
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| {
                policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'")
            })
    );
    // Whatever the page names is there.
    let mut files = 0;
    for piece in page
        .text()
        .split('"')
        .filter(|piece| piece.starts_with('/'))
    {
        let file = server.get(piece).await;
        assert_eq!(file.status, 200, "{piece}");
        let media_type = file.header("content-type").unwrap();
        let expected = match piece.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => media_type,
        };
        assert_eq!(media_type, expected, "{piece}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        files += 1;
    }
    assert!(files >= 2, "the page names its script and its style");
    let etag = page.header("etag").unwrap();
    let again = server.ask("GET", "/", &[("if-none-match", etag)], "").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let client = server.get("/client/client.js").await;
    assert_eq!(client.status, 200);
    assert_eq!(client.header("access-control-allow-origin"), Some("*"));
    // Tests and manifests stay at home.
    for path in [
        "/chat/package.json",
        "/chat/tsconfig.json",
        "/chat/../Cargo.toml",
    ] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}
