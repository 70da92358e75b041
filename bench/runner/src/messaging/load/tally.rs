//! The deliveries of one channel: how many, how late, and whether each came once and in order.

use hdrhistogram::Histogram;

/// What was published on a channel, and what came of it.
pub(super) struct Tally {
    /// When each message counts as sent, from number `first` on.
    sent_at: Vec<u64>,
    first: u64,
    pub(super) deliveries: u64,
    /// When the last one came.
    pub(super) last_at: u64,
    /// From when a message counts as sent until it came, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Messages that a follower did not get, as the next one shows.
    skipped: u64,
    /// Messages that a follower got again, or behind a later one.
    late: u64,
}

/// A minute at a resolution of a thousandth.
const LATENCY_MAX: u64 = 60_000_000_000;

/// Of nanoseconds up to a minute.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX, 3).expect("the bounds are valid")
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            sent_at: Vec::new(),
            first: 0,
            deliveries: 0,
            last_at: 0,
            latency: latencies(),
            skipped: 0,
            late: 0,
        }
    }

    /// Gives a message its number.
    pub(super) fn publish(&mut self, at: u64) -> u64 {
        self.sent_at.push(at);
        self.published() - 1
    }

    /// How many have been published: the number of the next one.
    pub(super) fn published(&self) -> u64 {
        self.first + self.sent_at.len() as u64
    }

    /// One follower, who expects number `next`, got `number` at `now`.
    #[inline]
    pub(super) fn deliver(&mut self, number: u64, next: &mut u64, now: u64) {
        if number == *next {
            *next += 1;
        } else if number > *next {
            self.skipped += number - *next;
            *next = number + 1;
        } else {
            self.late += 1;
            return;
        }
        self.deliveries += 1;
        self.last_at = now;
        let index = number.wrapping_sub(self.first) as usize;
        if let Some(sent_at) = self.sent_at.get(index) {
            self.latency.saturating_record(now.saturating_sub(*sent_at));
        }
    }

    /// Counts from now on; what was wrong before stays so.
    pub(super) fn restart(&mut self) {
        self.first = self.published();
        self.sent_at.clear();
        self.deliveries = 0;
        self.latency.reset();
    }

    /// What went wrong, in words.
    pub(super) fn wrong(&self) -> Result<(), String> {
        match (self.skipped, self.late) {
            (0, 0) => Ok(()),
            (skipped, late) => Err(format!(
                "WRONG: {skipped} messages were skipped, {late} came again or out of order"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[u64]) -> Tally {
        let mut tally = Tally::new();
        (0..5).for_each(|at| _ = tally.publish(at * 10));
        let mut next = 0;
        for number in numbers {
            tally.deliver(*number, &mut next, 100);
        }
        tally
    }

    #[test]
    fn deliveries_in_order_are_right_and_have_their_latencies() {
        let tally = after(&[0, 1, 2, 3, 4]);
        assert_eq!(tally.deliveries, 5);
        assert_eq!(tally.wrong(), Ok(()));
        assert_eq!((tally.latency.min(), tally.latency.max()), (60, 100));
    }

    #[test]
    fn what_is_skipped_doubled_or_out_of_order_is_told() {
        let wrong = |numbers: &[u64]| after(numbers).wrong().unwrap_err();
        assert!(wrong(&[0, 3]).contains("2 messages were skipped, 0 came"));
        assert!(wrong(&[0, 1, 1]).contains("0 messages were skipped, 1 came"));
        assert!(wrong(&[0, 2, 1]).contains("1 messages were skipped, 1 came"));
    }

    #[test]
    fn a_restart_goes_on_with_the_numbers() {
        let mut tally = after(&[0, 1, 2, 3, 4]);
        tally.restart();
        assert_eq!((tally.deliveries, tally.published()), (0, 5));
        assert_eq!(tally.publish(200), 5);
        tally.deliver(5, &mut 5, 230);
        assert_eq!(tally.latency.max(), 30);
    }
}
