//! A census: what one shard holds and how it does, for whoever watches over a server.
//!
//! It is taken by walking through everything, when somebody asks. So nothing is counted on the way of a
//! message but the [`Lags`], once a batch.

use std::collections::VecDeque;
use std::time::Instant;

use tidings_engine::Histogram;

/// What there is on a shard now, and what was counted since it started.
#[derive(Clone, Debug)]
pub struct Census {
    /// Sessions, pollers' leases among them.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Channels that somebody follows.
    pub channels: usize,
    /// Followers for whom there is something that they have not been given: their transport has no room, or
    /// it is being read from the log.
    pub followers_behind: usize,
    /// What all tails hold, about, in bytes.
    pub tail_bytes: usize,
    /// How long it took from the commit of a batch until its followers here that had room were given it, in
    /// nanoseconds; one value for each batch that had followers here.
    pub lags: Histogram,
    /// How often the shard was too slow to hear of every batch, so that its sessions read the log.
    pub missed: u64,
}

/// Measures how long batches are on their way to their followers.
pub(crate) struct Lags {
    /// When the engine told of them, and how many listed sessions must have been taken until the last of
    /// their followers was; oldest first.
    under_way: VecDeque<(Instant, u64)>,
    spread: Histogram,
}

/// Batches that are measured at a time; of more, which are some seconds of overload, the newest are not.
const UNDER_WAY_MAX: usize = 4096;

impl Lags {
    pub(crate) fn new() -> Self {
        Self {
            under_way: VecDeque::new(),
            spread: Histogram::of_durations(),
        }
    }

    /// A batch that the engine told of at `told_at` is on its way, until `goal` sessions have been taken.
    pub(crate) fn begin(&mut self, told_at: Instant, goal: u64) {
        if self.under_way.len() < UNDER_WAY_MAX {
            self.under_way.push_back((told_at, goal));
        }
    }

    /// So many sessions have been `taken` and given what there was. `now` is asked for the time only if that
    /// ends the way of a batch.
    pub(crate) fn end(&mut self, taken: u64, now: impl FnOnce() -> Instant) {
        let ended = self.under_way.partition_point(|(_, goal)| *goal <= taken);
        if ended == 0 {
            return;
        }
        let now = now();
        for (told_at, _) in self.under_way.drain(..ended) {
            let lag = now.saturating_duration_since(told_at);
            self.spread.observe_duration(lag);
        }
    }

    /// What was measured.
    pub(crate) fn spread(&self) -> &Histogram {
        &self.spread
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_batch_is_on_its_way_until_the_last_of_its_followers_was_taken() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut lags = Lags::new();
        lags.begin(at(0), 10);
        lags.begin(at(1), 20);
        lags.end(9, || panic!("nothing has ended"));
        lags.end(10, || at(5));
        assert_eq!((lags.spread().count(), lags.spread().sum()), (1, 5_000_000));
        lags.end(20, || at(11));
        assert_eq!(
            (lags.spread().count(), lags.spread().sum()),
            (2, 15_000_000)
        );
    }

    #[test]
    fn what_is_measured_at_a_time_is_bounded() {
        let now = Instant::now();
        let mut lags = Lags::new();
        for _ in 0..UNDER_WAY_MAX + 1 {
            lags.begin(now, 1);
        }
        lags.end(1, || now);
        assert_eq!(lags.spread().count(), UNDER_WAY_MAX as u64);
    }
}
