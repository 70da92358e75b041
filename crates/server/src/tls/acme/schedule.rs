//! When to order the next certificate. Pure.

use std::time::{Duration, SystemTime};

use super::super::pair::Validity;

/// The part of its time that a certificate has left when it is renewed: a third, as Let's Encrypt asks for. Of
/// 90 days that is a month in which somebody can mend what keeps it from being renewed.
const RENEWED_AT_PART: u32 = 3;

/// The pause after the first failure; each one after that doubles it. Let's Encrypt allows five failures an
/// hour, and locks out whoever goes on.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);

/// It remembers what has failed in a row.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    failures: u32,
}

impl Schedule {
    /// How long to wait before the next order, with a certificate of that validity, or none.
    pub(super) fn wait(&self, validity: Option<Validity>, now: SystemTime) -> Duration {
        let due = validity.map_or(Duration::ZERO, |validity| {
            let whole = validity.ends.duration_since(validity.begins);
            let kept = whole.unwrap_or_default() / RENEWED_AT_PART;
            validity.left(now).unwrap_or_default().saturating_sub(kept)
        });
        due.max(self.pause())
    }

    /// How long to wait at least, for what has failed.
    pub(super) fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => PAUSE
                .saturating_mul(2_u32.saturating_pow(failures - 1))
                .min(PAUSE_MAX),
        }
    }

    /// An order has failed.
    pub(super) fn handle_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// An order has brought a certificate.
    pub(super) fn handle_success(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn valid(days: u32) -> Validity {
        let begins = SystemTime::UNIX_EPOCH;
        Validity {
            begins,
            ends: begins + DAY * days,
        }
    }

    #[test]
    fn one_is_ordered_at_once_where_there_is_none_and_otherwise_at_a_third() {
        let schedule = Schedule::default();
        let wait = |days, after| schedule.wait(Some(valid(days)), SystemTime::UNIX_EPOCH + after);
        assert_eq!(schedule.wait(None, SystemTime::UNIX_EPOCH), Duration::ZERO);
        assert_eq!(wait(90, DAY * 10), DAY * 50);
        assert_eq!(wait(6, Duration::ZERO), DAY * 4);
        assert_eq!(wait(90, DAY * 60), Duration::ZERO);
        assert_eq!(wait(90, DAY * 100), Duration::ZERO, "it has ended");
    }

    #[test]
    fn after_failures_it_is_tried_again_more_and_more_rarely() {
        let mut schedule = Schedule::default();
        let mut pauses = Vec::new();
        for _ in 0..100 {
            schedule.handle_failure();
            pauses.push(schedule.wait(None, SystemTime::UNIX_EPOCH));
        }
        assert_eq!(pauses[..3], [PAUSE, PAUSE * 2, PAUSE * 4]);
        assert_eq!(pauses[99], PAUSE_MAX);
        let first_hour = Duration::from_secs(3600);
        let at = |tries: usize| pauses[..tries].iter().sum::<Duration>();
        let tries = (0..).take_while(|tries| at(*tries) < first_hour).count();
        assert!(tries <= 5, "{tries} in an hour");
        schedule.handle_success();
        assert_eq!(schedule.wait(None, SystemTime::UNIX_EPOCH), Duration::ZERO);
    }
}
