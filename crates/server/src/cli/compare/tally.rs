//! What all clients of one cell write into: what came, when, and in which order. Pure but for the moments that it is
//! told.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::time::Instant;

use crate::cli::load::latency::{Latencies, Quantiles};
use crate::cli::load::order::{Arrival, Order};

/// One thread has it all, and nobody holds it while waiting.
pub(super) type SharedTally = Rc<RefCell<Tally>>;

/// The deliveries of one cell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// When each message was to be sent, by its number.
    moments: Vec<Instant>,
    /// The first message of the stream that is measured now.
    first: u64,
    /// How many of the stream the server has taken.
    taken: u64,
    latencies: Latencies,
    orders: Vec<Order>,
    /// Deliveries of the stream, each message counted once for each client.
    delivered: u64,
    duplicated: u64,
    out_of_order: u64,
    /// In words, the first of each.
    troubles: Vec<String>,
}

/// How many different troubles are kept: a person reads a few.
const TROUBLES_MAX: usize = 5;

/// How one stream came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reception {
    /// How long messages took from when they were to be sent.
    pub(super) latency: Quantiles,
    /// Messages that the server took.
    pub(super) taken: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
}

impl Tally {
    /// One more client; gives its number.
    pub(super) fn seat(&mut self) -> usize {
        self.orders.push(Order::default());
        self.orders.len() - 1
    }

    /// A stream begins. What comes of those before counts no more.
    pub(super) fn begin(&mut self) {
        self.first = self.moments.len() as u64;
        self.taken = 0;
        self.latencies.reset();
        self.delivered = 0;
        self.duplicated = 0;
        self.out_of_order = 0;
    }

    /// A message goes out that should go at `moment`; gives its number.
    pub(super) fn send(&mut self, moment: Instant) -> u64 {
        self.moments.push(moment);
        self.moments.len() as u64 - 1
    }

    /// The server has a message.
    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    /// Message `n` came to a client.
    pub(super) fn deliver(&mut self, client: usize, n: u64, now: Instant) {
        let (Some(moment), Some(order)) = (
            usize::try_from(n).ok().and_then(|n| self.moments.get(n)),
            self.orders.get_mut(client),
        ) else {
            return self.trouble("a message came that nobody had sent".to_owned());
        };
        // There is one publisher: the message before is the one with the number before.
        let arrival = order.arrive(n + 1, n);
        if n < self.first {
            return;
        }
        match arrival {
            Arrival::Next => {}
            Arrival::OutOfOrder => self.out_of_order += 1,
            Arrival::Duplicate => {
                self.duplicated += 1;
                return;
            }
        }
        self.delivered += 1;
        let took = now.saturating_duration_since(*moment).as_micros();
        self.latencies
            .record(u64::try_from(took).unwrap_or(u64::MAX));
    }

    /// Something went wrong without ending the run.
    pub(super) fn trouble(&mut self, words: String) {
        if self.troubles.len() < TROUBLES_MAX && !self.troubles.contains(&words) {
            self.troubles.push(words);
        }
    }

    /// Deliveries of the stream until now.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages of the stream that went out and that the server has not taken yet.
    pub(super) fn untaken(&self) -> u64 {
        self.moments.len() as u64 - self.first - self.taken
    }

    /// Whether everything that was taken came to everybody.
    pub(super) fn is_complete(&self) -> bool {
        self.untaken() == 0 && self.delivered >= self.promised()
    }

    /// How the stream came.
    pub(super) fn reception(&self) -> Reception {
        Reception {
            latency: self.latencies.quantiles(),
            taken: self.taken,
            lost: self.promised().saturating_sub(self.delivered),
            duplicated: self.duplicated,
            out_of_order: self.out_of_order,
        }
    }

    /// What went wrong, in words.
    pub(super) fn troubles(&self) -> &[String] {
        &self.troubles
    }

    fn promised(&self) -> u64 {
        self.taken * self.orders.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn two_clients() -> (Tally, Instant) {
        let mut tally = Tally::default();
        assert_eq!((tally.seat(), tally.seat()), (0, 1));
        (tally, Instant::now())
    }

    #[test]
    fn latency_counts_from_when_a_message_was_to_be_sent() {
        let (mut tally, now) = two_clients();
        tally.begin();
        let n = tally.send(now);
        assert_eq!(tally.untaken(), 1);
        tally.take();
        tally.deliver(0, n, now + Duration::from_millis(3));
        assert!(!tally.is_complete());
        tally.deliver(1, n, now + Duration::from_millis(5));
        assert!(tally.is_complete());
        let latency = tally.reception().latency;
        assert_eq!(latency.count, 2);
        assert!((3000..=3003).contains(&latency.p50) && latency.max >= 5000);
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_counted() {
        let (mut tally, now) = two_clients();
        tally.begin();
        for _ in 0..3 {
            tally.send(now);
            tally.take();
        }
        for n in [0, 0, 2, 1] {
            tally.deliver(0, n, now);
        }
        tally.deliver(1, 2, now);
        let reception = tally.reception();
        assert_eq!((reception.duplicated, reception.out_of_order), (1, 1));
        assert_eq!(reception.lost, 2);
    }

    #[test]
    fn a_stream_begins_anew_and_late_ones_of_the_last_do_not_count() {
        let (mut tally, now) = two_clients();
        tally.begin();
        tally.send(now);
        tally.take();
        tally.begin();
        tally.deliver(0, 0, now);
        assert_eq!(tally.delivered(), 0);
        tally.deliver(0, 9, now);
        assert_eq!(tally.troubles().len(), 1, "nobody has sent it");
    }
}
