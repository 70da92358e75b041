//! One connection through the middlebox, without its sockets: what came in, and what goes out when. Pure.
//!
//! The driver tells what it has read ([`handle_bytes`](Pipe::handle_bytes), [`handle_end`](Pipe::handle_end)),
//! calls [`poll`](Pipe::poll) for each direction, writes what has [`arrived`](Pipe::arrived), and comes back
//! when something is [`due`](Pipe::due).

use std::time::Instant;

use fastrand::Rng;

use super::Direction;
use super::buffer::Buffer;
use super::faults::Faults;
use super::http::Http;
use super::lane::{End, Lane};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    http: Http,
    buffer: Buffer,
    up: Lane,
    down: Lane,
    rng: Rng,
}

impl Pipe {
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
            return;
        }
        let share = self.rng.f64();
        match direction {
            Direction::Up => {
                let up = self.http.handle_up(bytes, faults);
                self.up.send(now, share, up.pass);
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
                if down.lost {
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
        if faults.swallows(direction) {
            self.lane_mut(direction).lose();
        }
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
        if faults.swallows(direction) && !lane.is_empty() {
            lane.lose();
        }
        lane.poll(now, faults)
    }

    /// When to poll again, if nothing else happens.
    pub(super) fn due(&self, faults: &Faults) -> Option<Instant> {
        let dues = [
            self.up.due(faults),
            self.down.due(faults),
            self.buffer.due(faults),
        ];
        dues.into_iter().flatten().min()
    }

    /// To be written now.
    pub(super) fn arrived(&self, direction: Direction) -> &[u8] {
        self.lane(direction).arrived()
    }

    pub(super) fn handle_written(&mut self, direction: Direction, count: usize) {
        self.lane_mut(direction).handle_written(count);
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
        let share = self.rng.f64();
        self.down.send(now, share, bytes);
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
