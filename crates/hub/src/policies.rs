//! What may differ between namespaces, retention apart, which lives in the engine.

use std::collections::HashMap;

use tidings_wire::ChannelName;

/// The policy of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespacePolicy {
    /// Whether followers of a channel are seen in it: they enter, others hear `join` and `leave`.
    /// Default: yes. To be turned off where thousands only read.
    pub presence: bool,
    /// What a follower is given that has fallen behind. Default: everything.
    pub behind: Behind,
}

/// What a follower is given whose next message is in memory no longer: a reader that is slower than its
/// channel, or one that comes back after a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// Everything that is kept, from the log.
    #[default]
    Everything,
    /// The newest message, and that the others are lost to it: where only what holds now counts, such as
    /// a price or a position.
    Newest,
}

impl Default for NamespacePolicy {
    fn default() -> Self {
        Self {
            presence: true,
            behind: Behind::Everything,
        }
    }
}

/// The policies of all namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespacePolicies {
    /// For namespaces that are not named below.
    pub default: NamespacePolicy,
    /// By namespace; `""` is that of channels without one.
    pub namespaces: HashMap<String, NamespacePolicy>,
}

impl NamespacePolicies {
    /// What holds for `channel`.
    pub fn of(&self, channel: &ChannelName) -> NamespacePolicy {
        self.namespaces
            .get(channel.namespace())
            .copied()
            .unwrap_or(self.default)
    }
}
