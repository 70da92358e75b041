//! A message as a stream stores it: one JSON object, so that NATS' own tools show what is there.
//!
//! `{"channel","id","at","from","prev","data"}`, and `"bytes":"<base64>"` in place of `data` for bytes. `prev` is there
//! where the publisher knew it for certain.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings_engine::Draft;
use tidings_wire::{ChannelName, Data, Message, MessageId, User};

/// What is stored of a message; its place is the stream's to say.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) channel: ChannelName,
    pub(crate) id: MessageId,
    pub(crate) at: u64,
    pub(crate) from: User,
    /// `seq` of the message before it in its channel, if the publisher was certain; 0: there was none in the stream.
    pub(crate) prev: Option<u64>,
    pub(crate) data: Data,
}

#[derive(Serialize)]
struct Written<'a> {
    channel: &'a ChannelName,
    id: &'a MessageId,
    at: u64,
    from: &'a User,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

#[derive(Deserialize)]
struct Read<'a> {
    channel: ChannelName,
    id: MessageId,
    at: u64,
    from: User,
    prev: Option<u64>,
    // `null` is a value, and is not told from none here: what has no bytes has data.
    data: Option<Data>,
    #[serde(borrow)]
    bytes: Option<Cow<'a, str>>,
}

/// Something in a stream is not ours.
#[derive(Debug, thiserror::Error)]
#[error("not a message of Tidings: {0}")]
pub(crate) struct Foreign(String);

/// `draft` as it is stored, said `at`.
pub(crate) fn write(draft: &Draft, at: u64, prev: Option<u64>) -> Bytes {
    let (data, bytes) = match &draft.data {
        Data::Bytes(bytes) => (None, Some(STANDARD.encode(bytes))),
        json => (Some(json), None),
    };
    let Draft {
        channel, id, from, ..
    } = draft;
    let written = Written {
        channel,
        id,
        at,
        from,
        prev,
        data,
        bytes,
    };
    let json = serde_json::to_vec(&written).expect("names and JSON are JSON");
    json.into()
}

/// What [`write`] wrote.
pub(crate) fn read(stored: &[u8]) -> Result<Record, Foreign> {
    let foreign = |error: &dyn std::fmt::Display| Foreign(error.to_string());
    let Read {
        channel,
        id,
        at,
        from,
        prev,
        data,
        bytes,
    } = serde_json::from_slice(stored).map_err(|error| foreign(&error))?;
    let data = match (data, bytes) {
        (None, Some(bytes)) => Data::from_base64(&bytes).map_err(|error| foreign(&error))?,
        (Some(data), _) => data,
        (None, None) => Data::Json("null".into()),
    };
    Ok(Record {
        channel,
        id,
        at,
        from,
        prev,
        data,
    })
}

impl Record {
    /// The message, at its place.
    pub(crate) fn into_message(self, seq: u64, prev: u64) -> Message {
        let Self {
            channel,
            id,
            at,
            from,
            data,
            ..
        } = self;
        Message {
            channel,
            seq,
            prev,
            id,
            at,
            from,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(data: Data) -> Draft {
        Draft {
            channel: ChannelName::new("chat:天 气").unwrap(),
            id: MessageId::new(" \"1\" ").unwrap(),
            from: User::new("ada ").unwrap(),
            data,
        }
    }

    #[test]
    fn it_is_json_that_people_can_read() {
        let stored = write(&draft(Data::from_text("hi")), 7, Some(0));
        let json =
            r#"{"channel":"chat:天 气","id":" \"1\" ","at":7,"from":"ada ","prev":0,"data":"hi"}"#;
        assert_eq!(str::from_utf8(&stored).unwrap(), json);
    }

    #[test]
    fn what_is_not_ours_is_said_to_be_so() {
        for stored in [
            "",
            "hi",
            "{}",
            r#"{"channel":"a","id":"1","at":1,"from":"b","bytes":"!"}"#,
        ] {
            assert!(read(stored.as_bytes()).is_err(), "{stored}");
        }
    }

    fn data() -> impl Strategy<Value = Data> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Data::Bytes(bytes.into())),
            "\\PC{0,20}".prop_map(|text| Data::from_text(&text)),
            Just(Data::Json("null".into())),
            Just(Data::Json(
                r#"{"n":12345678901234567890.10,"a":[null]}"#.into()
            )),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(data in data(), at: u64, prev: Option<u64>) {
            let draft = draft(data);
            let record = read(&write(&draft, at, prev)).unwrap();
            prop_assert_eq!((record.at, record.prev), (at, prev));
            let message = record.into_message(5, 3);
            prop_assert_eq!((message.channel, message.id, message.from, message.data), (draft.channel, draft.id, draft.from, draft.data));
        }
    }
}
