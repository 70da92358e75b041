//! One direction's datagrams: each arrives when it arrives, or never. Pure.
//!
//! Unlike a connection's bytes they know from the outset when that is, and keep no order. Each direction deals
//! its own: with the same seed the same are lost, whatever goes the other way meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::time::Instant;

use fastrand::Rng;

use super::Direction;
use super::faults::Faults;

/// See the module.
#[derive(Debug)]
pub(super) struct Flight {
    direction: Direction,
    /// When each arrives, which one it is of all, and what it holds.
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    sent: u64,
    /// How many bytes were taken that will not arrive.
    lost_bytes: usize,
    rng: Rng,
}

impl Flight {
    pub(super) fn new(direction: Direction, rng: Rng) -> Self {
        Self {
            direction,
            under_way: BinaryHeap::new(),
            sent: 0,
            lost_bytes: 0,
            rng,
        }
    }

    pub(super) fn send(&mut self, now: Instant, datagram: &[u8], faults: &Faults) {
        // Dealt at any rate, so that what becomes of a datagram hangs on nothing but which one it is.
        let (luck, share) = (self.rng.f64(), self.rng.f64());
        let is_lost = faults.swallows(self.direction) || luck < faults.loss;
        if is_lost || self.under_way.len() >= DATAGRAMS_MAX {
            self.lost_bytes += datagram.len();
            return;
        }
        let due = now + faults.delay(share);
        self.sent += 1;
        self.under_way
            .push(Reverse((due, self.sent, datagram.into())));
    }

    /// What has arrived by `now`; to be called until it gives nothing.
    pub(super) fn poll(&mut self, now: Instant, faults: &Faults) -> Option<Vec<u8>> {
        if faults.swallows(self.direction) {
            let lost = self.under_way.drain();
            self.lost_bytes += lost
                .map(|Reverse((.., datagram))| datagram.len())
                .sum::<usize>();
        }
        self.due().filter(|due| *due <= now)?;
        let Reverse((_, _, datagram)) = self.under_way.pop()?;
        Some(datagram)
    }

    /// How many bytes were lost since this was last asked.
    pub(super) fn take_lost(&mut self) -> usize {
        mem::take(&mut self.lost_bytes)
    }

    /// When the next arrives.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((due, ..))| *due)
    }
}

/// A router's queue holds some hundred; this is for long latencies. More are lost, as there.
const DATAGRAMS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::BlackHole;
    use super::*;

    const NOTHING: &[u8] = b"";

    fn flight(seed: u64) -> Flight {
        Flight::new(Direction::Up, Rng::with_seed(seed))
    }

    /// What arrives, and in which order, of a hundred datagrams that are sent at once.
    fn fly(faults: &Faults, after: Duration) -> Vec<u8> {
        fly_by(7, faults, after)
    }

    fn fly_by(seed: u64, faults: &Faults, after: Duration) -> Vec<u8> {
        let mut flight = flight(seed);
        let begin = Instant::now();
        for number in 0..100 {
            flight.send(begin, &[number], faults);
        }
        let arrived = std::iter::from_fn(|| flight.poll(begin + after, faults));
        arrived.flatten().collect()
    }

    #[test]
    fn without_faults_all_arrive_at_once_and_in_order() {
        let arrived = fly(&Faults::default(), Duration::ZERO);
        assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn jitter_reorders_and_latency_holds_for_all() {
        let faults = Faults {
            latency_ms: Some(50),
            jitter_ms: Some(50),
            ..Faults::default()
        };
        assert_eq!(fly(&faults, Duration::from_millis(49)), NOTHING);
        let mut arrived = fly(&faults, Duration::from_millis(100));
        assert!(!arrived.is_sorted());
        arrived.sort_unstable();
        assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn as_many_are_lost_as_was_said() {
        let lossy = |loss| Faults {
            loss,
            ..Faults::default()
        };
        assert_eq!(fly(&lossy(1.0), Duration::ZERO), NOTHING);
        let arrived = fly(&lossy(0.3), Duration::ZERO).len();
        assert!((50..90).contains(&arrived), "{arrived}");
    }

    #[test]
    fn the_same_seed_loses_and_reorders_the_same() {
        let faults = Faults {
            jitter_ms: Some(50),
            loss: 0.3,
            ..Faults::default()
        };
        let fly = |seed| fly_by(seed, &faults, Duration::from_millis(50));
        assert_eq!(fly(7), fly(7));
        assert_ne!(fly(7), fly(8));
    }

    #[test]
    fn what_is_lost_hangs_on_which_one_it_is_and_not_on_what_was_done_to_those_before() {
        let (mut calm, mut stormy) = (flight(7), flight(7));
        let lossy = Faults {
            loss: 0.5,
            ..Faults::default()
        };
        let hole = Faults {
            black_hole: Some(BlackHole::Both),
            ..lossy.clone()
        };
        let now = Instant::now();
        let arrive = |flight: &mut Flight, first: &Faults| -> Vec<u8> {
            for number in 0..100 {
                let faults = if number < 50 { first } else { &lossy };
                flight.send(now, &[number], faults);
            }
            let arrived = std::iter::from_fn(|| flight.poll(now, &lossy)).flatten();
            arrived.filter(|number| *number >= 50).collect()
        };
        assert_eq!(arrive(&mut calm, &lossy), arrive(&mut stormy, &hole));
    }

    #[test]
    fn a_black_hole_takes_one_direction_and_what_is_under_way() {
        let hole = |black_hole| Faults {
            black_hole: Some(black_hole),
            ..Faults::default()
        };
        assert_eq!(fly(&hole(BlackHole::Up), Duration::ZERO), NOTHING);
        assert_eq!(fly(&hole(BlackHole::Down), Duration::ZERO).len(), 100);
        let mut flight = flight(7);
        let now = Instant::now();
        flight.send(now, b"a", &hole(BlackHole::Both));
        assert_eq!(flight.poll(now, &Faults::default()), None);
        flight.send(now, b"a", &Faults::default());
        assert_eq!(flight.poll(now, &hole(BlackHole::Both)), None);
        assert_eq!(flight.poll(now, &Faults::default()), None);
        assert_eq!((flight.take_lost(), flight.take_lost()), (2, 0));
    }

    #[test]
    fn no_more_are_under_way_than_the_bound() {
        let mut flight = flight(7);
        let now = Instant::now();
        for _ in 0..=DATAGRAMS_MAX {
            flight.send(now, b"a", &Faults::default());
        }
        let arrived = std::iter::from_fn(|| flight.poll(now, &Faults::default()));
        assert_eq!(arrived.count(), DATAGRAMS_MAX);
    }
}
