//! A message's data keeps its meaning, whatever format it comes and goes in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use tidings_wire::{
    ChannelName, Data, DataError, Encoded, Epoch, Event, Format, Message, MessageId, Reply,
    ReplyBody, User,
};

fn text(data: &Data) -> &str {
    match data {
        Data::Json(text) => text,
        Data::Bytes(_) => panic!("not JSON"),
    }
}

fn message(data: Data) -> Arc<Message> {
    Arc::new(Message {
        channel: ChannelName::new("chat:lobby").unwrap(),
        seq: 48_213,
        prev: 48_190,
        id: MessageId::new("01JD").unwrap(),
        at: 1_763_800_000_000,
        from: User::new("alice").unwrap(),
        data,
    })
}

#[test]
fn white_space_goes_and_everything_else_stays() {
    for (from, to) in [
        (" 1.0e2 ", "1.0e2"),
        ("{ \"a\" :\t[ 1 ,\r\n2 ] }", "{\"a\":[1,2]}"),
        (r#" " a \" b \\" "#, r#"" a \" b \\""#),
        (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":1,"a":2,"b":3}"#),
        (r#""\u00e9\ud83d\ude00""#, r#""\u00e9\ud83d\ude00""#),
    ] {
        assert_eq!(text(&Data::from_json(from).unwrap()), to);
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "", " ", "{", "[1,]", "01", "nul", "'a'", "1 2", "\"\n\"", "NaN",
    ] {
        assert_eq!(Data::from_json(text), Err(DataError::NotJson), "{text:?}");
    }
}

#[test]
fn what_cbor_could_not_tell_is_refused() {
    for text in ["1e400", "[-1e309]", r#""\ud800""#, r#"{"\udc00":1}"#] {
        assert_eq!(Data::from_json(text), Err(DataError::Unreadable), "{text}");
    }
    assert!(Data::from_json("1e308").is_ok());
    // What is too small for a double is zero there.
    assert!(Data::from_json("1e-400").is_ok());
}

#[test]
fn base64_is_padded_and_has_the_standard_alphabet() {
    let bytes = Data::from_base64("AAH/").unwrap();
    assert_eq!(bytes, Data::Bytes(vec![0, 1, 255].into()));
    assert!(Data::from_base64("").unwrap().is_empty());
    for text in ["AAH", "AA-_", "AAH/ ", "A===", "AAJ="] {
        assert_eq!(Data::from_base64(text), Err(DataError::NotBase64), "{text}");
    }
}

#[test]
fn history_tells_bytes_as_events_do() {
    let reply = Reply {
        req: Some(7),
        body: ReplyBody::History {
            messages: vec![message(Data::from_base64("AAH/").unwrap())],
            truncated: false,
        },
    };
    let json = String::from_utf8(Format::Json.encode(&reply)).unwrap();
    assert!(json.contains(r#""data":null,"bytes":"AAH/"}]"#), "{json}");
    // serde's flattening must not make base64, or an array, of a CBOR byte string.
    let cbor = Format::Cbor.encode(&reply);
    let told = b"\x64data\x43\x00\x01\xff";
    assert!(cbor.windows(told.len()).any(|bytes| bytes == told));
}

#[test]
fn the_weight_of_an_event_is_about_its_size() {
    for length in [0, 100, 10_000] {
        let event = Event::Message(message(Data::from_text(&"x".repeat(length))));
        let encoded = Encoded::new(event, Epoch::new("k3f9").unwrap());
        for format in [Format::Json, Format::Cbor] {
            let size = encoded.bytes(format).len();
            assert!(size <= encoded.weight() && encoded.weight() <= size + 128);
        }
    }
}

#[test]
fn an_event_is_compressed_once_in_each_format() {
    let encoded = Encoded::new(
        Event::Message(message(Data::from_text("x"))),
        Epoch::new("k3f9").unwrap(),
    );
    let first = |bytes: &[u8]| Some(Bytes::copy_from_slice(&bytes[..1]));
    let never = |_: &[u8]| panic!("it was compressed before");
    assert_eq!(encoded.compressed(Format::Json, first).unwrap(), "{");
    assert_eq!(encoded.compressed(Format::Json, never).unwrap(), "{");
    // What is better sent as it is is not tried again.
    assert_eq!(encoded.compressed(Format::Cbor, |_| None), None);
    assert_eq!(encoded.compressed(Format::Cbor, never), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ \t\r\n\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let entry = (any::<String>(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            prop::collection::vec(entry, 0..6).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn compacting_is_what_serde_json_prints(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let data = Data::from_json(&pretty).unwrap();
        prop_assert_eq!(text(&data), value.to_string());
        // Nothing is left to compact, and no line is left to break.
        prop_assert_eq!(&Data::from_json(text(&data)).unwrap(), &data);
        prop_assert!(!text(&data).contains(['\n', '\r']));
    }

    #[test]
    fn cbor_becomes_the_same_json(value in any_json()) {
        let data: Data = Format::Cbor.decode(&Format::Cbor.encode(&value)).unwrap();
        let read: Value = serde_json::from_str(text(&data)).unwrap();
        prop_assert_eq!(&read, &value);
        let back: Value = Format::Cbor.decode(&Format::Cbor.encode(&data)).unwrap();
        prop_assert_eq!(&back, &value);
    }

    #[test]
    fn bytes_survive_cbor(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let data = Data::Bytes(bytes.into());
        let back: Data = Format::Cbor.decode(&Format::Cbor.encode(&data)).unwrap();
        prop_assert_eq!(&back, &data);
    }

    #[test]
    fn whatever_text_is_taken_can_be_told(text in r#"[\[\]{}",:0-9eE.+\-a-z\\ud ]{0,24}"#) {
        if let Ok(data) = Data::from_json(&text) {
            let json: Value = serde_json::from_slice(&Format::Json.encode(&data)).unwrap();
            let cbor: Value = Format::Cbor.decode(&Format::Cbor.encode(&data)).unwrap();
            prop_assert_eq!(json, cbor);
        }
    }
}
