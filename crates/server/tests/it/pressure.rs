//! More than the server can take, or its clients: many who do not read, a disk that does not write.

use tidings_wire::{Data, Format};

use crate::support::door::{Follower, Hello, Publish, Said, Way};
use crate::support::server::Server;
use crate::support::websocket::Frames;
use crate::support::{soon, until};

/// Who does not read its pings for half a minute is given up otherwise.
const PATIENT: &str = "[heartbeat]\ninterval = \"1h\"\n";

/// A text of so many bytes, as JSON.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes))
}

#[tokio::test]
async fn many_who_do_not_read_cost_cursors_and_no_memory() {
    const STALLED: usize = 50;
    const MESSAGES: usize = 1_200;
    // Small ones are copied to whoever has them wait, where large ones would be shared.
    const MESSAGE_BYTES: usize = 3_000;
    let server = Server::configured(PATIENT);
    let door = Way::WebSocket(Format::Json);
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let name = format!("stalled-{number}");
        stalled.push(Follower::open(&server, door, &name, &["a"]).await);
    }
    let mut live = Follower::open(&server, door, "live", &["a"]).await;
    let before = server.resident_bytes();
    let mut seqs = Vec::new();
    for _ in 0..MESSAGES {
        let seq = server.publish("a", &text(MESSAGE_BYTES)).await;
        assert_eq!(live.message().await.seq, Some(seq));
        seqs.push(seq);
    }
    let growth = server.resident_bytes().saturating_sub(before);
    // Queued for each of them it would be 180 MB.
    assert!(growth < 50_000_000, "it grew by {growth} bytes");
    for follower in &mut stalled {
        for seq in &seqs {
            assert_eq!(follower.message().await.seq, Some(*seq));
        }
    }
}

#[tokio::test]
async fn where_only_the_newest_counts_a_slow_reader_is_not_given_what_it_missed() {
    let config = format!("{PATIENT}[namespaces.price]\nbehind = \"newest\"\n");
    let server = Server::configured(&config);
    for door in [Way::WebSocket(Format::Json), Way::Sse] {
        let mut slow = Follower::open(&server, door, "slow", &["price:a"]).await;
        let mut newest = 0;
        for _ in 0..200 {
            newest = server.publish("price:a", &text(60_000)).await;
        }
        let (mut given, mut last) = (0, 0);
        while last < newest {
            last = slow.message().await.seq.unwrap();
            given += 1;
        }
        assert!(slow.was_truncated, "{door:?}: it is told");
        assert!(given < 200, "{door:?}: it was given all");
        // From here on it follows as before.
        let next = server.publish("price:a", "1").await;
        let message = slow.message().await;
        assert_eq!((message.seq, message.prev), (Some(next), Some(newest)));
    }
}

/// Says what the answers to `count` publishes were: how many were stored, and how many refused as `busy`.
async fn answers(publisher: &mut Frames, count: usize) -> (usize, usize) {
    let (mut published, mut busy) = (0, 0);
    while published + busy < count {
        let said: Said = publisher.hear().await.unwrap();
        match (&*said.kind, said.code.as_deref()) {
            ("published", _) => published += 1,
            ("error", Some("busy")) => busy += 1,
            ("hello", _) => {}
            _ => panic!("{said:?}"),
        }
    }
    (published, busy)
}

#[tokio::test]
async fn what_a_slow_disk_cannot_take_is_refused_and_what_was_acknowledged_is_kept() {
    // More than wait for the writer at most, and as many a session as it may have under way.
    const PUBLISHERS: usize = 48;
    const EACH: usize = 256;
    let mut server = Server::start();
    let mut publishers = Vec::new();
    for number in 0..PUBLISHERS {
        let mut frames = Frames::open(&server, Format::Json).await;
        let (kind, token) = ("hello", format!("guest:{number}"));
        frames.say(&Hello { kind, token }).await;
        publishers.push(frames);
    }
    // Somebody else writes to the file, so that the log waits.
    let file = server.data().join("messages.db");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for frames in &mut publishers {
        for req in 0..EACH {
            frames.feed(&Publish {
                kind: "publish",
                req: req as u64,
                channel: "a",
                data: Data::from_text("x"),
            });
        }
        soon("room to write", frames.websocket.flush())
            .await
            .unwrap();
    }
    // The server answers others meanwhile, and a publish that finds no place is told so at once.
    let refused = until("a refusal", async || {
        let json = [("content-type", "application/json")];
        let path = "/v1/channels/a/messages";
        let asked = server.ask("POST", path, &json, "{\"data\":1}");
        let answer = tokio::time::timeout(std::time::Duration::from_millis(500), asked).await;
        answer.ok()
    })
    .await;
    assert_eq!((refused.status, &*refused.problem()), (503, "busy"));
    assert_eq!(server.get("/healthz").await.status, 200);
    other.execute_batch("COMMIT").unwrap();
    let (mut published, mut busy) = (0, 0);
    for frames in &mut publishers {
        let (some, others) = answers(frames, EACH).await;
        published += some;
        busy += others;
    }
    // On a slow machine the log may have given up on all that it had, and so refused it.
    assert!(busy > 0, "{published} stored and none refused");
    server.publish("b", "1").await;
    server.kill();
    server.restart();
    let (mut stored, mut after) = (0, 0);
    loop {
        let path = format!("/v1/channels/a/messages?limit=1000&after={after}");
        let history = server.get(&path).await.json();
        let messages = history["messages"].as_array().unwrap();
        let Some(last) = messages.last() else {
            break;
        };
        after = last["seq"].as_u64().unwrap();
        stored += messages.iter().filter(|it| it["data"] == "x").count();
    }
    assert_eq!(stored, published, "the acknowledged, and only those");
}

#[tokio::test]
async fn hundreds_who_come_back_at_once_share_what_is_read_for_them() {
    const CLIENTS: usize = 300;
    const MISSED: usize = 100;
    let mut server = Server::start();
    let door = Way::WebSocket(Format::Json);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let name = format!("user-{number}");
        clients.push(Follower::open(&server, door, &name, &["a"]).await);
    }
    let mut cursors = Vec::new();
    for mut client in clients {
        client.cut();
        cursors.push(client.cursor.clone());
    }
    let mut seqs = Vec::new();
    for number in 0..MISSED {
        seqs.push(server.publish("a", &number.to_string()).await);
    }
    // Nobody followed, so nothing is in memory; and a restart forgets the rest.
    server.kill();
    server.restart();
    let come_back = cursors
        .into_iter()
        .enumerate()
        .map(async |(number, cursor)| {
            let name = format!("user-{number}");
            let mut client = Follower::open_after(&server, door, &name, &["a"], cursor).await;
            for seq in &seqs {
                assert_eq!(client.message().await.seq, Some(*seq));
            }
            client
        });
    let clients = futures_util::future::join_all(come_back).await;
    let reads = server
        .metrics()
        .await
        .value("tidings_log_read_seconds_count");
    // Who waits for the same at the same time shares one read, and from then on the channel is in memory.
    assert!(reads < CLIENTS as f64 / 2.0, "{reads} reads");
    drop(clients);
}
