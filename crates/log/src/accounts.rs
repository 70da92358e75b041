//! The sums of bytes that retention bounds: one account for each namespace with a policy of its own,
//! one for all others together. Pure.

use tidings_engine::{Retention, RetentionPolicies};
use tidings_wire::ChannelName;

/// The account that all namespaces without a policy share has this name on the disk, which no
/// namespace can have.
pub(crate) const SHARED: &str = "*";

/// All accounts; the shared one is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accounts(Vec<Account>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: Box<str>,
    pub(crate) retention: Retention,
    /// The sum of the data of all messages that are kept.
    pub(crate) bytes: u64,
    /// Since the last write to the disk.
    pub(crate) is_changed: bool,
}

impl Accounts {
    /// Those that `policies` asks for, with nothing in them.
    pub(crate) fn new(policies: &RetentionPolicies) -> Self {
        let account = |name: &str, retention| Account {
            name: name.into(),
            retention,
            bytes: 0,
            is_changed: false,
        };
        let mut named: Vec<_> = policies
            .namespaces
            .iter()
            .map(|(name, retention)| account(name, *retention))
            .collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        let shared = account(SHARED, policies.default);
        Self(std::iter::once(shared).chain(named).collect())
    }

    /// On which one the messages of `channel` are.
    pub(crate) fn of(&self, channel: &ChannelName, policies: &RetentionPolicies) -> usize {
        let Some(namespace) = policies.account(channel) else {
            return 0;
        };
        self.0[1..]
            .binary_search_by(|account| account.name.as_ref().cmp(namespace))
            .map_or(0, |index| index + 1)
    }

    pub(crate) fn add(&mut self, channel: &ChannelName, policies: &RetentionPolicies, bytes: u64) {
        let index = self.of(channel, policies);
        let account = &mut self.0[index];
        account.bytes += bytes;
        account.is_changed = true;
    }

    pub(crate) fn free(&mut self, index: usize, bytes: u64) {
        let account = &mut self.0[index];
        account.bytes = account.bytes.saturating_sub(bytes);
        account.is_changed = true;
    }

    /// Puts down what the disk says; false: there is no such account.
    pub(crate) fn set(&mut self, name: &str, bytes: u64) -> bool {
        let account = self.0.iter_mut().find(|account| *account.name == *name);
        account.map(|account| account.bytes = bytes).is_some()
    }

    pub(crate) fn as_slice(&self) -> &[Account] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_namespaces_share_one_account() {
        let policies = RetentionPolicies {
            namespaces: [("chat", Retention::default()), ("", Retention::default())]
                .map(|(name, retention)| (name.to_owned(), retention))
                .into(),
            ..RetentionPolicies::default()
        };
        let mut accounts = Accounts::new(&policies);
        for (channel, bytes) in [("chat:a", 1), ("plain", 2), ("x:1", 4), ("y:1", 8)] {
            accounts.add(&ChannelName::new(channel).unwrap(), &policies, bytes);
        }
        accounts.free(0, 3);
        let told: Vec<_> = accounts.0.iter().map(|a| (&*a.name, a.bytes)).collect();
        assert_eq!(told, [(SHARED, 9), ("", 2), ("chat", 1)]);
    }
}
