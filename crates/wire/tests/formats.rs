//! The same objects in both formats, and nothing else taken from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_wire::{
    ChannelName, Code, Command, Cursor, DATA_DEPTH_MAX, Data, DataError, Encoded, Epoch, Event,
    Format, Heartbeat, Message, MessageId, Presence, Present, Reply, ReplyBody, Request,
    StreamCursor, User,
};

fn channel() -> ChannelName {
    ChannelName::new("chat:lobby").unwrap()
}

fn user(name: &str) -> User {
    User::new(name).unwrap()
}

fn epoch() -> Epoch {
    Epoch::new("k3f9").unwrap()
}

fn message(data: Data) -> Event {
    Event::Message(Arc::new(Message {
        channel: channel(),
        seq: 48213,
        prev: 48190,
        id: MessageId::new("01JD").unwrap(),
        at: 1_763_800_000_000,
        from: user("alice"),
        data,
    }))
}

/// What `value` is in JSON, and that CBOR says the same.
fn in_both(value: &impl serde::Serialize) -> Value {
    let json: Value = serde_json::from_slice(&Format::Json.encode(value)).unwrap();
    let cbor: Value = Format::Cbor.decode(&Format::Cbor.encode(value)).unwrap();
    assert_eq!(json, cbor);
    json
}

#[test]
fn a_message_event_is_the_protocols_object_in_both_formats() {
    let event = message(Data::from_json(r#"{ "text": "hi" }"#).unwrap());
    assert_eq!(
        in_both(&event),
        json!({"type": "message", "channel": "chat:lobby", "seq": 48213, "prev": 48190, "id": "01JD",
               "at": 1_763_800_000_000u64, "from": "alice", "data": {"text": "hi"}})
    );
}

#[test]
fn bytes_are_base64_in_json_and_a_byte_string_in_cbor() {
    let event = message(Data::Bytes(Bytes::from_static(b"\x00\xff!")));
    let json: Value = serde_json::from_slice(&Format::Json.encode(&event)).unwrap();
    assert_eq!(
        (&json["data"], &json["bytes"]),
        (&Value::Null, &json!("AP8h"))
    );

    let cbor = Format::Cbor.encode(&event);
    let tail = b"\x64data\x43\x00\xff!";
    assert!(cbor.ends_with(tail), "{cbor:02x?}");
    assert_eq!(cbor[0], 0xa8, "a map of eight entries");
}

#[test]
fn a_message_is_read_back_as_it_was_in_both_formats() {
    for data in [
        Data::from_json(r#"{"n":12345678901234567890.10,"text":"é 🙂"}"#).unwrap(),
        Data::from_json("null").unwrap(),
        Data::Bytes(Bytes::from_static(b"\x00\xff!")),
        Data::Bytes(Bytes::new()),
    ] {
        let Event::Message(sent) = message(data) else {
            unreachable!("it is one");
        };
        let read: Message = Format::Json.decode(&Format::Json.encode(&*sent)).unwrap();
        assert_eq!(read, *sent);
        let read: Message = Format::Cbor.decode(&Format::Cbor.encode(&*sent)).unwrap();
        // CBOR keeps what a number is, not how it was written.
        let same = Message {
            data: read.data.clone(),
            ..(*sent).clone()
        };
        assert_eq!(read, same);
        let as_json = |message: &Message| -> Value {
            serde_json::from_slice(&Format::Json.encode(message)).unwrap()
        };
        assert_eq!(as_json(&read), as_json(&sent));
    }
    let whole = in_both(&message(Data::from_text("hi")));
    for field in ["type", "channel", "seq", "prev", "id", "at", "from", "data"] {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(field);
        let refused = Format::Json.decode::<Message>(part.to_string().as_bytes());
        assert!(refused.unwrap_err().contains(field));
    }
    let join = whole.to_string().replace("\"message\"", "\"join\"");
    let refused = Format::Json.decode::<Message>(join.as_bytes());
    assert!(refused.unwrap_err().contains("join"));
}

#[test]
fn passing_events_are_objects_with_their_type() {
    let signal = Event::Signal {
        channel: channel(),
        from: user("bob"),
        data: Data::from_text("…"),
    };
    assert_eq!(
        in_both(&signal),
        json!({"type": "signal", "channel": "chat:lobby", "from": "bob", "data": "…"})
    );
    let join = Event::Join {
        channel: channel(),
        user: user("bob"),
        at: 7,
    };
    assert_eq!(
        in_both(&join),
        json!({"type": "join", "channel": "chat:lobby", "user": "bob", "at": 7})
    );
    let leave = Event::Leave {
        channel: channel(),
        user: user("bob"),
        at: 8,
    };
    assert_eq!(in_both(&leave)["type"], "leave");
    let truncated = Event::Truncated {
        channel: channel(),
        oldest: 9,
    };
    assert_eq!(
        in_both(&truncated),
        json!({"type": "truncated", "channel": "chat:lobby", "oldest": 9})
    );
}

#[test]
fn every_reply_is_the_protocols_object_in_both_formats() {
    let cursor = Cursor {
        epoch: epoch(),
        seq: 5,
    };
    let stored = match message(Data::from_text("hi")) {
        Event::Message(message) => message,
        _ => unreachable!("made above"),
    };
    let heartbeat = Heartbeat {
        interval: 20_000,
        timeout: 5_000,
        tries: 2,
    };
    let cases = [
        (
            ReplyBody::Hello {
                session: user("s"),
                user: user("alice"),
                cursor: cursor.clone().into(),
                newest: None,
                epochs: None,
                heartbeat,
                version: 1,
            },
            json!({"type": "hello", "session": "s", "user": "alice", "cursor": "k3f9-5",
                   "heartbeat": {"interval": 20000, "timeout": 5000, "tries": 2}, "version": 1}),
        ),
        (
            ReplyBody::Hello {
                session: user("s"),
                user: user("alice"),
                cursor: cursor.clone().into(),
                newest: Some(
                    StreamCursor::from(Cursor {
                        seq: 7,
                        ..cursor.clone()
                    })
                    .into(),
                ),
                epochs: None,
                heartbeat,
                version: 1,
            },
            json!({"type": "hello", "session": "s", "user": "alice", "cursor": "k3f9-5", "newest": 7,
                   "heartbeat": {"interval": 20000, "timeout": 5000, "tries": 2}, "version": 1}),
        ),
        (
            ReplyBody::Hello {
                session: user("s"),
                user: user("alice"),
                cursor: "k3f9-5.p0q2-1".parse().unwrap(),
                newest: Some("k3f9-7.p0q2-1".parse::<StreamCursor>().unwrap().into()),
                epochs: Some([(channel(), epoch())].into()),
                heartbeat,
                version: 1,
            },
            json!({"type": "hello", "session": "s", "user": "alice", "cursor": "k3f9-5.p0q2-1",
                   "newest": "k3f9-7.p0q2-1", "epochs": {"chat:lobby": "k3f9"},
                   "heartbeat": {"interval": 20000, "timeout": 5000, "tries": 2}, "version": 1}),
        ),
        (
            ReplyBody::Subscribed {
                channel: channel(),
                cursor,
                truncated: false,
            },
            json!({"type": "subscribed", "channel": "chat:lobby", "cursor": "k3f9-5", "truncated": false}),
        ),
        (
            ReplyBody::Unsubscribed {
                channel: channel(),
                code: None,
            },
            json!({"type": "unsubscribed", "channel": "chat:lobby"}),
        ),
        (
            ReplyBody::Unsubscribed {
                channel: channel(),
                code: Some(Code::Forbidden),
            },
            json!({"type": "unsubscribed", "channel": "chat:lobby", "code": "forbidden"}),
        ),
        (
            ReplyBody::Published {
                seq: 5,
                id: user("m"),
                at: 6,
            },
            json!({"type": "published", "seq": 5, "id": "m", "at": 6}),
        ),
        (
            ReplyBody::Presence(Presence {
                users: vec![Present {
                    user: user("bob"),
                    since: 4,
                    connections: 2,
                }],
                count: 1,
            }),
            json!({"type": "presence", "users": [{"user": "bob", "since": 4, "connections": 2}], "count": 1}),
        ),
        (
            ReplyBody::History {
                messages: vec![stored],
                truncated: true,
            },
            json!({"type": "history", "truncated": true, "messages": [
                {"type": "message", "channel": "chat:lobby", "seq": 48213, "prev": 48190, "id": "01JD",
                 "at": 1_763_800_000_000u64, "from": "alice", "data": "hi"}]}),
        ),
        (
            ReplyBody::Refreshed { expires: None },
            json!({"type": "refreshed"}),
        ),
        (
            ReplyBody::Refreshed { expires: Some(9) },
            json!({"type": "refreshed", "expires": 9}),
        ),
        (ReplyBody::Pong { at: 1 }, json!({"type": "pong", "at": 1})),
        (
            ReplyBody::Reconnect { after_ms: 3 },
            json!({"type": "reconnect", "after_ms": 3}),
        ),
    ];
    for (body, mut expected) in cases {
        assert_eq!(in_both(&Reply::unasked(body.clone())), expected);
        expected["req"] = json!(12);
        assert_eq!(
            in_both(&Reply {
                req: Some(12),
                body
            }),
            expected
        );
    }
    assert_eq!(
        in_both(&Reply::error(Some(1), Code::Busy, "later")),
        json!({"type": "error", "req": 1, "code": "busy", "message": "later"})
    );
}

#[test]
fn sse_carries_the_cursor_of_a_message_and_the_type_of_the_rest() {
    let sse = |event| {
        let encoded = Encoded::new(event, epoch());
        let text = String::from_utf8(encoded.sse().to_vec()).unwrap();
        let rest = encoded.sse_without_id();
        assert_eq!(
            text.strip_prefix("id: k3f9-48213\n")
                .unwrap_or(&text)
                .as_bytes(),
            rest
        );
        text
    };
    // A line break in the data would end the field: compact JSON has none.
    let text = sse(message(Data::from_json("{\n \"a\": \"\\n\"\n}").unwrap()));
    assert!(
        text.starts_with("id: k3f9-48213\ndata: {\"type\":\"message\","),
        "{text}"
    );
    assert!(text.ends_with("\"data\":{\"a\":\"\\n\"}}\n\n"), "{text}");
    assert_eq!(
        sse(Event::Join {
            channel: channel(),
            user: user("bob"),
            at: 7
        }),
        "event: join\ndata: {\"type\":\"join\",\"channel\":\"chat:lobby\",\"user\":\"bob\",\"at\":7}\n\n"
    );
}

#[test]
fn every_command_is_read_in_both_formats() {
    let name = channel;
    let after = |text: &str| Some(text.parse().unwrap());
    let cases = [
        (
            json!({"type": "hello", "token": "t"}),
            Command::Hello {
                token: Some("t".into()),
            },
        ),
        (json!({"type": "hello"}), Command::Hello { token: None }),
        (
            json!({"type": "subscribe", "channel": "chat:lobby", "after": "k3f9-5"}),
            Command::Subscribe {
                channel: name(),
                after: after("k3f9-5"),
                history: None,
            },
        ),
        (
            json!({"type": "subscribe", "channel": "chat:lobby", "after": "k3f9-5.p0q2-7"}),
            Command::Subscribe {
                channel: name(),
                after: after("k3f9-5.p0q2-7"),
                history: None,
            },
        ),
        (
            json!({"type": "subscribe", "channel": "chat:lobby", "history": 20, "future": [1]}),
            Command::Subscribe {
                channel: name(),
                after: None,
                history: Some(20),
            },
        ),
        (
            json!({"type": "unsubscribe", "channel": "chat:lobby"}),
            Command::Unsubscribe { channel: name() },
        ),
        (
            json!({"type": "publish", "channel": "chat:lobby", "data": null, "id": "m1"}),
            Command::Publish {
                channel: name(),
                data: Data::from_json("null").unwrap(),
                id: Some(MessageId::new("m1").unwrap()),
            },
        ),
        (
            json!({"type": "publish", "channel": "chat:lobby", "data": null, "bytes": "AP8h"}),
            Command::Publish {
                channel: name(),
                data: Data::Bytes(Bytes::from_static(b"\x00\xff!")),
                id: None,
            },
        ),
        (
            json!({"type": "signal", "channel": "chat:lobby", "data": [1, -2, 1.5, "x", true, {"a": []}]}),
            Command::Signal {
                channel: name(),
                data: Data::from_json(r#"[1,-2,1.5,"x",true,{"a":[]}]"#).unwrap(),
            },
        ),
        (
            json!({"type": "presence", "channel": "chat:lobby"}),
            Command::Presence { channel: name() },
        ),
        (
            json!({"type": "history", "channel": "chat:lobby", "before": 9, "after": 3, "limit": 4}),
            Command::History {
                channel: name(),
                before: Some(9),
                after: Some(3),
                limit: Some(4),
            },
        ),
        (
            json!({"type": "refresh", "token": "t"}),
            Command::Refresh { token: "t".into() },
        ),
        (json!({"type": "ping"}), Command::Ping),
    ];
    for (mut frame, command) in cases {
        for req in [None, Some(7)] {
            if let Some(req) = req {
                frame["req"] = json!(req);
            }
            for format in [Format::Json, Format::Cbor] {
                let request = Request::decode(&format.encode(&frame), format);
                assert_eq!(
                    request,
                    Ok(Request {
                        req,
                        command: command.clone()
                    }),
                    "{format:?} {frame}"
                );
            }
        }
    }
}

#[test]
fn a_bad_frame_is_refused_with_its_number_where_that_can_be_read() {
    let refused =
        |frame: Value| Request::decode(&Format::Json.encode(&frame), Format::Json).unwrap_err();
    assert_eq!(refused(json!({"type": "subscribe", "req": 4})).req, Some(4));
    assert!(
        refused(json!({"type": "dance", "req": 4}))
            .detail
            .contains("dance")
    );
    assert_eq!(
        refused(json!({"type": "publish", "req": 4, "channel": "a"})).req,
        Some(4)
    );
    for frame in [
        json!([]),
        json!({"channel": "a"}),
        json!({"type": "subscribe", "channel": "*"}),
        json!({"type": "subscribe", "channel": "a", "after": 5}),
        json!({"type": "subscribe", "channel": "a", "after": "nowhere"}),
        json!({"type": "history", "channel": "a", "after": "k3f9-5"}),
        json!({"type": "publish", "channel": "a", "data": 1, "id": ""}),
        json!({"type": "publish", "channel": "a", "bytes": "?"}),
        json!({"type": "ping", "req": -1}),
    ] {
        refused(frame);
    }
    for bytes in [&b""[..], b"{", b"{\"type\":\"ping\"} {}", b"\xff"] {
        assert!(Request::decode(bytes, Format::Json).is_err(), "{bytes:?}");
    }
    let mut two = Format::Cbor.encode(&json!({"type": "ping"}));
    two.push(0);
    assert!(
        Request::decode(&two, Format::Cbor).is_err(),
        "a second CBOR item"
    );
}

#[test]
fn cbor_data_that_json_cannot_hold_is_refused() {
    // {"type":"signal","channel":"a","data":…}
    let frame = |data: &[u8]| [b"\xa3\x64type\x66signal\x67channel\x61a\x64data", data].concat();
    let read = |data: &[u8]| Request::decode(&frame(data), Format::Cbor);
    assert!(read(b"\x81\x01").is_ok());
    assert!(read(b"\x41\x01").is_ok(), "bytes as the whole data");
    assert!(read(b"\x81\x41\x01").is_err(), "bytes inside an array");
    assert!(
        read(b"\xfb\x7f\xf0\0\0\0\0\0\0").is_err(),
        "infinity inside"
    );
    assert!(read(b"\xf9\x7e\0").is_err(), "a half-precision NaN");
    assert!(read(b"\xa1\x01\x02").is_err(), "a key that is not text");
    assert!(
        read(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff").is_err(),
        "an array that says it is huge"
    );
}

#[test]
fn data_is_bounded_in_depth_in_both_formats() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Data::from_json(&nested(DATA_DEPTH_MAX)).is_ok());
    assert_eq!(
        Data::from_json(&nested(DATA_DEPTH_MAX + 1)),
        Err(DataError::TooDeep)
    );

    let frame = |depth: usize| {
        [
            b"\xa3\x64type\x66signal\x67channel\x61a\x64data".to_vec(),
            vec![0x81; depth],
            vec![0x01],
        ]
        .concat()
    };
    assert!(Request::decode(&frame(DATA_DEPTH_MAX), Format::Cbor).is_ok());
    assert!(Request::decode(&frame(DATA_DEPTH_MAX + 1), Format::Cbor).is_err());
    assert!(Request::decode(&frame(1_000_000), Format::Cbor).is_err());
    // What was taken can be told in the other format.
    let deepest = message(Data::from_json(&nested(DATA_DEPTH_MAX)).unwrap());
    assert!(!Format::Cbor.encode(&deepest).is_empty());
    assert!(!Format::Json.encode(&deepest).is_empty());
}

#[test]
fn numbers_keep_every_digit() {
    let digits = "[123456789012345678901234567890.5,1e300,-0]";
    assert_eq!(Data::from_json(digits), Ok(Data::Json(digits.into())));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_survives_compaction_and_both_formats(value in json_value()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let data = Data::from_json(&pretty).unwrap();
        prop_assert_eq!(&data, &Data::Json(serde_json::to_string(&value).unwrap().into()));

        let frame = json!({"type": "publish", "channel": "a", "data": value});
        let request = Request::decode(&Format::Cbor.encode(&frame), Format::Cbor).unwrap();
        let Command::Publish { data: Data::Json(text), .. } = request.command else {
            panic!("a publish was sent")
        };
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        in_both(&message(data));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Request::decode(&bytes, Format::Json);
        let _ = Request::decode(&bytes, Format::Cbor);
    }
}
