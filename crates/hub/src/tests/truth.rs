//! What was really committed, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use tidings_engine::Published;
use tidings_wire::{ChannelName, MessageId};

/// Every message that the engine took.
#[derive(Default)]
pub(super) struct Truth {
    by_channel: BTreeMap<ChannelName, BTreeSet<u64>>,
    by_id: BTreeMap<MessageId, u64>,
}

impl Truth {
    /// The engine has answered a publish to `channel`.
    pub(super) fn record(&mut self, channel: &ChannelName, published: &Published) {
        if published.repeated {
            let first = self.by_id.get(&published.id);
            assert_eq!(
                first,
                Some(&published.seq),
                "a retry is given the first place"
            );
            return;
        }
        let seqs = self.by_channel.entry(channel.clone()).or_default();
        seqs.insert(published.seq);
        let before = self.by_id.insert(published.id.clone(), published.seq);
        assert_eq!(before, None, "{} was stored twice", published.id);
    }

    /// A client was told that its message is at `seq`.
    pub(super) fn check_ack(&self, id: &MessageId, seq: u64) {
        assert_eq!(
            self.by_id.get(id),
            Some(&seq),
            "acknowledged elsewhere: {id}"
        );
    }

    /// The messages of `channel` between two places, neither of them included.
    pub(super) fn between(
        &self,
        channel: &ChannelName,
        after: u64,
        before: u64,
    ) -> impl Iterator<Item = u64> {
        let seqs = self.by_channel.get(channel).into_iter();
        seqs.flat_map(move |seqs| seqs.range(after + 1..before.max(after + 1)).copied())
    }
}
