//! Which streams there are, and which of them a channel is in.
//!
//! Pure. A retention is a class of streams, for JetStream bounds what is kept by the stream: one class for each
//! namespace with a policy of its own, one for all others. Each class has as many streams as there are shards, and
//! each stream is a log. Where a channel is follows from its name alone, in all processes and for all times: streams
//! keep messages for longer than any of us runs.

use std::collections::HashMap;

use tidings_engine::{Retention, RetentionPolicies};
use tidings_wire::ChannelName;

use crate::token::{escape, token};

/// The class of all channels whose namespace has no policy of its own. No namespace's class is called so, for those
/// begin with `ns-`.
const COMMON: &str = "any";

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Layout {
    name: String,
    shards: usize,
    /// Of each namespace with a policy of its own, its first log.
    namespaces: HashMap<String, usize>,
    logs: Vec<LogPlace>,
}

/// One log: a stream and the subjects in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogPlace {
    /// The stream's name.
    pub(crate) stream: String,
    /// What the subjects of its messages begin with, a channel's token to follow.
    pub(crate) stored: String,
    /// What the subjects begin with under which it tells of its messages.
    pub(crate) live: String,
    /// What it keeps.
    pub(crate) retention: Retention,
}

impl LogPlace {
    /// All subjects of its messages.
    pub(crate) fn all_stored(&self) -> String {
        format!("{}>", self.stored)
    }

    /// All subjects under which it tells of them.
    pub(crate) fn all_live(&self) -> String {
        format!("{}>", self.live)
    }
}

impl Layout {
    /// The streams of the cluster `name`, for `retention`, with so many `shards` each.
    pub(crate) fn new(name: &str, retention: &RetentionPolicies, shards: usize) -> Self {
        let mut names: Vec<_> = retention.namespaces.keys().collect();
        names.sort_unstable();
        let mut layout = Self {
            name: name.to_owned(),
            shards,
            namespaces: HashMap::new(),
            logs: Vec::new(),
        };
        layout.add(COMMON, retention.default);
        for namespace in names {
            let first = layout.logs.len();
            layout.namespaces.insert(namespace.clone(), first);
            let class = format!("ns-{}", escape(namespace));
            layout.add(&class, retention.of_namespace(namespace));
        }
        layout
    }

    fn add(&mut self, class: &str, retention: Retention) {
        let Self { name, shards, .. } = self;
        // Each stream has its share of what all of them keep.
        let bytes = retention.bytes.map(|bytes| bytes.div_ceil(*shards as u64));
        let retention = Retention { bytes, ..retention };
        self.logs.extend((0..*shards).map(|shard| LogPlace {
            // A stream's name has no `%`, which JetStream would take, but its tools and files are the better without.
            stream: format!(
                "{}_{}_{shard}",
                name.to_uppercase(),
                class.replace('%', "=")
            ),
            stored: format!("{name}.ch.{class}.{shard}."),
            live: format!("{name}.live.{class}.{shard}."),
            retention,
        }));
    }

    /// The logs; at least one.
    pub(crate) fn logs(&self) -> &[LogPlace] {
        &self.logs
    }

    /// How many streams share a retention.
    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    /// Which of [`logs`](Self::logs) a channel is in.
    pub(crate) fn log_of(&self, channel: &ChannelName) -> usize {
        let first = self.namespaces.get(channel.namespace()).copied();
        first.unwrap_or(0) + (fnv(channel.as_str()) % self.shards as u64) as usize
    }

    /// The subject of a channel's messages.
    pub(crate) fn subject(&self, channel: &ChannelName) -> String {
        self.logs[self.log_of(channel)].stored.clone() + &token(channel)
    }

    /// The subject of what passes and is not stored; `what` is one word.
    pub(crate) fn passing(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }
}

/// FNV-1a of 64 bits (draft-eastlake-fnv): the same everywhere and for ever, which std's hashes do not promise.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn layout(shards: usize) -> Layout {
        let bytes = |bytes| Retention {
            bytes: Some(bytes),
            ..Retention::default()
        };
        let namespaces = [("chat", 100), ("", 7)].map(|(name, it)| (name.to_owned(), bytes(it)));
        let default = Retention::default();
        let namespaces = namespaces.into();
        Layout::new(
            "td",
            &RetentionPolicies {
                default,
                namespaces,
            },
            shards,
        )
    }

    #[test]
    fn a_channel_is_where_it_always_was() {
        // Never to be changed: messages are there.
        assert_eq!(fnv("a"), 0xaf63_dc4c_8601_ec8c, "FNV-1a's own test vector");
        assert_eq!(fnv("chat:lobby"), 0xb82d_9d90_6295_f499);
        let layout = layout(4);
        let place = |name: &str| &layout.logs()[layout.log_of(&channel(name))];
        assert_eq!(place("chat:lobby").stream, "TD_ns-chat_1");
        assert_eq!(
            layout.subject(&channel("chat:lobby")),
            "td.ch.ns-chat.1.chat%3Alobby"
        );
        assert_eq!(place("plain").stored, "td.ch.ns-.3.");
        assert_eq!(place("news:x").stream, "TD_any_0");
        assert_eq!(place("news:x").all_live(), "td.live.any.0.>");
    }

    #[test]
    fn each_stream_keeps_its_share() {
        let bytes = |it: &LogPlace| it.retention.bytes.unwrap();
        let layout = layout(4);
        assert_eq!(
            layout.logs()[4..].iter().map(bytes).collect::<Vec<_>>(),
            [2, 2, 2, 2, 25, 25, 25, 25]
        );
    }

    #[test]
    fn the_channels_of_a_class_are_spread_over_its_shards() {
        let layout = layout(4);
        let mut counts = [0; 12];
        for n in 0..4000 {
            counts[layout.log_of(&channel(&format!("chat:room-{n}")))] += 1;
        }
        assert_eq!(counts[..8], [0; 8]);
        assert!(
            counts[8..].iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }
}
