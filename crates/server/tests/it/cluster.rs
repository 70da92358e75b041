//! Several servers on NATS are one, and say so when NATS is away.

use std::collections::BTreeMap;

use serde_json::Value;
use tidings_testkit::nats::Server as Nats;

use crate::metrics::explained_without;
use crate::support::server::{Server, tidings};
use crate::support::until;

fn config(nats: &Nats) -> String {
    format!("engine = \"{}\"\n", nats.url())
}

/// The places of an answer's messages.
fn events(answer: &Value) -> Vec<u64> {
    let events = answer["events"].as_array().unwrap();
    // Those who come and go have none.
    events.iter().filter_map(|it| it["seq"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_one_server_is_good_at_the_others() {
    let nats = Nats::start("");
    let servers = [(); 3].map(|()| Server::configured(&config(&nats)));
    let begin = servers[0].get("/v1/events?channel=a").await.json();
    let mut cursor = begin["cursor"].as_str().unwrap().to_owned();
    for round in 1..=30 {
        // Published at one, and asked for at the next one with what the one before has said.
        let seq = servers[round % 3].publish("a", &round.to_string()).await;
        let path = format!("/v1/events?channel=a&wait=10&after={cursor}");
        let answer = servers[(round + 1) % 3].get(&path).await.json();
        assert_eq!(
            (&answer["truncated"], events(&answer)),
            (&Value::Bool(false), vec![seq])
        );
        cursor = answer["cursor"].as_str().unwrap().to_owned();
    }
    let history = servers[2]
        .get("/v1/channels/a/messages?limit=100")
        .await
        .json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_over_several_logs_is_good_at_the_others() {
    const CHANNELS: [&str; 6] = ["a", "b", "c", "d", "short:a", "short:b"];
    let nats = Nats::start("");
    let logs = "[nats]\nshards = 3\n[namespaces.short.retention]\nmessages = 100\n";
    let servers = [(); 3].map(|()| Server::configured(&format!("{}{logs}", config(&nats))));
    let path = format!(
        "/v1/events?channel={}&wait=10&limit=4",
        CHANNELS.join("&channel=")
    );
    let begin = servers[0].get(&path.replace("&wait=10", "")).await.json();
    let mut cursor = begin["cursor"].as_str().unwrap().to_owned();
    assert!(
        cursor.contains('.'),
        "the channels are in several logs: {cursor}"
    );
    let mut heard = BTreeMap::new();
    for round in 0..20 {
        for channel in CHANNELS {
            servers[round % 3]
                .publish(channel, &round.to_string())
                .await;
        }
    }
    // Each page at another server, from where the one before has ended.
    let mut turn = 0;
    while heard.values().map(Vec::len).sum::<usize>() < 20 * CHANNELS.len() {
        turn += 1;
        let answer = servers[turn % 3]
            .get(&format!("{path}&after={cursor}"))
            .await
            .json();
        assert_eq!(answer["truncated"], false);
        cursor = answer["cursor"].as_str().unwrap().to_owned();
        for event in answer["events"].as_array().unwrap() {
            let channel = event["channel"].as_str().unwrap().to_owned();
            heard
                .entry(channel)
                .or_insert_with(Vec::new)
                .push(event["data"].as_u64().unwrap());
        }
    }
    for (channel, data) in heard {
        assert_eq!(data, (0..20).collect::<Vec<_>>(), "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_a_server_is_not_ready_and_stores_nothing() {
    let nats = Nats::start("");
    let server = Server::configured(&config(&nats));
    // Somebody who polls now and then, so that the channel is followed.
    let poll = "/v1/events?channel=a&session=ada";
    let begin = server.get(poll).await.json();
    server.publish("a", "1").await;
    assert_eq!(server.get("/readyz").await.status, 200);
    nats.kill();
    until("it to be known", async || {
        (server.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "a restart would not help"
    );
    let body = br#"{"data":2,"id":"two"}"#;
    let path = "/v1/channels/a/messages";
    let json = [("content-type", "application/json")];
    let refused = server.ask("POST", path, &json, body).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (503, "unavailable")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.get(path).await.status, 503, "history is in NATS");
    let cursor = begin["cursor"].as_str().unwrap();
    let followed = server.get(&format!("{poll}&after={cursor}")).await;
    assert_eq!(events(&followed.json()), [1], "what is followed is here");
    nats.restart();
    until("it to be well", async || {
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    // The client says it again.
    let stored = server.ask("POST", path, &json, body).await.json();
    assert_eq!(stored["seq"], 2);
    let messages = server.get(path).await.json()["messages"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(messages, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_a_cluster_are_explained() {
    let nats = Nats::start("");
    let servers = [(); 2].map(|()| Server::configured(&config(&nats)));
    servers[0].publish("a", "1").await;
    until("the servers to know each other", async || {
        let metrics = servers[1].metrics().await;
        let is_there = metrics.value("tidings_nats_nodes") == 2.0
            && metrics.value("tidings_nats_messages_total{way=\"live\"}") == 1.0;
        is_there.then_some(())
    })
    .await;
    let metrics = servers[0].metrics().await;
    assert_eq!(metrics.value("tidings_messages_published_total"), 1.0);
    assert_eq!(metrics.value("tidings_nats_up"), 1.0);
    assert_eq!(
        metrics.value("tidings_nats_stream_head{stream=\"TD_any_0\"}"),
        1.0
    );
    let mut explained = explained_without("The log\n");
    explained.remove("tidings_messages_deleted_total");
    let told: BTreeMap<_, _> = metrics.families().collect();
    assert_eq!(
        told.keys().copied().collect::<Vec<_>>(),
        explained.keys().copied().collect::<Vec<_>>()
    );
    for (name, family) in told {
        let (kind, labels) = &explained[name];
        assert_eq!(family.kind, *kind, "{name}");
        assert_eq!(family.labels(), *labels, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_looked_at_without_being_changed() {
    let nats = Nats::start("");
    let look = |what: &str| {
        let output = tidings()
            .args(["nats", what, "--engine", &nats.url()])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    for what in ["plan", "plan", "check"] {
        let (code, text) = look(what);
        assert!(
            text.contains("stream   TD_any_0: is to be made\n"),
            "{text}"
        );
        assert_eq!(code, Some(if what == "plan" { 0 } else { 1 }));
    }
    let server = Server::configured(&config(&nats));
    let (code, text) = look("check");
    assert!(
        text.contains("stream   TD_any_0: is as it should be\n"),
        "{text}"
    );
    assert_eq!(code, Some(0));
    drop(server);
    let nowhere = tidings()
        .args(["nats", "check", "--engine", "nats://127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(
        String::from_utf8(nowhere.stderr)
            .unwrap()
            .contains("nats-server --jetstream")
    );
}

#[test]
fn nats_is_logged_in_to_by_its_url() {
    let nats = Nats::start(r#"authorization { user: "ada", password: "se@cret" }"#);
    let plan = |login: &str| {
        let url = nats.url().replace("nats://", &format!("nats://{login}@"));
        let output = tidings().args(["nats", "plan", "--engine", &url]).output();
        let output = output.unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), complaint)
    };
    assert_eq!(plan("ada:se%40cret"), (Some(0), String::new()));
    let (code, complaint) = plan("ada:hidden");
    assert_eq!(code, Some(2));
    assert!(
        complaint.contains("the user ada with this password") && !complaint.contains("hidden"),
        "{complaint}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_stream_has_lost_its_end_ends_and_begins_anew() {
    let nats = Nats::start("");
    let mut servers = [(); 2].map(|()| Server::configured(&config(&nats)));
    for data in ["1", "2", "3"] {
        servers[0].publish("a", data).await;
    }
    nats.keep();
    servers[0].publish("a", "4").await;
    let path = "/v1/events?channel=a";
    let cursor = servers[1].get(path).await.json()["cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    nats.lose();

    // Whoever publishes is told to try again, until the server has found out and ends.
    let publish = "/v1/channels/a/messages";
    let json = [("content-type", "application/json")];
    until("a publish to tell", async || {
        let body = br#"{"data":5,"id":"five"}"#;
        let refused = servers[0].ask("POST", publish, &json, body).await;
        assert_eq!(refused.status, 503, "{refused:?}");
        refused.text().contains("lost its end").then_some(())
    })
    .await;
    for server in &mut servers {
        assert_eq!(server.ended().await.code(), Some(1));
        server.has_said("must be started again").await;
        server.has_said("Start it again").await;
    }

    for server in &mut servers {
        server.restart();
        let told = server.get(&format!("{path}&after={cursor}")).await.json();
        assert_eq!(told["truncated"], true, "{told}");
        let history = server.get(publish).await.json();
        let messages = history["messages"].as_array().unwrap().iter();
        let left: Vec<_> = messages.map(|it| it["data"].as_u64().unwrap()).collect();
        assert_eq!(left, [1, 2, 3, 5], "four is lost");
    }
    // The publisher tries again, and goes on.
    let body = br#"{"data":5,"id":"five"}"#;
    let stored = servers[0].ask("POST", publish, &json, body).await;
    assert_eq!(
        (stored.status, stored.json()["seq"].as_u64()),
        (200, Some(4))
    );
    assert_eq!(servers[1].publish("a", "6").await, 5);
}
