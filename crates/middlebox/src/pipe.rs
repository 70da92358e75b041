//! One connection through the middlebox, without its sockets: what came in, and what goes out when. Pure.
//!
//! The driver tells what it has read ([`handle_bytes`](Pipe::handle_bytes), [`handle_end`](Pipe::handle_end)),
//! calls [`poll`](Pipe::poll) for each direction, writes what has [`arrived`](Pipe::arrived), and comes back
//! when something is [`due`](Pipe::due).

use std::mem;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Direction;
use super::buffer::Buffer;
use super::faults::Faults;
use super::http::Http;
use super::lane::{End, Lane};

/// See the module.
#[derive(Debug)]
pub(super) struct Pipe {
    http: Http,
    buffer: Buffer,
    up: Lane,
    down: Lane,
    rng: Rng,
    /// When something was last delivered, in either direction.
    delivered_at: Instant,
    /// How many bytes were taken and did not come as far as a lane.
    lost_bytes: usize,
}

impl Pipe {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            http: Http::default(),
            buffer: Buffer::default(),
            up: Lane::default(),
            down: Lane::default(),
            rng: Rng::new(),
            delivered_at: now,
            lost_bytes: 0,
        }
    }

    /// How many bytes may be read in this direction now.
    pub(super) fn room(&self, direction: Direction, faults: &Faults) -> usize {
        let held = match direction {
            Direction::Up => 0,
            Direction::Down => self.http.held_bytes() + self.buffer.len(),
        };
        self.lane(direction).room(held, faults)
    }

    pub(super) fn handle_bytes(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        now: Instant,
        faults: &Faults,
    ) {
        if faults.swallows(direction) {
            self.lane_mut(direction).lose();
            self.lost_bytes += bytes.len();
            return;
        }
        let share = self.rng.f64();
        match direction {
            Direction::Up => {
                let up = self.http.handle_up(bytes, faults);
                self.up.send(now, share, up.pass);
                self.risk(Direction::Up, faults);
                if let Some(answer) = up.answer {
                    self.up.end(now, share, End::Fin);
                    self.flush(now);
                    self.down.send(now, share, answer);
                    self.down.end(now, share, End::Fin);
                }
            }
            Direction::Down => {
                let down = self.http.handle_down(bytes, faults);
                self.buffer.handle(now, down.pass, down.ended);
                self.pass_on(now, faults);
                if down.lost > 0 {
                    self.lost_bytes += down.lost;
                    self.flush(now);
                    self.down.lose_rest();
                }
            }
        }
    }

    pub(super) fn handle_end(
        &mut self,
        direction: Direction,
        end: End,
        now: Instant,
        faults: &Faults,
    ) {
        if direction == Direction::Down {
            self.flush(now);
            if self.http.mutes(faults) {
                self.down.lose_rest();
            }
        }
        let share = self.rng.f64();
        self.lane_mut(direction).end(now, share, end);
    }

    /// Lets arrive what should have by `now`. Gives the end once all before it is written.
    pub(super) fn poll(
        &mut self,
        direction: Direction,
        now: Instant,
        faults: &Faults,
    ) -> Option<End> {
        if direction == Direction::Down {
            let released = self.http.poll_held(faults);
            self.buffer.handle(now, released, 0);
            self.pass_on(now, faults);
        }
        let lane = self.lane_mut(direction);
        // Ends as well as bytes.
        if faults.swallows(direction) && !lane.is_empty() {
            lane.lose();
        }
        lane.poll(now, faults)
    }

    /// When to come back, if nothing else happens.
    pub(super) fn due(&self, faults: &Faults) -> Option<Instant> {
        let dues = [
            self.up.due(faults),
            self.down.due(faults),
            self.buffer.due(faults),
            self.idle_at(faults),
        ];
        dues.into_iter().flatten().min()
    }

    /// Whether nothing was delivered for too long.
    pub(super) fn is_idle(&self, now: Instant, faults: &Faults) -> bool {
        self.idle_at(faults).is_some_and(|at| at <= now)
    }

    fn idle_at(&self, faults: &Faults) -> Option<Instant> {
        Some(self.delivered_at + Duration::from_millis(faults.idle_cut_ms?))
    }

    /// To be written now.
    pub(super) fn arrived(&self, direction: Direction) -> &[u8] {
        self.lane(direction).arrived()
    }

    pub(super) fn handle_written(&mut self, direction: Direction, count: usize, now: Instant) {
        self.lane_mut(direction).handle_written(count);
        self.delivered_at = now;
    }

    /// How many bytes were lost since this was last asked.
    pub(super) fn take_lost(&mut self) -> usize {
        mem::take(&mut self.lost_bytes) + self.up.take_lost() + self.down.take_lost()
    }

    /// Nothing more is delivered in this direction: whom it leads to is gone, or was told that it is over.
    pub(super) fn close(&mut self, direction: Direction) {
        self.lane_mut(direction).close();
    }

    /// Whether nothing will ever come of either direction again.
    pub(super) fn is_over(&self) -> bool {
        self.up.is_over() && self.down.is_over()
    }

    /// Sends on what the buffer need not keep.
    fn pass_on(&mut self, now: Instant, faults: &Faults) {
        let bytes = self.buffer.poll(now, faults);
        if bytes.is_empty() {
            return;
        }
        let share = self.rng.f64();
        self.down.send(now, share, bytes);
        self.risk(Direction::Down, faults);
    }

    /// What was sent last may get lost on the way, and has to be sent again.
    fn risk(&mut self, direction: Direction, faults: &Faults) {
        if faults.loss > 0.0 && self.rng.f64() < faults.loss {
            self.lane_mut(direction).resend_last();
        }
    }

    /// Sends on all that is held back.
    fn flush(&mut self, now: Instant) {
        let held = self.http.handle_down_end();
        self.buffer.handle(now, held, 0);
        let bytes = self.buffer.take();
        let share = self.rng.f64();
        self.down.send(now, share, bytes);
    }

    fn lane(&self, direction: Direction) -> &Lane {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn lane_mut(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BlackHole;
    use super::Direction::{Down, Up};
    use super::*;

    const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";

    /// All that arrives now, and the end.
    fn take(
        pipe: &mut Pipe,
        direction: Direction,
        now: Instant,
        faults: &Faults,
    ) -> (String, Option<End>) {
        let mut text = String::new();
        loop {
            let end = pipe.poll(direction, now, faults);
            let arrived = pipe.arrived(direction);
            if arrived.is_empty() || end.is_some() {
                return (text, end);
            }
            text += str::from_utf8(arrived).unwrap();
            pipe.handle_written(direction, arrived.len(), now);
        }
    }

    #[test]
    fn who_is_answered_by_us_hears_the_answer_and_the_end() {
        let (now, mut pipe) = (Instant::now(), Pipe::new(Instant::now()));
        let faults = Faults {
            captive: true,
            ..Faults::default()
        };
        pipe.handle_bytes(Up, UPGRADE, now, &faults);
        pipe.handle_bytes(Down, b"too late", now, &faults);
        let (answer, end) = take(&mut pipe, Down, now, &faults);
        assert!(answer.contains("Grand Hotel") && !answer.contains("too late"));
        assert_eq!(end, Some(End::Fin));
        assert_eq!(
            take(&mut pipe, Up, now, &faults),
            (String::new(), Some(End::Fin))
        );
        assert!(pipe.is_over());
    }

    #[test]
    fn a_connection_is_idle_from_its_last_delivery_on() {
        let begin = Instant::now();
        let later = |ms| begin + Duration::from_millis(ms);
        let mut pipe = Pipe::new(begin);
        let faults = Faults {
            idle_cut_ms: Some(100),
            ..Faults::default()
        };
        assert!(!pipe.is_idle(later(99), &faults) && pipe.is_idle(later(100), &faults));
        for (direction, at) in [(Up, 50), (Down, 120)] {
            pipe.handle_bytes(direction, b"hi", later(at), &faults);
            take(&mut pipe, direction, later(at), &faults);
            assert_eq!(pipe.due(&faults), Some(later(at + 100)));
            assert!(
                !pipe.is_idle(later(at + 99), &faults) && pipe.is_idle(later(at + 100), &faults)
            );
        }
        assert!(!pipe.is_idle(later(10_000), &Faults::default()));
    }

    #[test]
    fn what_vanishes_keeps_no_connection_busy() {
        let begin = Instant::now();
        let mut pipe = Pipe::new(begin);
        let faults = Faults {
            idle_cut_ms: Some(100),
            black_hole: Some(BlackHole::Up),
            ..Faults::default()
        };
        let later = begin + Duration::from_millis(100);
        pipe.handle_bytes(Up, b"lost", later, &faults);
        take(&mut pipe, Up, later, &faults);
        assert!(pipe.is_idle(later, &faults));
    }

    #[test]
    fn what_is_held_back_takes_room() {
        let (now, mut pipe) = (Instant::now(), Pipe::new(Instant::now()));
        let faults = Faults {
            buffer_bytes: Some(100),
            ..Faults::default()
        };
        let before = pipe.room(Down, &faults);
        pipe.handle_bytes(Down, b"held", now, &faults);
        assert_eq!(pipe.room(Down, &faults), before - 4);
    }
}
