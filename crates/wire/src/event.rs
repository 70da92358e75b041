//! What the followers of a channel are sent: the same object for all of them.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::{ChannelName, Data, Message, User};

/// Anything delivered to the followers of a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stored message.
    Message(Arc<Message>),
    /// Not stored, at most once: somebody types, a cursor moved.
    Signal {
        /// Where.
        channel: ChannelName,
        /// Who sent it, as authenticated.
        from: User,
        /// What was said.
        data: Data,
    },
    /// A user's first connection entered the channel.
    Join {
        /// Which.
        channel: ChannelName,
        /// Who.
        user: User,
        /// When, in milliseconds since the Unix epoch.
        at: u64,
    },
    /// A user's last connection left the channel.
    Leave {
        /// Which.
        channel: ChannelName,
        /// Who.
        user: User,
        /// When, in milliseconds since the Unix epoch.
        at: u64,
    },
    /// Messages between the reader's cursor and the next one are no longer kept: the reader has a
    /// hole that nothing can fill.
    Truncated {
        /// Which channel.
        channel: ChannelName,
        /// `seq` of the oldest message that the channel keeps; 0: none.
        oldest: u64,
    },
}

impl Event {
    /// Its `type` on the wire, which is its `event:` on SSE as well.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Signal { .. } => "signal",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Truncated { .. } => "truncated",
        }
    }

    /// The channel that it happened in.
    pub fn channel(&self) -> &ChannelName {
        match self {
            Self::Message(message) => &message.channel,
            Self::Signal { channel, .. }
            | Self::Join { channel, .. }
            | Self::Leave { channel, .. }
            | Self::Truncated { channel, .. } => channel,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Message(message) = self {
            return message.serialize(serializer);
        }
        let readable = serializer.is_human_readable();
        let fields = match self {
            Self::Signal {
                data: Data::Bytes(_),
                ..
            } if readable => 5,
            Self::Truncated { .. } => 3,
            _ => 4,
        };
        let mut map = serializer.serialize_map(Some(fields))?;
        map.serialize_entry("type", self.type_name())?;
        map.serialize_entry("channel", self.channel())?;
        match self {
            Self::Message(_) => {}
            Self::Signal { from, data, .. } => {
                map.serialize_entry("from", from)?;
                data.serialize_entries(&mut map, readable)?;
            }
            Self::Join { user, at, .. } | Self::Leave { user, at, .. } => {
                map.serialize_entry("user", user)?;
                map.serialize_entry("at", at)?;
            }
            Self::Truncated { oldest, .. } => map.serialize_entry("oldest", oldest)?,
        }
        map.end()
    }
}
