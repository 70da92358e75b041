//! What only polls do: waiting, preferences, limits of an answer, leases.

use std::time::{Duration, Instant};

use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::{soon, until};

async fn now(server: &Server) -> String {
    let response = server.get("/v1/events?channel=a").await;
    response.json()["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_cursor_it_answers_at_once_with_that_of_now() {
    let server = Server::start();
    server.publish("a", "1").await;
    let answer = server.get("/v1/events?channel=a&wait=60").await.json();
    assert!(
        answer["cursor"].as_str().unwrap().ends_with("-1"),
        "{answer}"
    );
    assert_eq!(answer["events"].as_array().unwrap().len(), 0);
    assert_eq!(answer["truncated"], false);
    assert_eq!(answer["more"], false);
}

#[tokio::test]
async fn a_long_poll_waits_for_what_happens() {
    let server = Server::start();
    let path = format!("/v1/events?channel=a&wait=60&after={}", now(&server).await);
    let waiting = async {
        let answer = server.get(&path).await.json();
        assert_eq!(answer["events"][0]["data"], 1);
    };
    let publishing = async {
        // The poll is on its way for certain once the server counts it.
        until("the poll", async || {
            let metrics = server.get("/metrics").await;
            let waits = "tidings_links{transport=\"long-poll\",shard=\"0\"} 1";
            metrics.text().contains(waits).then_some(())
        })
        .await;
        server.publish("a", "1").await;
    };
    tokio::join!(waiting, publishing);
}

#[tokio::test]
async fn a_preference_is_a_wait_and_is_confirmed() {
    let server = Server::start();
    let path = format!("/v1/events?channel=a&after={}", now(&server).await);
    let asked = Instant::now();
    let response = server.ask("GET", &path, &[("prefer", "wait=1")], "").await;
    assert!(asked.elapsed() >= Duration::from_secs(1), "it waited");
    assert_eq!(response.header("preference-applied"), Some("wait=1"));
    assert_eq!(response.json()["events"].as_array().unwrap().len(), 0);
    // Nobody is told of a preference that they did not state.
    let response = server.get(&path).await;
    assert_eq!(response.header("preference-applied"), None);
}

#[tokio::test]
async fn an_answer_has_at_most_as_many_events_as_were_asked_for_and_says_that_there_are_more() {
    let server = Server::start();
    let cursor = now(&server).await;
    for number in 0..5 {
        server.publish("a", &number.to_string()).await;
    }
    let mut seen = Vec::new();
    let mut after = cursor;
    loop {
        let path = format!("/v1/events?channel=a&limit=2&after={after}");
        let answer = server.get(&path).await.json();
        let events = answer["events"].as_array().unwrap();
        assert!(events.len() <= 2);
        seen.extend(events.iter().map(|event| event["data"].as_u64().unwrap()));
        after = answer["cursor"].as_str().unwrap().to_owned();
        assert_eq!(answer["more"], seen.len() < 5, "{answer}");
        if answer["more"] == false {
            break;
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_gone_at_once() {
    let server = Server::start();
    let cursor = now(&server).await;
    let path = format!("/v1/events?channel=a&wait=60&after={cursor}");
    let waiting = async |count: u32| {
        let line = format!("tidings_links{{transport=\"long-poll\",shard=\"0\"}} {count}\n");
        until(&line, async || {
            let metrics = server.get("/metrics").await;
            metrics.text().contains(&line).then_some(())
        })
        .await;
    };
    let mut http = Http::connect(server.address()).await;
    http.send("GET", &path, &[], b"").await;
    waiting(1).await;
    drop(http);
    waiting(0).await;
}

#[tokio::test]
async fn a_connection_is_kept_and_closed_when_that_is_asked_for() {
    let server = Server::start();
    let mut http = Http::connect(server.address()).await;
    for _ in 0..3 {
        http.send("GET", "/healthz", &[], b"").await;
        assert_eq!(http.response().await.status, 200);
    }
    // Two requests at once are answered in their order.
    let pair = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n\
        GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    http.write(pair).await;
    assert_eq!(http.response().await.text(), "ok\n");
    assert_eq!(http.response().await.text(), "ready\n");
    http.send("GET", "/healthz", &[("connection", "close")], b"")
        .await;
    let response = http.response().await;
    assert_eq!(response.header("connection"), Some("close"));
    assert!(soon("the end", http.is_closed()).await);
}

#[tokio::test]
async fn a_poller_stays_present_between_its_polls() {
    let server = Server::start();
    let path = format!(
        "/v1/events?channel=a&session=s1&after={}",
        now(&server).await
    );
    let bob = [("authorization", "Bearer guest:bob")];
    assert_eq!(server.ask("GET", &path, &bob, "").await.status, 200);
    let presence = server.get("/v1/channels/a/presence").await.json();
    assert_eq!(presence["users"][0]["user"], "bob", "{presence}");
    // What passes between two polls waits for the next one.
    let json = [("content-type", "application/json")];
    let signals = "/v1/channels/a/signals";
    let response = server.ask("POST", signals, &json, r#"{"data":1}"#).await;
    assert_eq!(response.status, 202);
    until("the signal", async || {
        let answer = server.ask("GET", &path, &bob, "").await.json();
        let events = answer["events"].as_array().unwrap().clone();
        events
            .iter()
            .any(|event| event["type"] == "signal")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_only_asks_is_not_present() {
    let server = Server::start();
    let path = format!("/v1/events?channel=a&after={}", now(&server).await);
    server.get(&path).await;
    let presence = server.get("/v1/channels/a/presence").await.json();
    assert_eq!(presence["count"], 0);
}

#[tokio::test]
async fn an_answer_that_was_not_waited_for_says_when_silence_is_alarming_and_where_the_log_ends() {
    let server = Server::configured("heartbeat = \"4s\"\n");
    let heartbeat = serde_json::json!({ "interval": 4000, "timeout": 1000, "tries": 2 });
    let after = now(&server).await;
    for number in ["1", "2"] {
        server.publish("b", number).await;
    }
    for query in ["", "&wait=60", &format!("&after={after}&limit=1")] {
        let path = format!("/v1/events?channel=b{query}");
        let answer = server.get(&path).await.json();
        assert_eq!(answer["heartbeat"], heartbeat, "{path}");
        assert_eq!(answer["newest"], 2, "{path}");
    }
    let path = format!("/v1/events?channel=a&after={after}&wait=1");
    let answer = server.get(&path).await.json();
    assert!(answer.get("heartbeat").is_none() && answer.get("newest").is_none());
}

#[tokio::test]
async fn a_poller_leaves_as_long_after_its_last_poll_as_any_client_may_be_silent() {
    let server = Server::configured("heartbeat = \"200ms\"\n");
    let path = format!(
        "/v1/events?channel=a&session=s1&after={}",
        now(&server).await
    );
    let bob = [("authorization", "Bearer guest:bob")];
    let polled = Instant::now();
    assert_eq!(server.ask("GET", &path, &bob, "").await.status, 200);
    until("nobody", async || {
        let presence = server.get("/v1/channels/a/presence").await.json();
        (presence["count"] == 0).then_some(())
    })
    .await;
    assert!(
        polled.elapsed() >= Duration::from_millis(300),
        "it had its time"
    );
}

#[tokio::test]
async fn a_guest_without_a_token_is_the_same_from_poll_to_poll() {
    let server = Server::start();
    let path = "/v1/events?channel=a&session=s1";
    let mut cursor = String::new();
    for poll in 0..3 {
        let after = match cursor.is_empty() {
            true => String::new(),
            false => format!("&after={cursor}"),
        };
        let answer = server.get(&format!("{path}{after}")).await.json();
        cursor = answer["cursor"].as_str().unwrap().to_owned();
        // Its own coming is told once; another guest each time would be news each time, and no long poll would wait.
        if poll > 1 {
            assert_eq!(answer["events"], serde_json::json!([]), "{answer}");
        }
    }
    let presence = server.get("/v1/channels/a/presence").await.json();
    assert_eq!(presence["count"], 1, "{presence}");
}
