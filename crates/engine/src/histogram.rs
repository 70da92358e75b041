//! How something that is counted is spread, for whoever watches over a server.

use std::time::Duration;

/// How many values were how large: a count for each of some fixed bounds, and the sum of all.
///
/// Plain numbers, of the thread that counts; whoever wants to see them is given a copy.
///
/// ```
/// use std::time::Duration;
///
/// use tidings_engine::Histogram;
///
/// let mut lags = Histogram::of_durations();
/// lags.observe_duration(Duration::from_millis(3));
/// assert_eq!((lags.count(), lags.sum()), (1, 3_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: the last is for values beyond all of them.
    counts: Box<[u64]>,
    sum: u64,
}

impl Histogram {
    /// Nothing yet, with the upper bounds of its buckets, ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1].into(),
            sum: 0,
        }
    }

    /// For spans of time, in nanoseconds, with [`DURATION_BOUNDS`].
    pub fn of_durations() -> Self {
        Self::new(&DURATION_BOUNDS)
    }

    /// Counts one more value.
    pub fn observe(&mut self, value: u64) {
        // A value that is a bound is within it.
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// [`observe`](Self::observe) for a span of time.
    pub fn observe_duration(&mut self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Each bound, and how many values were no larger.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let below = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(below)
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values added up.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

/// From what the quickest commits take to ten seconds, after which all that matters is that it is too
/// long; in nanoseconds.
pub const DURATION_BOUNDS: [u64; 18] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_reaches_it_and_in_all_behind() {
        let mut histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11] {
            histogram.observe(value);
        }
        let told: Vec<_> = histogram.cumulative().collect();
        assert_eq!(told, [(1, 2), (10, 4)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 24));
    }
}
