//! One direction of a connection: what is under way, and when each piece of it arrives. Pure.
//!
//! Times are worked out anew whenever they are asked for, so that a change of faults holds at once for
//! what is under way as well.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use super::faults::Faults;

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Fin,
    Reset,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lane {
    under_way: VecDeque<Piece>,
    under_way_bytes: usize,
    /// Has arrived, and is to be written.
    arrived: Vec<u8>,
    /// When the narrow line has taken what it was given before.
    free_at: Option<Instant>,
    intake: Intake,
    /// How many bytes were taken that will not arrive.
    lost_bytes: usize,
}

/// Whether something may still set out.
#[derive(Debug, Default, PartialEq, Eq)]
enum Intake {
    #[default]
    Open,
    /// The end is under way.
    Ended,
    /// Something was lost, and so all that follows is. `is_over`: the end was lost, too, or told already.
    Dead { is_over: bool },
}

#[derive(Debug)]
struct Piece {
    since: Instant,
    /// Its share of the jitter.
    share: f64,
    /// How often it was lost, and sent again.
    resent: u32,
    what: What,
}

#[derive(Debug)]
enum What {
    Bytes(Vec<u8>),
    End(End),
}

impl Lane {
    /// How much may set out now, with so many bytes held back before this lane.
    pub(super) fn room(&self, held: usize, faults: &Faults) -> usize {
        if self.intake != Intake::Open {
            // It comes to nothing, but has to be taken: whoever sends it must not notice.
            return READ_BYTES_MAX;
        }
        let most = match faults.bandwidth {
            // A second's worth, as a router queues it.
            Some(bandwidth) => usize::try_from(bandwidth).unwrap_or(LANE_BYTES_MAX),
            None => LANE_BYTES_MAX,
        };
        let most = most.clamp(READ_BYTES_MAX, LANE_BYTES_MAX);
        most.saturating_sub(self.under_way_bytes + self.arrived.len() + held)
    }

    pub(super) fn send(&mut self, now: Instant, share: f64, bytes: Vec<u8>) {
        if self.intake != Intake::Open {
            self.lost_bytes += bytes.len();
        } else if !bytes.is_empty() {
            self.under_way_bytes += bytes.len();
            self.set_out(now, share, What::Bytes(bytes));
        }
    }

    pub(super) fn end(&mut self, now: Instant, share: f64, end: End) {
        match &mut self.intake {
            Intake::Open => {
                self.set_out(now, share, What::End(end));
                self.intake = Intake::Ended;
            }
            Intake::Ended => {}
            Intake::Dead { is_over } => *is_over = true,
        }
    }

    fn set_out(&mut self, since: Instant, share: f64, what: What) {
        self.under_way.push_back(Piece {
            since,
            share,
            resent: 0,
            what,
        });
    }

    /// What set out last gets lost, and is sent again; all that follows waits for it.
    pub(super) fn resend_last(&mut self) {
        if let Some(piece) = self.under_way.back_mut() {
            piece.resent += 1;
        }
    }

    /// Loses all that is under way, and all that follows.
    pub(super) fn lose(&mut self) {
        let is_over = match self.intake {
            Intake::Open => false,
            Intake::Ended => true,
            Intake::Dead { is_over } => is_over,
        };
        self.intake = Intake::Dead { is_over };
        self.under_way.clear();
        self.lost_bytes += mem::take(&mut self.under_way_bytes) + self.arrived.len();
        self.arrived.clear();
    }

    /// Loses all that follows.
    pub(super) fn lose_rest(&mut self) {
        if self.intake == Intake::Open {
            self.intake = Intake::Dead { is_over: false };
        }
    }

    /// Nothing more is delivered: the other side is gone, or was told that this is the end.
    pub(super) fn close(&mut self) {
        self.lose();
        self.intake = Intake::Dead { is_over: true };
    }

    /// Lets arrive what should have by `now`. Gives the end once all before it is written.
    pub(super) fn poll(&mut self, now: Instant, faults: &Faults) -> Option<End> {
        while self.due(faults).is_some_and(|due| due <= now) {
            let piece = self.under_way.front_mut().expect("something is due");
            match &mut piece.what {
                What::Bytes(bytes) => {
                    let count = match faults.bandwidth {
                        Some(bandwidth) => {
                            let count = portion(bandwidth).min(bytes.len());
                            let takes = Duration::from_secs_f64(count as f64 / bandwidth as f64);
                            let earliest = now.checked_sub(TIMER_SLACK).unwrap_or(now);
                            let begun = self.free_at.map_or(now, |free_at| free_at.max(earliest));
                            self.free_at = Some(begun + takes);
                            count
                        }
                        None => bytes.len(),
                    };
                    self.arrived.extend_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    self.under_way_bytes -= count;
                    if bytes.is_empty() {
                        self.under_way.pop_front();
                    }
                }
                What::End(end) => {
                    let end = *end;
                    self.under_way.pop_front();
                    self.intake = Intake::Dead { is_over: true };
                    return Some(end);
                }
            }
        }
        None
    }

    /// When the next piece arrives; `None`: when something new sets out or what has arrived is written.
    pub(super) fn due(&self, faults: &Faults) -> Option<Instant> {
        let piece = self.under_way.front()?;
        let full = match piece.what {
            What::Bytes(_) => self.arrived.len() >= ARRIVED_BYTES_MAX,
            // The end comes after all that is before it.
            What::End(_) => !self.arrived.is_empty(),
        };
        if full {
            return None;
        }
        let resending = (RESENT_AFTER + 2 * faults.delay(0.0)) * piece.resent;
        let due = piece.since + faults.delay(piece.share) + resending;
        Some(match (faults.bandwidth, self.free_at) {
            (Some(_), Some(free_at)) => due.max(free_at),
            _ => due,
        })
    }

    /// To be written now.
    pub(super) fn arrived(&self) -> &[u8] {
        &self.arrived
    }

    pub(super) fn handle_written(&mut self, count: usize) {
        self.arrived.drain(..count);
    }

    /// How many bytes were lost since this was last asked.
    pub(super) fn take_lost(&mut self) -> usize {
        mem::take(&mut self.lost_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.arrived.is_empty()
    }

    /// Whether nothing will ever come of this direction again.
    pub(super) fn is_over(&self) -> bool {
        self.intake == Intake::Dead { is_over: true } && self.is_empty()
    }
}

/// What a narrow line delivers at once: a hundredth of a second's worth, so that it trickles.
fn portion(bandwidth: u64) -> usize {
    usize::try_from(bandwidth / 100)
        .unwrap_or(usize::MAX)
        .max(1)
}

/// The most that one read takes.
pub(super) const READ_BYTES_MAX: usize = 16 << 10;

/// What is under way in one direction, at the most: above it the sender waits, as TCP makes it. Enough for
/// 10 MB a second at 100 ms.
const LANE_BYTES_MAX: usize = 1 << 20;

/// What waits to be written.
const ARRIVED_BYTES_MAX: usize = 64 << 10;

/// What TCP waits at the least before it sends again what was not acknowledged: Linux' `TCP_RTO_MIN`.
const RESENT_AFTER: Duration = Duration::from_millis(200);

/// By how much timers may be late without the line becoming narrower than it was said to be.
const TIMER_SLACK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn latency(latency: u64, jitter: u64) -> Faults {
        Faults {
            latency_ms: Some(latency),
            jitter_ms: Some(jitter),
            ..Faults::default()
        }
    }

    #[test]
    fn a_piece_that_was_lost_comes_later_and_so_does_all_behind_it() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        let faults = Faults {
            latency_ms: Some(10),
            ..Faults::default()
        };
        lane.send(now, 0.0, b"a".into());
        lane.resend_last();
        lane.send(now, 0.0, b"b".into());
        let due = now + Duration::from_millis(10 + 200 + 20);
        assert_eq!(lane.due(&faults), Some(due));
        lane.poll(due - Duration::from_millis(1), &faults);
        assert_eq!(lane.arrived(), b"");
        lane.poll(due, &faults);
        assert_eq!(lane.arrived(), b"ab");
    }

    #[test]
    fn a_piece_arrives_after_the_latency_and_not_before() {
        let (mut lane, begin, faults) = (Lane::default(), Instant::now(), latency(100, 0));
        lane.send(begin, 0.5, b"hello".into());
        assert_eq!(lane.due(&faults), Some(begin + ms(100)));
        assert_eq!(lane.poll(begin + ms(99), &faults), None);
        assert_eq!(lane.arrived(), b"");
        lane.poll(begin + ms(100), &faults);
        assert_eq!(lane.arrived(), b"hello");
    }

    #[test]
    fn jitter_delays_and_keeps_the_order() {
        let (mut lane, begin, faults) = (Lane::default(), Instant::now(), latency(0, 100));
        lane.send(begin, 0.9, b"a".into());
        lane.send(begin, 0.1, b"b".into());
        lane.end(begin, 0.0, End::Fin);
        assert_eq!(lane.poll(begin + ms(89), &faults), None);
        assert_eq!(lane.arrived(), b"");
        assert_eq!(lane.poll(begin + ms(90), &faults), None);
        assert_eq!(lane.arrived(), b"ab");
        lane.handle_written(2);
        assert_eq!(lane.poll(begin + ms(90), &faults), Some(End::Fin));
        assert!(lane.is_over());
    }

    #[test]
    fn a_narrow_line_trickles_at_its_bandwidth() {
        let (mut lane, begin) = (Lane::default(), Instant::now());
        let faults = Faults {
            bandwidth: Some(1000),
            ..Faults::default()
        };
        lane.send(begin, 0.0, vec![0; 500]);
        let mut arrived = Vec::new();
        for at in (0..=600).step_by(100) {
            // As a driver does it: it sleeps until the next is due.
            while let Some(due) = lane.due(&faults).filter(|due| *due <= begin + ms(at)) {
                lane.poll(due.max(begin), &faults);
            }
            arrived.push(lane.arrived().len());
        }
        assert_eq!(arrived, [10, 110, 210, 310, 410, 500, 500]);
    }

    #[test]
    fn faults_hold_at_once_for_what_is_under_way() {
        let (mut lane, begin) = (Lane::default(), Instant::now());
        lane.send(begin, 0.0, b"a".into());
        lane.poll(begin, &latency(60_000, 0));
        assert_eq!(lane.arrived(), b"");
        lane.poll(begin, &Faults::default());
        assert_eq!(lane.arrived(), b"a");
    }

    #[test]
    fn a_lane_that_lost_something_stays_dead() {
        let (mut lane, begin, faults) = (Lane::default(), Instant::now(), Faults::default());
        lane.send(begin, 0.0, b"a".into());
        lane.lose();
        lane.send(begin, 0.0, b"b".into());
        lane.poll(begin, &faults);
        assert_eq!(lane.arrived(), b"");
        assert!(!lane.is_over());
        assert_eq!((lane.take_lost(), lane.take_lost()), (2, 0));
        lane.end(begin, 0.0, End::Fin);
        assert_eq!(lane.poll(begin, &faults), None);
        assert!(lane.is_over());
    }

    #[test]
    fn room_is_bounded() {
        let (mut lane, begin, faults) = (Lane::default(), Instant::now(), latency(1, 0));
        assert_eq!(lane.room(0, &faults), LANE_BYTES_MAX);
        lane.send(begin, 0.0, vec![0; LANE_BYTES_MAX - 1]);
        assert_eq!(lane.room(0, &faults), 1);
        assert_eq!(lane.room(1, &faults), 0);
        lane.poll(begin + ms(1), &faults);
        assert_eq!(lane.room(0, &faults), 1);
    }
}
