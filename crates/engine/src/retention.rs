//! How long messages are kept.

use std::collections::HashMap;
use std::time::Duration;

use tidings_wire::ChannelName;

/// How many messages of a channel may outlive [`Retention::messages`]: a durable log deletes them in
/// blocks of 64 once a whole block is over.
pub const RETENTION_SLACK: u64 = 127;

/// What is kept of a namespace. Whichever bound is reached first deletes, the oldest first; `None`
/// does not bound. Deleting runs behind publishing, so that it holds nobody up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many messages of each channel, and up to [`RETENTION_SLACK`] more.
    pub messages: Option<u64>,
    /// Messages younger than this.
    pub age: Option<Duration>,
    /// The newest messages of the whole namespace up to this sum of their data, in bytes.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    /// 10,000 messages a channel, 30 days, 1 GiB a namespace: a team's chat for a month on any disk.
    fn default() -> Self {
        Self {
            messages: Some(10_000),
            age: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            bytes: Some(1 << 30),
        }
    }
}

/// The retention of every namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicies {
    /// For namespaces that are not named below. Its `bytes` bound them all together: clients can
    /// make up namespaces, and must not make up room on the disk.
    pub default: Retention,
    /// By namespace; `""` is that of channels without one.
    pub namespaces: HashMap<String, Retention>,
}

impl RetentionPolicies {
    /// What holds for `channel`.
    pub fn of(&self, channel: &ChannelName) -> Retention {
        self.of_namespace(channel.namespace())
    }

    /// What holds for `namespace`.
    pub fn of_namespace(&self, namespace: &str) -> Retention {
        self.namespaces
            .get(namespace)
            .copied()
            .unwrap_or(self.default)
    }

    /// On whose account the bytes of `channel` are: its namespace's, if that has a policy of its own;
    /// `None` is the account that all others share.
    pub fn account<'a>(&self, channel: &'a ChannelName) -> Option<&'a str> {
        let namespace = channel.namespace();
        self.namespaces.contains_key(namespace).then_some(namespace)
    }
}
