//! What the metrics tell: in which form, of what, and where.

use std::collections::BTreeMap;

use tidings_wire::{Data, Format};

use crate::support::door::{Door, Follower, Hello, Publish, Way};
use crate::support::exposition::Exposition;
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::until;
use crate::support::websocket::Frames;

/// The page that explains them.
const PAGE: &str = include_str!("../../../../docs/metrics.md");

/// The families that the page explains of a server, but for those of a section: name, kind, labels.
pub(crate) fn explained_without(
    section: &str,
) -> BTreeMap<&'static str, (&'static str, Vec<&'static str>)> {
    let sections = PAGE.split("\n### ");
    let lines = sections
        .filter(|it| !it.starts_with(section))
        .flat_map(str::lines);
    let rows = lines.filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?;
        let is_family = name.starts_with("tidings_") || name.starts_with("process_");
        let (kind, labels) = (cells.next()?, cells.next()?);
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.trim_matches('`')).collect();
        is_family.then_some((name, (kind, labels)))
    });
    let rows: Vec<_> = rows.collect();
    let by_name: BTreeMap<_, _> = rows.iter().cloned().collect();
    assert_eq!(by_name.len(), rows.len(), "a family is explained twice");
    by_name
}

#[tokio::test]
async fn every_family_is_well_formed_and_explained_and_no_other_is() {
    let server = Server::configured("shards = 2\n");
    server.publish("a", "1").await;
    let response = server.get("/metrics").await;
    assert_eq!(
        response.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let metrics = Exposition::parse(response.text());
    let explained = explained_without("NATS\n");
    let names: Vec<_> = explained.keys().copied().collect();
    assert_eq!(metrics.names().into_iter().collect::<Vec<_>>(), names);
    for (name, family) in metrics.families() {
        let (kind, labels) = &explained[name];
        assert_eq!(family.kind, *kind, "{name}");
        assert_eq!(family.labels(), *labels, "{name}");
    }
}

#[tokio::test]
async fn what_happens_is_counted_over_every_door() {
    let server = Server::start();
    let mut followers = Vec::new();
    for (number, door) in Door::all().enumerate() {
        let name = format!("user-{number}");
        followers.push(Follower::open(&server, door, &name, &["a"]).await);
    }
    let before = server.metrics().await;
    server.publish("a", "1").await;
    let mut frames = Frames::open(&server, Format::Json).await;
    let (kind, token) = ("hello", "guest:bob".to_owned());
    frames.say(&Hello { kind, token }).await;
    let publish = Publish {
        kind: "publish",
        req: 1,
        channel: "a",
        data: Data::from_json("2").unwrap(),
    };
    frames.say(&publish).await;
    for follower in &mut followers {
        assert_eq!(follower.message().await.number(), 1);
        assert_eq!(follower.message().await.number(), 2);
    }
    let after = server.metrics().await;
    let more = |sample: &str| after.value(sample) - before.value(sample);
    assert_eq!(more("tidings_messages_published_total"), 2.0);
    assert_eq!(more("tidings_messages_published_bytes_total"), 2.0);
    assert_eq!(more("tidings_commit_messages_sum"), 2.0);
    let commits = more("tidings_commit_messages_count");
    assert_eq!(more("tidings_commit_seconds_count"), commits);
    assert_eq!(more("tidings_log_head"), 2.0);
    for transport in ["poll", "long-poll", "sse", "websocket"] {
        let deliveries = format!("tidings_deliveries_total{{transport=\"{transport}\"}}");
        let least = if transport == "sse" { 4.0 } else { 8.0 };
        assert!(more(&deliveries) >= least, "{transport}");
        let bytes = format!("tidings_sent_bytes_total{{transport=\"{transport}\"}}");
        assert!(more(&bytes) > 50.0 * more(&deliveries), "{transport}");
    }
    assert!(more("tidings_received_bytes_total{transport=\"websocket\"}") > 50.0);
    assert_eq!(
        more("tidings_received_bytes_total{transport=\"http\"}"),
        r#"{"data":1}"#.len() as f64
    );
    assert!(more("tidings_sent_bytes_total{transport=\"http\"}") > 1000.0);
    assert_eq!(after.value("tidings_channels{shard=\"0\"}"), 1.0);
    assert_eq!(
        after.value("tidings_links{transport=\"sse\",shard=\"0\"}"),
        2.0,
        "over either version of HTTP"
    );
    assert!(after.value("tidings_sessions{shard=\"0\"}") >= 14.0);
    assert!(after.value("tidings_tail_bytes{shard=\"0\"}") > 0.0);
    assert_eq!(after.sum("tidings_refusals_total"), 0.0);
    // It is measured when the followers have been given it, which they may know before.
    until("the lag of each batch", async || {
        let metrics = server.metrics().await;
        let lags = metrics.value("tidings_delivery_lag_seconds_count{shard=\"0\"}");
        (lags >= commits).then_some(())
    })
    .await;
}

#[tokio::test]
async fn signals_and_repeated_publishes_are_not_counted_as_messages() {
    let server = Server::start();
    let json = [("content-type", "application/json")];
    for status in [201, 200] {
        let path = "/v1/channels/a/messages";
        let body = r#"{"data":1,"id":"x"}"#;
        let response = server.ask("POST", path, &json, body).await;
        assert_eq!(response.status, status);
    }
    let path = "/v1/channels/a/signals";
    let response = server.ask("POST", path, &json, r#"{"data":1}"#).await;
    assert_eq!(response.status, 202);
    let metrics = server.metrics().await;
    assert_eq!(metrics.value("tidings_messages_published_total"), 1.0);
    assert_eq!(metrics.value("tidings_messages_repeated_total"), 1.0);
    assert_eq!(metrics.value("tidings_signals_published_total"), 1.0);
}

#[tokio::test]
async fn a_refusal_is_counted_by_its_code_whoever_is_refused() {
    let server =
        Server::configured("[limits]\nconnections = 4\n[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let refusals = |metrics: &Exposition, code: &str| {
        metrics.value(&format!("tidings_refusals_total{{code=\"{code}\"}}"))
    };
    // By the router, by a door that streams, before any door, and by a limit.
    server.get("/nowhere").await;
    server.get("/v1/events").await;
    let foreign = [("host", "evil.example")];
    server.ask("GET", "/healthz", &foreign, "").await;
    let mut frames = Frames::open(&server, Format::Json).await;
    for _ in 0..8 {
        if frames.websocket.send("nonsense").await.is_err() {
            break;
        }
    }
    assert_eq!(frames.close_code().await, 1008);
    let metrics = server.metrics().await;
    assert_eq!(refusals(&metrics, "not_found"), 1.0);
    assert_eq!(
        refusals(&metrics, "bad_request"),
        9.0,
        "one and eight frames"
    );
    assert_eq!(metrics.sum("tidings_refusals_total"), 11.0);
    let closes = "tidings_closes_total{code=\"bad_request\"}";
    assert_eq!(metrics.value(closes), 1.0);
    drop(frames);
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(Follower::open(&server, Way::Sse, "bob", &["a"]).await);
    }
    let mut one_more = Http::connect(server.address()).await;
    assert_eq!(one_more.response().await.status, 503);
    let metrics = server.metrics().await;
    assert_eq!(metrics.value("tidings_connections_refused_total"), 1.0);
    assert_eq!(metrics.value("tidings_connections_max"), 4.0);
    assert_eq!(refusals(&metrics, "busy"), 1.0);
}

#[tokio::test]
async fn a_follower_that_does_not_read_is_seen_until_it_does() {
    let server = Server::configured("[heartbeat]\ninterval = \"1h\"\n");
    let behind = "tidings_followers_behind{shard=\"0\"}";
    let unsent = "tidings_unsent_bytes{shard=\"0\"}";
    let mut stalled = Follower::open(&server, Way::WebSocket(Format::Json), "bob", &["a"]).await;
    let metrics = server.metrics().await;
    assert_eq!((metrics.value(behind), metrics.value(unsent)), (0.0, 0.0));
    // More than the kernel takes for one connection.
    let large = format!("\"{}\"", "x".repeat(60_000));
    let mut count = 0;
    until("somebody behind", async || {
        server.publish("a", &large).await;
        count += 1;
        let metrics = server.metrics().await;
        let is_seen = metrics.value(behind) == 1.0 && metrics.value(unsent) > 0.0;
        is_seen.then_some(())
    })
    .await;
    for _ in 0..count {
        stalled.message().await;
    }
    until("nobody behind", async || {
        let metrics = server.metrics().await;
        let is_over = metrics.value(behind) == 0.0 && metrics.value(unsent) == 0.0;
        is_over.then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_of_their_own_is_the_only_one() {
    let server = Server::configured("[metrics]\nlisten = \"127.0.0.1:0\"\n");
    assert_ne!(server.metrics_address(), server.address());
    server.publish("a", "1").await;
    let metrics = server.metrics().await;
    assert_eq!(metrics.value("tidings_messages_published_total"), 1.0);
    let public = server.get("/metrics").await;
    assert_eq!((public.status, &*public.problem()), (404, "not_found"));
    // One connection for many scrapes; and nothing else is there.
    let mut http = Http::connect(server.metrics_address()).await;
    for (method, path, status) in [
        ("GET", "/metrics", 200),
        ("GET", "/metrics?x=y", 200),
        ("POST", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/v1/channels/a/messages", 404),
        ("GET", "/metrics", 200),
    ] {
        http.send(method, path, &[], b"").await;
        let response = http.response().await;
        assert_eq!(response.status, status, "{method} {path}");
        if status == 405 {
            assert_eq!(response.header("allow"), Some("GET, HEAD"));
        }
    }
}
