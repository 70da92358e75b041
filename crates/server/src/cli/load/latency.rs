//! Latencies in microseconds, and what is told of them.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A histogram whose every value is right to three digits (0.1 %), whatever its size.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Latencies(Histogram<u64>);

/// The longest latency that is told apart from a longer one: an hour, longer than a run is worth.
const US_MAX: u64 = 3600 * 1_000_000;

/// Digits that are right. The fourth would take ten times the memory and is beyond what a run repeats.
const DIGITS: u8 = 3;

/// What is told: each is the value that so many of all do not exceed, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Quantiles {
    /// How many values there are.
    pub(in crate::cli) count: u64,
    pub(in crate::cli) p50: u64,
    pub(in crate::cli) p90: u64,
    pub(in crate::cli) p99: u64,
    pub(in crate::cli) p99_9: u64,
    pub(in crate::cli) max: u64,
}

/// A point of the curve of all quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(in crate::cli) struct CurvePoint {
    /// Which part of all, 0 to 1 …
    pub(in crate::cli) quantile: f64,
    /// … does not exceed this, in microseconds.
    pub(in crate::cli) us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(US_MAX, DIGITS).expect("the bounds are a histogram's"))
    }
}

impl Latencies {
    /// Takes one.
    pub(in crate::cli) fn record(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    /// Forgets all.
    pub(in crate::cli) fn reset(&mut self) {
        self.0.reset();
    }

    /// The usual ones; all 0 where there is no value.
    pub(in crate::cli) fn quantiles(&self) -> Quantiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Quantiles {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.0.max(),
        }
    }

    /// The whole curve: the nearer to 1, the closer its points, as far as there are values to tell.
    pub(in crate::cli) fn curve(&self) -> Vec<CurvePoint> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let values = self.0.iter_quantiles(STEPS_PER_HALVING);
        let mut curve: Vec<CurvePoint> = values
            .map(|value| CurvePoint {
                quantile: value.quantile_iterated_to().min(1.0),
                us: value.value_iterated_to().min(self.0.max()),
            })
            .collect();
        curve.dedup_by_key(|point| point.quantile.to_bits());
        curve
    }
}

/// Points of the curve each time that the rest to 1 halves: three make it smooth.
const STEPS_PER_HALVING: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        values.into_iter().for_each(|us| latencies.record(us));
        latencies
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let quantiles = latencies(1..=1000).quantiles();
        let (p50, p90, p99, p99_9) = (500, 900, 990, 999);
        assert_eq!(
            quantiles,
            Quantiles {
                count: 1000,
                p50,
                p90,
                p99,
                p99_9,
                max: 1000
            }
        );
    }

    #[test]
    fn nothing_has_no_quantiles_and_no_curve() {
        assert_eq!(latencies([]).quantiles(), Quantiles::default());
        assert!(latencies([]).curve().is_empty());
    }

    #[test]
    fn what_is_beyond_all_bounds_counts_as_the_largest() {
        let quantiles = latencies([0, u64::MAX]).quantiles();
        assert_eq!(quantiles.count, 2);
        assert!(quantiles.max >= US_MAX);
    }

    #[test]
    fn the_curve_rises_to_the_largest() {
        let curve = latencies((1..=1000).chain([50_000])).curve();
        assert!(curve.is_sorted_by(|a, b| a.quantile < b.quantile && a.us <= b.us));
        let last = curve.last().unwrap();
        assert_eq!(last.quantile, 1.0);
        assert!((49_000..=51_000).contains(&last.us), "{last:?}");
    }
}
