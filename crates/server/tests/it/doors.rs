//! What is the same over every door, written once and run over each.

use tidings_wire::{Data, Format};

use crate::support::door::{Door, Follower, Hello, House, Publish, Said, Version, Way};
use crate::support::server::Server;
use crate::support::until;
use crate::support::websocket::Frames;

/// A test for each door of each house.
macro_rules! over_every_door {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            mod plain {
                over_every_door! { @house $scenario House::Plain, Version::One }
            }
            mod tls {
                over_every_door! { @house $scenario House::Tls, Version::One }
            }
            mod http2 {
                over_every_door! { @house $scenario House::Plain, Version::Two }
            }
            mod tls_http2 {
                over_every_door! { @house $scenario House::Tls, Version::Two }
            }
            mod quic {
                over_every_door! { @quic $scenario House::Plain }
            }
            mod tls_quic {
                over_every_door! { @quic $scenario House::Tls }
            }
        }
    )*};
    (@house $scenario:ident $house:expr, $http:expr) => {
        use super::super::*;
        over_every_door! { @doors $scenario, $house, $http,
            poll_json: Way::Poll(Format::Json),
            poll_cbor: Way::Poll(Format::Cbor),
            long_poll_json: Way::LongPoll(Format::Json),
            long_poll_cbor: Way::LongPoll(Format::Cbor),
            sse: Way::Sse,
            websocket_json: Way::WebSocket(Format::Json),
            websocket_cbor: Way::WebSocket(Format::Cbor),
        }
    };
    (@quic $scenario:ident $house:expr) => {
        use super::super::*;
        over_every_door! { @doors $scenario, $house, Version::One,
            webtransport_json: Way::WebTransport(Format::Json),
            webtransport_cbor: Way::WebTransport(Format::Cbor),
        }
    };
    (@doors $scenario:ident, $house:expr, $http:expr, $($name:ident: $way:expr,)*) => {$(
        #[tokio::test]
        async fn $name() {
            let door = Door { way: $way, http: $http };
            super::super::$scenario(door, $house).await;
        }
    )*};
}

over_every_door! {
    messages_come_in_order_with_all_their_fields
    what_was_missed_comes_after_a_cut
    nothing_old_comes_to_who_begins_now
    channels_do_not_mix_and_keep_their_order
    bytes_and_odd_texts_arrive_as_they_were
    who_follows_is_present
    signals_arrive_and_are_not_stored
    a_cursor_of_another_log_is_told
    a_cursor_behind_what_is_kept_is_told
    everything_survives_a_kill
}

async fn messages_come_in_order_with_all_their_fields(door: Door, house: House) {
    let server = house.start();
    let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
    for number in 1..=5 {
        server.publish("chat:a", &number.to_string()).await;
    }
    let mut prev = 0;
    for number in 1..=5 {
        let message = follower.message().await;
        assert_eq!(message.number(), number);
        assert_eq!(message.prev, Some(prev));
        assert_eq!(message.channel.as_deref(), Some("chat:a"));
        assert!(message.from.unwrap().starts_with("guest"));
        assert!(!message.id.unwrap().is_empty());
        assert!(message.at.unwrap() > 1_600_000_000_000, "milliseconds");
        prev = message.seq.unwrap();
    }
    assert!(!follower.was_truncated);
}

async fn what_was_missed_comes_after_a_cut(door: Door, house: House) {
    let server = house.start();
    let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
    for round in 0..3 {
        for number in 0..4 {
            server
                .publish("chat:a", &(round * 4 + number).to_string())
                .await;
            if number == 1 {
                follower.cut();
            }
        }
        follower.resume().await;
        for number in 0..4 {
            assert_eq!(follower.message().await.number(), round * 4 + number);
        }
    }
    assert!(!follower.was_truncated);
}

async fn nothing_old_comes_to_who_begins_now(door: Door, house: House) {
    let server = house.start();
    server.publish("chat:a", "1").await;
    let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
    server.publish("chat:a", "2").await;
    assert_eq!(follower.message().await.number(), 2);
}

async fn channels_do_not_mix_and_keep_their_order(door: Door, house: House) {
    let server = house.start();
    let channels = ["chat:a", "chat:b", "news", "大/堂 #1"];
    let paths = ["chat:a", "chat:b", "news", "%E5%A4%A7%2F%E5%A0%82%20%231"];
    let names = match door.way {
        Way::WebSocket(_) | Way::WebTransport(_) => channels,
        _ => paths,
    };
    let mut follower = Follower::open(&server, door, "bob", &names).await;
    for number in 0..12 {
        server.publish("chat:unheard", "0").await;
        server.publish(paths[number % 4], &number.to_string()).await;
    }
    let mut last = 0;
    for number in 0..12 {
        let message = follower.message().await;
        assert_eq!(message.channel.as_deref(), Some(channels[number % 4]));
        assert_eq!(message.number(), number as u64);
        assert!(
            message.seq > Some(last),
            "live messages are in the order of seq"
        );
        last = message.seq.unwrap();
    }
}

async fn bytes_and_odd_texts_arrive_as_they_were(door: Door, house: House) {
    let server = house.start();
    let mut follower = Follower::open(&server, door, "bob", &["a"]).await;
    let path = "/v1/channels/a/messages";
    let text = "two\nlines, \u{2028}, \"quotes\" and 🙂";
    let plain = [("content-type", "text/plain; charset=utf-8")];
    assert_eq!(server.ask("POST", path, &plain, text).await.status, 201);
    let bytes: Vec<u8> = (0..=255).collect();
    let octets = [("content-type", "application/octet-stream")];
    assert_eq!(server.ask("POST", path, &octets, &bytes).await.status, 201);
    let number = "[1.0,12345678901234567890,null,{\"a\":{}}]";
    server.publish("a", number).await;

    assert_eq!(follower.message().await.data(), Data::from_text(text));
    assert_eq!(follower.message().await.data(), Data::Bytes(bytes.into()));
    let Data::Json(heard) = follower.message().await.data() else {
        panic!("JSON stays JSON");
    };
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&heard), value(number));
}

async fn who_follows_is_present(door: Door, house: House) {
    let server = house.configured("[presence]\ngrace = \"100ms\"\n");
    let mut watcher = Follower::open(&server, Way::Sse, "alice", &["chat:a"]).await;
    assert_eq!(
        watcher.event_of("join").await.user.as_deref(),
        Some("alice")
    );
    let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
    if matches!(door.way, Way::Poll(_) | Way::LongPoll(_)) {
        // A poller is present from its first poll with a cursor on at the latest.
        server.publish("chat:a", "1").await;
        follower.message().await;
    }
    assert_eq!(watcher.event_of("join").await.user.as_deref(), Some("bob"));
    let response = server.get("/v1/channels/chat:a/presence").await;
    let presence = response.json();
    assert_eq!(presence["count"], 2, "{presence}");
    assert_eq!(presence["users"][0]["user"], "alice");
    assert_eq!(presence["users"][1]["user"], "bob");
    assert_eq!(presence["users"][1]["connections"], 1);
    // A poller's lease outlives its connection, which the next test looks at.
    if door.way.is_stream() {
        follower.cut();
        assert_eq!(watcher.event_of("leave").await.user.as_deref(), Some("bob"));
    }
}

async fn signals_arrive_and_are_not_stored(door: Door, house: House) {
    let server = house.start();
    let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
    if matches!(door.way, Way::Poll(_) | Way::LongPoll(_)) {
        // The session's mailbox is there from its first poll with a cursor on at the latest.
        server.publish("chat:a", "1").await;
        follower.message().await;
    }
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Bearer guest:alice"),
    ];
    let path = "/v1/channels/chat:a/signals";
    let response = server
        .ask("POST", path, &headers, r#"{"data":{"typing":true}}"#)
        .await;
    assert_eq!(response.status, 202);
    let signal = follower.event_of("signal").await;
    assert_eq!(signal.from.as_deref(), Some("alice"));
    assert_eq!(signal.channel.as_deref(), Some("chat:a"));
    assert_eq!(
        signal.data(),
        Data::from_json(r#"{"typing":true}"#).unwrap()
    );
    let history = server.get("/v1/channels/chat:a/messages").await.json();
    let stored = history["messages"].as_array().unwrap();
    assert!(stored.iter().all(|message| message["type"] == "message"));
}

async fn a_cursor_of_another_log_is_told(door: Door, house: House) {
    let server = house.start();
    server.publish("chat:a", "1").await;
    let foreign = "anotherlog-1".parse().unwrap();
    let mut follower = Follower::open_after(&server, door, "bob", &["chat:a"], Some(foreign)).await;
    if matches!(door.way, Way::Poll(_)) {
        // The answer that tells it comes at once and gives the cursor of now.
        until("an answer", async || {
            let poll =
                tokio::time::timeout(std::time::Duration::from_millis(200), follower.try_event());
            let _ = poll.await;
            follower.was_truncated.then_some(())
        })
        .await;
    } else if matches!(door.way, Way::LongPoll(_)) {
        let event = follower.try_event();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), event).await;
    }
    assert!(follower.was_truncated);
    server.publish("chat:a", "2").await;
    follower.cut();
    follower.resume().await;
    assert_eq!(follower.message().await.number(), 2);
}

async fn a_cursor_behind_what_is_kept_is_told(door: Door, house: House) {
    let mut server = house.configured("[retention]\nmessages = 5\n");
    let start = {
        let now = Follower::open(&server, Way::Poll(Format::Json), "x", &["chat:a"]).await;
        now.cursor.clone()
    };
    for number in 0..200 {
        server.publish("chat:a", &number.to_string()).await;
    }
    let kept = until("the oldest to be deleted", async || {
        let history = server.get("/v1/channels/chat:a/messages?limit=1000").await;
        let kept = history.json()["messages"].as_array().unwrap().len();
        (kept < 200).then_some(kept)
    })
    .await;
    // A server that ran all the while may still have them in memory.
    server.kill();
    server.restart();
    let mut follower = Follower::open_after(&server, door, "bob", &["chat:a"], start).await;
    let first = follower.message().await;
    assert!(follower.was_truncated, "it was told before it went on");
    assert!(first.number() >= 200 - kept as u64);
    let mut last = first.number();
    while last < 199 {
        last += 1;
        assert_eq!(follower.message().await.number(), last);
    }
}

async fn everything_survives_a_kill(door: Door, house: House) {
    let mut server = house.start();
    let cursor = {
        let mut follower = Follower::open(&server, door, "bob", &["chat:a"]).await;
        for number in 0..10 {
            server.publish("chat:a", &number.to_string()).await;
        }
        for number in 0..5 {
            assert_eq!(follower.message().await.number(), number);
        }
        match door.way {
            // An answer's cursor covers all of it: what was in the answer with the fifth is taken.
            Way::Poll(_) | Way::LongPoll(_) => {
                for number in 5..10 {
                    assert_eq!(follower.message().await.number(), number);
                }
            }
            _ => {}
        }
        follower.cursor.clone()
    };
    server.kill();
    server.restart();
    let mut follower = Follower::open_after(&server, door, "bob", &["chat:a"], cursor).await;
    server.publish("chat:a", "10").await;
    let first = match door.way {
        Way::Poll(_) | Way::LongPoll(_) => 10,
        _ => 5,
    };
    for number in first..=10 {
        assert_eq!(follower.message().await.number(), number);
    }
    assert!(!follower.was_truncated);
}

#[tokio::test]
async fn a_message_published_over_any_door_is_seen_over_all_the_others() {
    seen_over_all_the_others(Server::start()).await;
}

#[tokio::test]
async fn it_is_seen_on_other_threads_as_well() {
    // The system spreads connections over the shards as it likes: many are on both.
    seen_over_all_the_others(Server::configured("shards = 4\n")).await;
}

async fn seen_over_all_the_others(server: Server) {
    let mut followers = Vec::new();
    for (number, door) in Door::all().enumerate() {
        let name = format!("follower-{number}");
        followers.push(Follower::open(&server, door, &name, &["chat:a"]).await);
    }
    let path = "/v1/channels/chat:a/messages";
    let cbor_body = {
        #[derive(serde::Serialize)]
        struct Body {
            data: &'static str,
        }
        Format::Cbor.encode(&Body { data: "http cbor" })
    };
    let posts = [
        ("application/json", br#"{"data":"http json"}"#.to_vec()),
        ("application/cbor", cbor_body),
        ("text/plain", b"http text".to_vec()),
    ];
    let mut expected = Vec::new();
    for (media_type, body) in posts {
        let headers = [("content-type", media_type), ("accept", "application/json")];
        let response = server.ask("POST", path, &headers, &body).await;
        assert_eq!(response.status, 201, "{response:?}");
        expected.push(response.json()["seq"].as_u64());
    }
    for format in [Format::Json, Format::Cbor] {
        let mut frames = Frames::open(&server, format).await;
        let hello = Hello {
            kind: "hello",
            token: "guest:ws".into(),
        };
        frames.say(&hello).await;
        let publish = Publish {
            kind: "publish",
            req: 7,
            channel: "chat:a",
            data: Data::from_text("frame"),
        };
        frames.say(&publish).await;
        let published = loop {
            let said: Said = frames.hear().await.unwrap();
            if said.kind == "published" {
                break said;
            }
        };
        assert_eq!(published.req, Some(7));
        expected.push(published.seq);
    }
    let mut first: Option<Vec<(Option<u64>, Data)>> = None;
    for mut follower in followers {
        let mut seen = Vec::new();
        for _ in &expected {
            let message = follower.message().await;
            seen.push((message.seq, message.data()));
        }
        assert!(
            seen.iter()
                .map(|(seq, _)| *seq)
                .eq(expected.iter().copied())
        );
        let first = first.get_or_insert_with(|| seen.clone());
        assert_eq!(&seen, first, "{:?} sees what the others see", follower.door);
    }
}
