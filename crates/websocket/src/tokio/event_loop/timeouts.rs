//! When sockets have been silent for too long: one coarse scan instead of a timer for each.
//!
//! Time is counted in ticks. Beside the sockets lies an array of the tick at which each was
//! last heard of, four bytes a socket, and once a tick a scan over it finds those to look
//! at: ten thousand take some microseconds. A timeout is never early, and late by
//! two ticks at most.

use std::time::Duration;

use crate::keepalive::Options;

/// The ticks of all sockets, by their place, and the limits that are counted from them.
#[derive(Debug)]
pub(super) struct Timeouts {
    now: u32,
    since: Vec<u32>,
    /// How far the scan of this tick has come.
    scanned: usize,
    ping_after: Option<u32>,
    answer_within: u32,
    closing_within: u32,
}

/// What a socket's time is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Since something was heard of the peer.
    Open,
    /// Since something was heard, and a ping was sent after that.
    Pinged,
    /// Since the closing began.
    Closing,
}

/// What is to be done about a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// When it has been silent: ask whether it lives.
    Ping,
    /// When it did not answer, or did not close, in time.
    GiveUp,
}

impl Timeouts {
    /// Also gives how long a tick is.
    pub(super) fn new(options: &Options) -> (Self, Duration) {
        let shortest = options.ping_after.map_or(options.closing_within, |after| {
            after.min(options.answer_within).min(options.closing_within)
        });
        let tick = (shortest / TICKS_IN_SHORTEST).clamp(TICK_MIN, TICK_MAX);
        let ticks = |duration: Duration| {
            // One more, because the first may be nearly over when the counting begins.
            let ticks = duration.as_nanos().div_ceil(tick.as_nanos()) + 1;
            u32::try_from(ticks).unwrap_or(u32::MAX / 2)
        };
        let timeouts = Self {
            now: 0,
            since: Vec::new(),
            scanned: usize::MAX,
            ping_after: options.ping_after.map(ticks),
            answer_within: ticks(options.answer_within),
            closing_within: ticks(options.closing_within),
        };
        (timeouts, tick)
    }

    /// Says that a tick has passed: a scan begins.
    pub(super) fn handle_tick(&mut self) {
        self.now = self.now.wrapping_add(1);
        self.scanned = 0;
    }

    /// Says that the time of the socket in this place is counted from now.
    pub(super) fn restart(&mut self, index: usize) {
        if index >= self.since.len() {
            self.since.resize(index + 1, self.now);
        }
        self.since[index] = self.now;
    }

    /// Whether [`next_candidate`](Self::next_candidate) may find more in this tick.
    pub(super) fn is_scanning(&self) -> bool {
        self.scanned < self.since.len()
    }

    /// The next place whose time is long enough for [`due`](Self::due) to ask for something.
    pub(super) fn next_candidate(&mut self) -> Option<usize> {
        let (now, least) = (self.now, self.least());
        let rest = self.since.get(self.scanned..)?;
        let found = rest
            .iter()
            .position(|since| now.wrapping_sub(*since) >= least);
        let index = found.map(|at| self.scanned + at);
        self.scanned = index.map_or(self.since.len(), |index| index + 1);
        index
    }

    /// What is to be done about the socket in this place.
    pub(super) fn due(&self, index: usize, standing: Standing) -> Due {
        let ticks = self.now.wrapping_sub(self.since[index]);
        match (standing, self.ping_after) {
            (Standing::Closing, _) if ticks >= self.closing_within => Due::GiveUp,
            (Standing::Open, Some(after)) if ticks >= after => Due::Ping,
            (Standing::Pinged, Some(after))
                if ticks >= after.saturating_add(self.answer_within) =>
            {
                Due::GiveUp
            }
            _ => Due::Nothing,
        }
    }

    fn least(&self) -> u32 {
        self.ping_after
            .map_or(self.closing_within, |after| after.min(self.closing_within))
    }
}

/// How exact the shortest timeout is.
const TICKS_IN_SHORTEST: u32 = 8;
/// A scan costs some microseconds; more often than this would be felt.
const TICK_MIN: Duration = Duration::from_millis(10);
/// Nobody minds a second in a timeout of many.
const TICK_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts() -> Timeouts {
        let options = Options {
            ping_after: Some(Duration::from_secs(8)),
            answer_within: Duration::from_secs(16),
            closing_within: Duration::from_secs(10),
            ..Options::default()
        };
        let (timeouts, tick) = Timeouts::new(&options);
        assert_eq!(tick, Duration::from_secs(1));
        timeouts
    }

    /// The tick at which something is due first.
    fn first_due(timeouts: &mut Timeouts, index: usize, standing: Standing) -> (u32, Due) {
        for ticks in 1..100 {
            timeouts.handle_tick();
            while let Some(candidate) = timeouts.next_candidate() {
                let due = timeouts.due(candidate, standing);
                if candidate == index && due != Due::Nothing {
                    return (ticks, due);
                }
            }
            assert!(!timeouts.is_scanning());
        }
        panic!("nothing was due");
    }

    #[test]
    fn nothing_is_due_early_nor_more_than_two_ticks_late() {
        for (standing, limit, expected) in [
            (Standing::Open, 8, Due::Ping),
            (Standing::Pinged, 24, Due::GiveUp),
            (Standing::Closing, 10, Due::GiveUp),
        ] {
            let mut timeouts = timeouts();
            timeouts.restart(3);
            let (ticks, due) = first_due(&mut timeouts, 3, standing);
            assert_eq!(due, expected);
            // The last tick may have passed right after the counting began.
            assert!(
                (limit + 1..=limit + 2).contains(&ticks),
                "{standing:?}: {ticks}"
            );
        }
    }

    #[test]
    fn a_sign_of_life_restarts_the_time_of_its_place_alone() {
        let mut timeouts = timeouts();
        timeouts.restart(0);
        timeouts.restart(1);
        for _ in 0..9 {
            timeouts.handle_tick();
        }
        timeouts.restart(0);
        assert_eq!(timeouts.due(0, Standing::Open), Due::Nothing);
        assert_eq!(timeouts.due(1, Standing::Open), Due::Ping);
        assert_eq!(timeouts.next_candidate(), Some(1));
        assert_eq!(timeouts.next_candidate(), None);
    }

    #[test]
    fn the_counter_may_wrap() {
        let mut timeouts = timeouts();
        timeouts.now = u32::MAX - 3;
        timeouts.restart(0);
        assert_eq!(first_due(&mut timeouts, 0, Standing::Open), (9, Due::Ping));
    }

    #[test]
    fn without_keepalive_only_the_closing_has_a_limit() {
        let options = Options {
            ping_after: None,
            ..Options::default()
        };
        let (mut timeouts, _) = Timeouts::new(&options);
        timeouts.restart(0);
        for _ in 0..1000 {
            timeouts.handle_tick();
        }
        assert_eq!(timeouts.due(0, Standing::Open), Due::Nothing);
        assert_eq!(timeouts.due(0, Standing::Closing), Due::GiveUp);
    }
}
