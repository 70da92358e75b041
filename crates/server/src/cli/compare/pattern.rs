//! When messages are published: pure, and decided before anything is sent.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// A stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pattern {
    /// One after the other, evenly.
    Steady,
    /// As many on the average, ten at once.
    Bursty,
    /// One every five seconds.
    Quiet,
}

/// Messages of a burst.
const BURST: u32 = 10;

/// Between two messages where there are few: seconds, as in a room where people talk.
pub(super) const QUIET_EVERY: Duration = Duration::from_secs(5);

impl Pattern {
    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Bursty => "bursty",
            Self::Quiet => "quiet",
        }
    }

    /// When messages go out within `length`, from its beginning on, `rate` of them a second on the average (or what
    /// is quiet). Ascending; none at its very end.
    pub(super) fn moments(self, rate: f64, length: Duration) -> Vec<Duration> {
        let (at_once, every) = self.beat(rate);
        let beats = (length.as_secs_f64() / every.as_secs_f64()).ceil() as u32;
        (0..beats)
            .flat_map(|beat| (0..at_once).map(move |_| every * beat))
            .filter(|at| *at < length)
            .collect()
    }

    /// `length`, or as much more as it takes for whole beats: what is measured per message would else depend on
    /// where the end falls.
    pub(super) fn whole(self, rate: f64, length: Duration) -> Duration {
        let (_, every) = self.beat(rate);
        let beats = (length.as_secs_f64() / every.as_secs_f64()).ceil().max(1.0);
        every.mul_f64(beats)
    }

    /// So many at once, so often.
    fn beat(self, rate: f64) -> (u32, Duration) {
        match self {
            Self::Steady => (1, Duration::from_secs_f64(1.0 / rate)),
            Self::Bursty => (BURST, Duration::from_secs_f64(f64::from(BURST) / rate)),
            Self::Quiet => (1, QUIET_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn steady_and_bursty_send_as_many() {
        let moments = |pattern: Pattern| pattern.moments(2.0, 10 * S);
        let steady = moments(Pattern::Steady);
        assert_eq!(steady.len(), 20);
        assert_eq!(steady[1], S / 2);
        let bursty = moments(Pattern::Bursty);
        assert_eq!(bursty.len(), 20);
        assert_eq!((bursty[9], bursty[10]), (Duration::ZERO, 5 * S));
        assert!(steady.is_sorted() && bursty.is_sorted());
    }

    #[test]
    fn quiet_does_not_heed_the_rate() {
        let moments = Pattern::Quiet.moments(1000.0, 11 * S);
        assert_eq!(moments, [Duration::ZERO, 5 * S, 10 * S]);
    }

    #[test]
    fn a_length_holds_whole_beats() {
        assert_eq!(Pattern::Bursty.whole(2.0, 6 * S), 10 * S);
        assert_eq!(Pattern::Bursty.whole(2.0, 10 * S), 10 * S);
        assert_eq!(Pattern::Quiet.whole(2.0, S), 5 * S);
        assert_eq!(Pattern::Steady.whole(2.0, S / 4), S / 2);
    }
}
