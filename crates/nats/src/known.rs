//! Which message of a channel is its newest, as far as this node has heard.
//!
//! Pure. What is known here only saves questions: whoever relies on it has the stream check it.

use std::collections::HashMap;

use tidings_wire::ChannelName;

/// How many channels are known at least, those heard of last; at most twice as many, some 100 bytes each.
const CHANNELS_MAX: usize = 1 << 16;

/// The newest messages of the channels heard of lately: those heard of since the last time that there were too many,
/// and those before them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    late: HashMap<ChannelName, u64>,
    early: HashMap<ChannelName, u64>,
}

impl Known {
    /// `seq` of the newest message of `channel` that was heard of; 0: it is known to have none.
    pub(crate) fn newest(&self, channel: &ChannelName) -> Option<u64> {
        self.late
            .get(channel)
            .or_else(|| self.early.get(channel))
            .copied()
    }

    /// A message of `channel` is at `seq`.
    pub(crate) fn hear(&mut self, channel: &ChannelName, seq: u64) {
        let newest = self.newest(channel).map_or(seq, |known| known.max(seq));
        if let Some(known) = self.late.get_mut(channel) {
            *known = newest;
            return;
        }
        if self.late.len() >= CHANNELS_MAX {
            self.early = std::mem::take(&mut self.late);
        }
        self.late.insert(channel.clone(), newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(n: usize) -> ChannelName {
        ChannelName::new(&n.to_string()).unwrap()
    }

    #[test]
    fn the_newest_counts_in_whatever_order_it_is_heard() {
        let mut known = Known::default();
        assert_eq!(known.newest(&channel(1)), None);
        for seq in [3, 9, 4] {
            known.hear(&channel(1), seq);
        }
        assert_eq!(known.newest(&channel(1)), Some(9));
    }

    #[test]
    fn those_heard_of_last_are_known() {
        let mut known = Known::default();
        for n in 0..3 * CHANNELS_MAX {
            known.hear(&channel(n), n as u64);
            known.hear(&channel(0), n as u64);
        }
        let newest = 3 * CHANNELS_MAX - 1;
        for n in [0, newest, newest - CHANNELS_MAX / 2] {
            assert_eq!(
                known.newest(&channel(n)),
                Some(if n == 0 { newest } else { n } as u64)
            );
        }
        assert_eq!(known.newest(&channel(1)), None);
        assert!(known.late.len() + known.early.len() <= 2 * CHANNELS_MAX);
    }
}
