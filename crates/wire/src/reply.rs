//! What the hub says to one client: answers, and what concerns its connection alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{ChannelName, Code, Cursor, Epoch, Message, MessageId, StreamCursor, User};

/// An answer, with the number of the request that it answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reply {
    /// `req` of the request; absent on what was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req: Option<u64>,
    /// What is answered.
    #[serde(flatten)]
    pub body: ReplyBody,
}

impl Reply {
    /// Something that was not asked for.
    pub fn unasked(body: ReplyBody) -> Self {
        Self { req: None, body }
    }

    /// A refusal of the request `req`.
    pub fn error(req: Option<u64>, code: Code, message: impl Into<String>) -> Self {
        Self {
            req,
            body: ReplyBody::Error {
                code,
                message: message.into(),
            },
        }
    }
}

/// What the hub can answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ReplyBody {
    /// The connection stands, and this is who you are.
    Hello {
        /// This connection's session.
        session: MessageId,
        /// Who the server takes the client for.
        user: User,
        /// The newest place of each log: "now".
        cursor: StreamCursor,
        /// On a stream, whose `cursor` is where it begins: where the logs ended as it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        newest: Option<Newest>,
        /// On a stream whose channels are in several logs: which one each is in.
        #[serde(skip_serializing_if = "Option::is_none")]
        epochs: Option<BTreeMap<ChannelName, Epoch>>,
        /// When to be alarmed by silence.
        heartbeat: Heartbeat,
        /// The protocol's version.
        version: u32,
    },
    /// A channel is followed.
    Subscribed {
        /// Which.
        channel: ChannelName,
        /// Where it starts.
        cursor: Cursor,
        /// Whether messages between the client's cursor and the first one delivered are gone.
        truncated: bool,
    },
    /// A channel is followed no longer.
    Unsubscribed {
        /// Which.
        channel: ChannelName,
        /// Why, where the client did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
    },
    /// The log has the message.
    Published {
        /// Its place.
        seq: u64,
        /// Its id.
        id: MessageId,
        /// When the log took it, in milliseconds since the Unix epoch.
        at: u64,
    },
    /// Who is in a channel.
    Presence(Presence),
    /// Stored messages, oldest first.
    History {
        /// The page.
        #[serde(serialize_with = "shared_messages")]
        messages: Vec<Arc<Message>>,
        /// Whether older ones that were asked for are gone.
        truncated: bool,
    },
    /// The new token is in force.
    Refreshed {
        /// When it ends, in milliseconds since the Unix epoch; absent: never.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    /// The answer to a ping.
    Pong {
        /// The server's time, in milliseconds since the Unix epoch.
        at: u64,
    },
    /// The server is about to end: come back within this time, spread out over it.
    Reconnect {
        /// In milliseconds.
        after_ms: u64,
    },
    /// Something was refused; the connection stays.
    Error {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        message: String,
    },
}

/// Where the logs end that a stream reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Newest {
    /// There is one: its newest `seq`.
    Seq(u64),
    /// There are several: the newest place of each.
    Cursor(StreamCursor),
}

impl From<StreamCursor> for Newest {
    fn from(cursor: StreamCursor) -> Self {
        match cursor.parts() {
            [one] => Self::Seq(one.seq),
            _ => Self::Cursor(cursor),
        }
    }
}

/// When a client should ping and when it should give a connection up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// Silence after which to ping, in milliseconds.
    pub interval: u64,
    /// Silence after a ping that counts as a miss, in milliseconds.
    pub timeout: u64,
    /// Misses after which the connection is dead.
    pub tries: u32,
}

/// Who is in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// The users, in the order of their names; of a crowd, the first of them.
    pub users: Vec<Present>,
    /// How many there are in all.
    pub count: usize,
}

/// A user in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Present {
    /// Who.
    pub user: User,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Over how many connections.
    pub connections: u32,
}

fn shared_messages<S: Serializer>(
    messages: &[Arc<Message>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(|message| &**message))
}
