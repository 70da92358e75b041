//! A message: stored, ordered, recoverable.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer, Unexpected};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::command::{data, present};
use crate::{ChannelName, Data};

/// Bound of a message's id and of a user's name, in bytes: room for a UUID with a prefix, small
/// enough to be kept for every message of the deduplication window.
pub const MESSAGE_ID_BYTES_MAX: usize = 64;

/// A message as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The channel that it was published to.
    pub channel: ChannelName,
    /// Its place in the log, 1 and up, one order for all channels.
    pub seq: u64,
    /// The `seq` of the message before it in its channel; 0: none.
    pub prev: u64,
    /// The publisher's idempotency key, or one made by the server.
    pub id: MessageId,
    /// When the log took it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Who published it, as authenticated.
    pub from: User,
    /// What was said.
    pub data: Data,
}

impl Message {
    /// The fields behind `type`, as `message` events and history have them.
    fn serialize_fields<M: SerializeMap>(
        &self,
        map: &mut M,
        readable: bool,
    ) -> Result<(), M::Error> {
        map.serialize_entry("channel", &self.channel)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("prev", &self.prev)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("from", &self.from)?;
        self.data.serialize_entries(map, readable)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let readable = serializer.is_human_readable();
        // JSON has no byte strings: they take one more field there.
        let fields = if readable && matches!(self.data, Data::Bytes(_)) {
            9
        } else {
            8
        };
        let mut map = serializer.serialize_map(Some(fields))?;
        map.serialize_entry("type", "message")?;
        self.serialize_fields(&mut map, readable)?;
        map.end()
    }
}

/// Reads what was written as a `message` event; for whoever gets it back, such as from a backup.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        if fields.kind != "message" {
            let kind = Unexpected::Str(&fields.kind);
            return Err(de::Error::invalid_value(kind, &"a message"));
        }
        Ok(Self {
            data: data(fields.data, fields.bytes).map_err(de::Error::custom)?,
            channel: fields.channel,
            seq: fields.seq,
            prev: fields.prev,
            id: fields.id,
            at: fields.at,
            from: fields.from,
        })
    }
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    channel: ChannelName,
    seq: u64,
    prev: u64,
    id: MessageId,
    at: u64,
    from: User,
    #[serde(default, deserialize_with = "present")]
    data: Option<Data>,
    bytes: Option<String>,
}

/// A short text that a client chooses: 1 to [`MESSAGE_ID_BYTES_MAX`] bytes of UTF-8 without
/// control characters. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "String")]
pub struct MessageId(Arc<str>);

/// The name of an authenticated user, or of a guest: a text within the same bounds.
pub type User = MessageId;

impl MessageId {
    /// Takes `text` within its bounds.
    pub fn new(text: &str) -> Result<Self, MessageIdError> {
        let fits = (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(MessageIdError)
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for MessageId {
    type Error = MessageIdError;

    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.as_str().to_owned()
    }
}

/// A text is no message id and no user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id or a name has 1 to {MESSAGE_ID_BYTES_MAX} bytes and no control characters")]
pub struct MessageIdError;
