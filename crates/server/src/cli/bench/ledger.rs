//! What was promised and what came: pure. Every message counts here, those of the warm-up as well.

use serde::Serialize;

use super::payload::Delivery;
use crate::cli::load::order::{Arrival, Order};

/// Who follows what, and what became of each message.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    channels: Vec<Channel>,
    followers: Vec<Follower>,
    /// Deliveries that acknowledgements promise.
    promised: u64,
    /// Deliveries that came, each message counted once for each follower.
    delivered: u64,
    duplicated: u64,
    out_of_order: u64,
}

#[derive(Debug, Default)]
struct Channel {
    followers: u64,
    /// `seq` of each acknowledged message, in the order of the acknowledgements.
    acknowledged: Vec<u64>,
}

#[derive(Debug)]
struct Follower {
    channel: u32,
    order: Order,
}

/// How well a promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Balance {
    /// Acknowledged messages times the followers of their channels.
    pub(super) promised: u64,
    /// Deliveries, each message counted once for each follower.
    pub(super) delivered: u64,
    /// Promised and not delivered.
    pub(super) lost: u64,
    /// Delivered once more.
    pub(super) duplicated: u64,
    /// Delivered after one that is behind it.
    pub(super) out_of_order: u64,
}

impl Balance {
    /// Whether the promise was kept to the letter.
    pub(super) fn is_even(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }
}

impl Ledger {
    /// For channels that nobody has used.
    pub(super) fn new(channels: u32) -> Self {
        Self {
            channels: (0..channels).map(|_| Channel::default()).collect(),
            ..Self::default()
        }
    }

    /// A client follows `channel` from now on; gives its number.
    pub(super) fn follow(&mut self, channel: u32) -> usize {
        self.channels[channel as usize].followers += 1;
        self.followers.push(Follower {
            channel,
            order: Order::default(),
        });
        self.followers.len() - 1
    }

    /// A message was acknowledged.
    pub(super) fn acknowledge(&mut self, channel: u32, seq: u64) {
        let channel = &mut self.channels[channel as usize];
        channel.acknowledged.push(seq);
        self.promised += channel.followers;
    }

    /// A message came. Whether it was the first time.
    pub(super) fn deliver(&mut self, follower: usize, delivery: Delivery) -> bool {
        let order = &mut self.followers[follower].order;
        match order.arrive(delivery.seq, delivery.prev) {
            Arrival::Next => {}
            Arrival::OutOfOrder => self.out_of_order += 1,
            Arrival::Duplicate => {
                self.duplicated += 1;
                return false;
            }
        }
        self.delivered += 1;
        true
    }

    /// Whether as much has come as was promised: cheap, and true too early when something came that
    /// is not acknowledged.
    pub(super) fn seems_even(&self) -> bool {
        self.delivered >= self.promised
    }

    /// Deliveries until now, each message counted once for each follower.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages acknowledged until now.
    pub(super) fn acknowledged(&self) -> u64 {
        let counts = self
            .channels
            .iter()
            .map(|channel| channel.acknowledged.len() as u64);
        counts.sum()
    }

    /// Looks at every message of every follower.
    pub(super) fn balance(&mut self) -> Balance {
        for channel in &mut self.channels {
            // Nearly sorted: publishers take turns.
            channel.acknowledged.sort_unstable();
        }
        let missing = self.followers.iter().map(|follower| {
            let channel = &self.channels[follower.channel as usize];
            follower.order.missing(&channel.acknowledged)
        });
        Balance {
            promised: self.promised,
            delivered: self.delivered,
            lost: missing.sum(),
            duplicated: self.duplicated,
            out_of_order: self.out_of_order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(seq: u64, prev: u64) -> Delivery {
        Delivery {
            seq,
            prev,
            at_us: 0,
        }
    }

    /// Two followers of channel 0 and one of channel 1.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(2);
        assert_eq!([0, 1, 0].map(|channel| ledger.follow(channel)), [0, 1, 2]);
        ledger
    }

    #[test]
    fn each_follower_is_promised_the_messages_of_its_channel() {
        let mut ledger = ledger();
        ledger.acknowledge(0, 2);
        ledger.acknowledge(1, 1);
        assert!(!ledger.seems_even());
        for (follower, seq) in [(0, 2), (1, 1), (2, 2)] {
            assert!(ledger.deliver(follower, delivery(seq, 0)));
        }
        assert!(ledger.seems_even());
        let balance = ledger.balance();
        assert!(balance.is_even());
        assert_eq!((balance.promised, balance.delivered), (3, 3));
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        let mut ledger = ledger();
        for seq in [3, 1, 2] {
            ledger.acknowledge(0, seq);
        }
        // The first gets the third before the second, and that twice; the other lacks the last.
        for (seq, prev) in [(1, 0), (3, 2), (2, 1), (2, 1)] {
            ledger.deliver(0, delivery(seq, prev));
        }
        for (seq, prev) in [(1, 0), (2, 1)] {
            ledger.deliver(2, delivery(seq, prev));
        }
        let balance = ledger.balance();
        assert_eq!(
            balance,
            Balance {
                promised: 6,
                delivered: 5,
                lost: 1,
                duplicated: 1,
                out_of_order: 1
            }
        );
        assert!(!balance.is_even());
    }

    #[test]
    fn what_comes_without_an_acknowledgement_does_not_hide_a_loss() {
        let mut ledger = ledger();
        ledger.acknowledge(1, 1);
        ledger.acknowledge(1, 2);
        ledger.deliver(1, delivery(1, 0));
        ledger.deliver(1, delivery(3, 2));
        assert!(ledger.seems_even());
        assert_eq!(ledger.balance().lost, 1);
    }
}
