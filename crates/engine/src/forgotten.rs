//! What is still known of channels of which nothing is kept: up to where they had messages, roughly.
//!
//! A channel whose last message has expired costs nothing any more; but a reader who comes back with
//! an old cursor must hear `truncated`. So the names share a fixed number of buckets, each with the
//! highest `seq` that any of its forgotten channels had. A false alarm is possible, silence is not.

use tidings_wire::ChannelName;

/// Into how many buckets names fall: one forgotten channel gives a false alarm to one new channel in
/// so many, and the table has 32 KiB.
pub const FORGOTTEN_BUCKETS: usize = 4096;

/// The floors of channels that are kept no longer. Pure.
#[derive(Clone, Debug)]
pub struct Forgotten(Box<[u64]>);

impl Default for Forgotten {
    fn default() -> Self {
        Self(vec![0; FORGOTTEN_BUCKETS].into())
    }
}

impl Forgotten {
    /// The bucket of a name: FNV-1a, for a log writes it down.
    pub fn bucket(channel: &ChannelName) -> usize {
        let hash = channel.as_str().bytes().fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        });
        // Both halves, for the low bits alone are weak.
        ((hash ^ (hash >> 32)) % FORGOTTEN_BUCKETS as u64) as usize
    }

    /// The `seq` up to which messages of `channel` may have been deleted; 0: none was.
    pub fn floor(&self, channel: &ChannelName) -> u64 {
        self.0[Self::bucket(channel)]
    }

    /// A channel whose newest message was `head` is kept no longer.
    pub fn forget(&mut self, channel: &ChannelName, head: u64) {
        self.raise(Self::bucket(channel), head);
    }

    /// Takes `floor` for `bucket` if it is higher; a bucket that is none is left out.
    pub fn raise(&mut self, bucket: usize, floor: u64) {
        if let Some(known) = self.0.get_mut(bucket) {
            *known = floor.max(*known);
        }
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_channel_keeps_its_highest_floor() {
        let name = ChannelName::new("chat:lobby").unwrap();
        let mut forgotten = Forgotten::default();
        assert_eq!(forgotten.floor(&name), 0);
        forgotten.forget(&name, 7);
        forgotten.forget(&name, 5);
        assert_eq!(forgotten.floor(&name), 7);
        forgotten.raise(FORGOTTEN_BUCKETS, 9);
    }

    #[test]
    fn few_new_channels_suffer_for_a_forgotten_one() {
        let mut forgotten = Forgotten::default();
        forgotten.forget(&ChannelName::new("old").unwrap(), 7);
        let alarmed = (0..10_000)
            .map(|n| ChannelName::new(&format!("chat:{n}")).unwrap())
            .filter(|name| forgotten.floor(name) > 0);
        assert!(alarmed.count() < 10);
    }
}
