//! A message as a stream stores it: its data as they are, so that NATS' own tools show them and bytes take no more room
//! than they have, and everything else in one header.
//!
//! `Td-Record: {"channel","id","at","from","prev","bytes"}`. `"bytes":true` is
//! there where the data are bytes and no JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings_engine::Draft;
use tidings_wire::{ChannelName, Data, Message, MessageId, User};

/// The header that says whose, whence and when.
pub(crate) const HEADER: &str = "Td-Record";

/// What is stored of a message; its place is the stream's to say.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) channel: ChannelName,
    pub(crate) id: MessageId,
    pub(crate) at: u64,
    pub(crate) from: User,
    /// `seq` of the message before it in its channel; 0: there was none in the stream.
    pub(crate) prev: u64,
    pub(crate) data: Data,
}

#[derive(Serialize)]
struct Written<'a> {
    channel: &'a ChannelName,
    id: &'a MessageId,
    at: u64,
    from: &'a User,
    prev: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bytes: bool,
}

#[derive(Deserialize)]
struct Read {
    channel: ChannelName,
    id: MessageId,
    at: u64,
    from: User,
    prev: u64,
    #[serde(default)]
    bytes: bool,
}

/// Something in a stream is not ours.
#[derive(Debug, thiserror::Error)]
#[error("not a message of Tidings: {0}")]
pub(crate) struct Foreign(String);

/// What [`HEADER`] says of `draft`, said `at`.
pub(crate) fn header(draft: &Draft, at: u64, prev: u64) -> String {
    let Draft {
        channel, id, from, ..
    } = draft;
    let bytes = matches!(draft.data, Data::Bytes(_));
    let written = Written {
        channel,
        id,
        at,
        from,
        prev,
        bytes,
    };
    serde_json::to_string(&written).expect("names and numbers are JSON")
}

/// What is stored below the header.
pub(crate) fn payload(data: &Data) -> Bytes {
    match data {
        Data::Json(text) => Bytes::copy_from_slice(text.as_bytes()),
        Data::Bytes(bytes) => bytes.clone(),
    }
}

/// What [`header`] and [`payload`] wrote.
pub(crate) fn read(header: Option<&str>, payload: &Bytes) -> Result<Record, Foreign> {
    let header = header.ok_or_else(|| Foreign(format!("it has no header {HEADER}")))?;
    let read = serde_json::from_str(header).map_err(|error| Foreign(error.to_string()))?;
    let Read {
        channel,
        id,
        at,
        from,
        prev,
        bytes,
    } = read;
    let data = match bytes {
        true => Data::Bytes(payload.clone()),
        false => {
            let text = str::from_utf8(payload).map_err(|error| Foreign(error.to_string()))?;
            Data::from_json(text).map_err(|error| Foreign(error.to_string()))?
        }
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
    pub(crate) fn into_message(self, seq: u64) -> Message {
        let Self {
            channel,
            id,
            at,
            from,
            prev,
            data,
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
            at: None,
        }
    }

    #[test]
    fn people_can_read_it() {
        let draft = draft(Data::from_text("hi"));
        let json = r#"{"channel":"chat:天 气","id":" \"1\" ","at":7,"from":"ada ","prev":0}"#;
        assert_eq!(header(&draft, 7, 0), json);
        assert_eq!(payload(&draft.data), r#""hi""#);
    }

    #[test]
    fn what_is_not_ours_is_said_to_be_so() {
        let ours = r#"{"channel":"a","id":"1","at":1,"from":"b","prev":0}"#;
        for (header, payload) in [
            (None, "1"),
            (Some(""), "1"),
            (Some(r#"{"channel":"a"}"#), "1"),
            (Some(ours), ""),
            (Some(ours), "{"),
        ] {
            assert!(
                read(header, &payload.into()).is_err(),
                "{header:?} {payload}"
            );
        }
        assert!(read(Some(ours), &"1".into()).is_ok());
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
        fn what_was_written_is_read(data in data(), at: u64, prev: u64) {
            let draft = draft(data);
            let header = header(&draft, at, prev);
            prop_assert!(!header.contains(['\r', '\n']));
            let record = read(Some(&header), &payload(&draft.data)).unwrap();
            prop_assert_eq!((record.at, record.prev), (at, prev));
            let message = record.into_message(5);
            prop_assert_eq!((message.channel, message.id, message.from, message.data), (draft.channel, draft.id, draft.from, draft.data));
        }
    }
}
