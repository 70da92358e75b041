//! What is measured: pure; whoever sees something happen says when.
//!
//! Two questions, two clocks. *How long did it take?* is asked of the messages that were to be sent within
//! the window, however late they come: so the slowest are in it. *How much a second?* is asked of what
//! happens within the window, whenever it was sent. All times are microseconds since the start.

use std::ops::Range;

use serde::Serialize;

use crate::cli::load::latency::Latencies;

/// The histograms and counts of a run.
#[derive(Debug)]
pub(super) struct Recorder {
    window: Range<u64>,
    /// From when a message should have been sent until a follower had it.
    pub(super) delivery: Latencies,
    /// From when a message should have been sent until its publisher heard that it is stored.
    pub(super) acknowledgement: Latencies,
    /// How much later than it should have been a message was sent: this tool's own fault.
    pub(super) late: Latencies,
    /// Deliveries within the window.
    pub(super) delivered: u64,
    /// Acknowledgements within the window.
    pub(super) published: u64,
    interval: Interval,
    timeline: Vec<TimePoint>,
}

/// The point of the timeline that is being filled.
#[derive(Debug, Default)]
struct Interval {
    begin_us: u64,
    published: u64,
    delivery: Latencies,
}

/// Some time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct TimePoint {
    /// Its end, in seconds since measuring began.
    pub(super) at_s: f64,
    /// Acknowledgements a second.
    pub(super) published_per_s: f64,
    /// Deliveries a second.
    pub(super) delivered_per_s: f64,
    /// Latency of what was delivered in it, in microseconds; 0 where nothing was.
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
}

impl Recorder {
    /// Measures within `window`.
    pub(super) fn new(window: Range<u64>) -> Self {
        Self {
            interval: Interval {
                begin_us: window.start,
                ..Interval::default()
            },
            window,
            delivery: Latencies::default(),
            acknowledgement: Latencies::default(),
            late: Latencies::default(),
            delivered: 0,
            published: 0,
            timeline: Vec::new(),
        }
    }

    /// What is measured.
    pub(super) fn window(&self) -> Range<u64> {
        self.window.clone()
    }

    /// Measuring ends earlier than it was meant to; before it has begun nothing is measured.
    pub(super) fn end_at(&mut self, now_us: u64) {
        self.window.end = self.window.end.min(now_us);
        self.window.start = self.window.start.min(self.window.end);
    }

    /// A message was sent that should have been at `at_us`.
    pub(super) fn send(&mut self, at_us: u64, now_us: u64) {
        if self.window.contains(&at_us) {
            self.late.record(now_us.saturating_sub(at_us));
        }
    }

    /// A message was acknowledged that should have been sent at `at_us`.
    pub(super) fn acknowledge(&mut self, at_us: u64, now_us: u64) {
        if self.window.contains(&at_us) {
            self.acknowledgement.record(now_us.saturating_sub(at_us));
        }
        if self.window.contains(&now_us) {
            self.published += 1;
            self.interval.published += 1;
        }
    }

    /// A message came that should have been sent at `at_us`.
    pub(super) fn deliver(&mut self, at_us: u64, now_us: u64) {
        let us = now_us.saturating_sub(at_us);
        if self.window.contains(&at_us) {
            self.delivery.record(us);
        }
        if self.window.contains(&now_us) {
            self.delivered += 1;
            self.interval.delivery.record(us);
        }
    }

    /// Ends a point of the timeline and begins the next; gives the one that ended, if it had any time.
    pub(super) fn end_interval(&mut self, now_us: u64) -> Option<TimePoint> {
        let end_us = now_us.min(self.window.end);
        let length_us = end_us
            .checked_sub(self.interval.begin_us)
            .filter(|us| *us > 0)?;
        let seconds = length_us as f64 / 1e6;
        let quantiles = self.interval.delivery.quantiles();
        let point = TimePoint {
            at_s: (end_us - self.window.start) as f64 / 1e6,
            published_per_s: self.interval.published as f64 / seconds,
            delivered_per_s: quantiles.count as f64 / seconds,
            p50_us: quantiles.p50,
            p99_us: quantiles.p99,
            max_us: quantiles.max,
        };
        self.interval.begin_us = end_us;
        self.interval.published = 0;
        self.interval.delivery.reset();
        self.timeline.push(point);
        Some(point)
    }

    /// All points.
    pub(super) fn timeline(&self) -> &[TimePoint] {
        &self.timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in microseconds.
    const S: u64 = 1_000_000;

    #[test]
    fn latency_counts_for_what_was_to_be_sent_in_the_window_however_late_it_comes() {
        let mut recorder = Recorder::new(S..3 * S);
        recorder.deliver(S - 1, S + 5);
        recorder.deliver(S, S + 7);
        recorder.deliver(3 * S - 1, 9 * S);
        recorder.deliver(3 * S, 3 * S + 1);
        let quantiles = recorder.delivery.quantiles();
        assert_eq!(quantiles.count, 2);
        assert_eq!(quantiles.p50, 7);
        assert!(quantiles.max >= 6 * S);
    }

    #[test]
    fn throughput_counts_what_happens_in_the_window_whenever_it_was_sent() {
        let mut recorder = Recorder::new(S..3 * S);
        recorder.deliver(0, S);
        recorder.deliver(2 * S, 3 * S);
        recorder.acknowledge(0, S - 1);
        recorder.acknowledge(0, S);
        assert_eq!((recorder.delivered, recorder.published), (1, 1));
        assert_eq!(recorder.acknowledgement.quantiles().count, 0);
    }

    #[test]
    fn a_message_that_was_sent_late_has_waited_all_the_same() {
        let mut recorder = Recorder::new(0..S);
        recorder.send(100, 900);
        recorder.acknowledge(100, 1000);
        recorder.deliver(100, 1100);
        assert_eq!(recorder.late.quantiles().max, 800);
        assert_eq!(recorder.acknowledgement.quantiles().max, 900);
        assert_eq!(recorder.delivery.quantiles().max, 1000);
    }

    #[test]
    fn the_timeline_tells_rates_of_intervals_of_any_length() {
        let mut recorder = Recorder::new(S..3 * S);
        assert_eq!(
            recorder.end_interval(S / 2),
            None,
            "measuring has not begun"
        );
        for at in 0..10 {
            recorder.deliver(S, S + at);
        }
        recorder.acknowledge(S, S + 1);
        let first = recorder.end_interval(S + S / 2).unwrap();
        assert_eq!(
            (first.at_s, first.delivered_per_s, first.published_per_s),
            (0.5, 20.0, 2.0)
        );
        assert_eq!(first.max_us, 9);
        let second = recorder.end_interval(9 * S).unwrap();
        assert_eq!(
            (second.at_s, second.delivered_per_s, second.max_us),
            (2.0, 0.0, 0)
        );
        assert_eq!(recorder.end_interval(9 * S), None);
        assert_eq!(recorder.timeline(), [first, second]);
    }

    #[test]
    fn a_window_can_end_early_and_even_before_it_begins() {
        let mut recorder = Recorder::new(S..3 * S);
        recorder.end_at(2 * S);
        assert_eq!(recorder.window(), S..2 * S);
        recorder.end_at(7);
        assert_eq!(recorder.window(), 7..7);
        recorder.deliver(7, 7);
        assert_eq!(recorder.delivered, 0);
        assert_eq!(recorder.end_interval(7), None);
    }
}
