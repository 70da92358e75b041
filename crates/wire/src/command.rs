//! What a client says on a framed transport: one object a frame.

use serde::Deserialize;

use crate::{ChannelName, Code, Data, Format, MessageId, StreamCursor};

/// A command, and the number that its answer will carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Chosen by the client; its answer bears the same.
    pub req: Option<u64>,
    /// What is asked.
    pub command: Command,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The first frame where nothing else said who is there.
    Hello {
        /// The token, as `Authorization: Bearer` would carry it.
        token: Option<String>,
    },
    /// Follow a channel.
    Subscribe {
        /// Which.
        channel: ChannelName,
        /// From behind this cursor on, that of the channel or of a stream that it was in; absent: from now.
        after: Option<StreamCursor>,
        /// The last so many messages first; only without `after`.
        history: Option<u32>,
    },
    /// Follow it no longer.
    Unsubscribe {
        /// Which.
        channel: ChannelName,
    },
    /// Store a message and deliver it.
    Publish {
        /// Where.
        channel: ChannelName,
        /// What.
        data: Data,
        /// The idempotency key; absent: the server makes one.
        id: Option<MessageId>,
    },
    /// Deliver without storing, at most once; not answered.
    Signal {
        /// Where.
        channel: ChannelName,
        /// What.
        data: Data,
    },
    /// Who is in a channel.
    Presence {
        /// Which.
        channel: ChannelName,
    },
    /// Stored messages of a channel, oldest first.
    History {
        /// Which.
        channel: ChannelName,
        /// Only messages before this `seq`.
        before: Option<u64>,
        /// Only messages after this `seq`, the oldest of them; absent: the newest before `before`.
        after: Option<u64>,
        /// At most so many.
        limit: Option<u32>,
    },
    /// Go on with a new token.
    Refresh {
        /// The new one.
        token: String,
    },
    /// The client's heartbeat.
    Ping,
}

impl Request {
    /// Reads one frame.
    pub fn decode(frame: &[u8], format: Format) -> Result<Self, RequestError> {
        let fields: Fields = format
            .decode(frame)
            .map_err(|detail| RequestError { req: None, detail })?;
        let req = fields.req;
        let command = fields
            .into_command()
            .map_err(|detail| RequestError { req, detail })?;
        Ok(Self { req, command })
    }
}

/// A frame is not a request; the answer is an `error` with [`Code::BadRequest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct RequestError {
    /// The request's number, where it could be read.
    pub req: Option<u64>,
    /// What is wrong with it.
    pub detail: String,
}

impl RequestError {
    /// The code of the answer.
    pub const CODE: Code = Code::BadRequest;
}

/// All fields of all commands. One flat pass, for serde's tagged enums would buffer the data.
/// Fields that are not known are left alone, so that a newer client is understood.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    req: Option<u64>,
    channel: Option<ChannelName>,
    /// `Some` for an explicit null as well, which is a JSON value like any other.
    #[serde(default, deserialize_with = "present")]
    data: Option<Data>,
    bytes: Option<String>,
    id: Option<MessageId>,
    after: Option<Place>,
    before: Option<u64>,
    limit: Option<u32>,
    history: Option<u32>,
    token: Option<String>,
}

/// `after` is a cursor where somebody follows, and a `seq` in history.
#[derive(Deserialize)]
#[serde(untagged)]
enum Place {
    Seq(u64),
    Cursor(StreamCursor),
}

impl Fields {
    fn into_command(self) -> Result<Command, String> {
        let command = match self.kind.as_str() {
            "hello" => Command::Hello { token: self.token },
            "subscribe" => Command::Subscribe {
                channel: required(self.channel, "channel")?,
                after: match self.after {
                    None => None,
                    Some(Place::Cursor(cursor)) => Some(cursor),
                    Some(Place::Seq(_)) => {
                        return Err("\"after\" is a cursor here, not a seq".into());
                    }
                },
                history: self.history,
            },
            "unsubscribe" => Command::Unsubscribe {
                channel: required(self.channel, "channel")?,
            },
            "publish" => Command::Publish {
                channel: required(self.channel, "channel")?,
                data: data(self.data, self.bytes)?,
                id: self.id,
            },
            "signal" => Command::Signal {
                channel: required(self.channel, "channel")?,
                data: data(self.data, self.bytes)?,
            },
            "presence" => Command::Presence {
                channel: required(self.channel, "channel")?,
            },
            "history" => Command::History {
                channel: required(self.channel, "channel")?,
                before: self.before,
                after: match self.after {
                    None => None,
                    Some(Place::Seq(seq)) => Some(seq),
                    Some(Place::Cursor(_)) => {
                        return Err("\"after\" is a seq here, not a cursor".into());
                    }
                },
                limit: self.limit,
            },
            "refresh" => Command::Refresh {
                token: required(self.token, "token")?,
            },
            "ping" => Command::Ping,
            other => return Err(format!("there is no frame of type {other:?}")),
        };
        Ok(command)
    }
}

fn required<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("{name:?} is missing"))
}

/// The data of a message: `bytes` in base64, or `data` itself.
pub(crate) fn data(data: Option<Data>, bytes: Option<String>) -> Result<Data, String> {
    match (data, bytes) {
        (_, Some(base64)) => Data::from_base64(&base64).map_err(|error| error.to_string()),
        (Some(data), None) => Ok(data),
        (None, None) => Err("\"data\" is missing".into()),
    }
}

pub(crate) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Data>, D::Error> {
    Data::deserialize(deserializer).map(Some)
}
