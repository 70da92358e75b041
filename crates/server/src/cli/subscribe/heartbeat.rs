//! When silence is alarming, in the server's words (docs/protocol.md, "Heartbeats"). Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

/// When to ask whether the way is still open, and when to give it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Said")]
pub(super) struct Heartbeat {
    /// Silence after which to ask.
    pub(super) interval: Duration,
    /// Silence after asking that is a miss.
    pub(super) timeout: Duration,
    /// Misses after which the way is dead.
    pub(super) tries: u32,
}

/// What a server can be told to say. Anything else is an accident: less would make us ask without a
/// pause, and more is no heartbeat.
const SPAN_MS: RangeInclusive<u64> = 10..=3_600_000;
const TRIES: RangeInclusive<u32> = 1..=100;

/// How long a long poll waits: shorter than most proxies' patience.
const LONG_POLL: Duration = Duration::from_secs(25);

impl Heartbeat {
    /// Silence after which a way that brings something at each interval is dead.
    pub(super) fn patience(self) -> Duration {
        self.interval + self.grace()
    }

    /// How late an answer may be, or a sign of life.
    pub(super) fn grace(self) -> Duration {
        self.timeout * self.tries
    }

    /// How long a long poll waits: its answer is the sign of life. It counts whole seconds, and one that
    /// waits for none is a short poll.
    pub(super) fn long_poll(self) -> Duration {
        Duration::from_secs(LONG_POLL.min(self.interval).as_secs().max(1))
    }
}

impl Default for Heartbeat {
    /// A server's own, where nobody has told it another.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(5),
            tries: 2,
        }
    }
}

/// As it comes, in milliseconds.
#[derive(Deserialize)]
struct Said {
    interval: u64,
    timeout: u64,
    tries: u32,
}

impl From<Said> for Heartbeat {
    fn from(said: Said) -> Self {
        let span = |ms: u64| Duration::from_millis(ms.clamp(*SPAN_MS.start(), *SPAN_MS.end()));
        Self {
            interval: span(said.interval),
            timeout: span(said.timeout),
            tries: said.tries.clamp(*TRIES.start(), *TRIES.end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(interval: u64, timeout: u64, tries: u32) -> Heartbeat {
        Said {
            interval,
            timeout,
            tries,
        }
        .into()
    }

    #[test]
    fn silence_is_borne_for_the_interval_and_all_tries() {
        assert_eq!(said(20_000, 5000, 2), Heartbeat::default());
        assert_eq!(Heartbeat::default().patience(), Duration::from_secs(30));
        assert_eq!(said(5000, 1250, 2).patience().as_millis(), 7500);
        assert_eq!(said(60_000, 15_000, 4).patience().as_secs(), 120);
    }

    #[test]
    fn a_long_poll_waits_no_longer_than_the_interval_nor_than_proxies_bear() {
        for (interval, seconds) in [
            (10, 1),
            (1999, 1),
            (2000, 2),
            (24_999, 24),
            (25_000, 25),
            (26_000, 25),
        ] {
            assert_eq!(said(interval, 10, 1).long_poll().as_secs(), seconds);
        }
    }

    #[test]
    fn what_no_server_can_mean_is_brought_within_bounds() {
        assert_eq!(said(9, 9, 0), said(10, 10, 1));
        assert_ne!(said(11, 10, 1), said(10, 10, 1));
        assert_eq!(
            said(u64::MAX, 3_600_001, 101),
            said(3_600_000, 3_600_000, 100)
        );
        assert_ne!(said(3_599_999, 10, 1), said(3_600_000, 10, 1));
    }
}
