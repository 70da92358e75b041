//! What may differ between namespaces, retention apart, which lives in the engine.

use std::collections::HashMap;

use tidings_wire::ChannelName;

/// The policy of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespacePolicy {
    /// Whether followers of a channel are seen in it: they enter, others hear `join` and `leave`.
    /// Default: yes. To be turned off where thousands only read.
    pub presence: bool,
}

impl Default for NamespacePolicy {
    fn default() -> Self {
        Self { presence: true }
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
