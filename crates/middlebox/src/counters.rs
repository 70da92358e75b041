//! What has passed, counted, and told to whoever wants to see it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::tap::{Event, Heard, Tap};
use super::{Direction, Stats, Transport};

/// See the module.
#[derive(Debug)]
pub(super) struct Counters {
    transport: Transport,
    tap: Option<Arc<dyn Tap>>,
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    lost: AtomicU64,
}

/// Where a connection counts.
#[derive(Clone, Debug)]
pub(super) struct Count {
    counters: Arc<Counters>,
    /// The connection's.
    number: u64,
}

/// Counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Count);

impl Counters {
    pub(super) fn new(transport: Transport, tap: Option<Arc<dyn Tap>>) -> Arc<Self> {
        Arc::new(Self {
            transport,
            tap,
            open: AtomicU64::default(),
            accepted: AtomicU64::default(),
            refused: AtomicU64::default(),
            up: AtomicU64::default(),
            down: AtomicU64::default(),
            lost: AtomicU64::default(),
        })
    }

    pub(super) fn count_accepted(self: &Arc<Self>) -> Open {
        let number = self.accepted.fetch_add(1, Relaxed) + 1;
        self.open.fetch_add(1, Relaxed);
        self.tell(number, Event::Open);
        let counters = Arc::clone(self);
        Open(Count { counters, number })
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
        self.tell(0, Event::Refused);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            open: self.open.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            up: self.up.load(Relaxed),
            down: self.down.load(Relaxed),
            lost: self.lost.load(Relaxed),
        }
    }

    fn tell(&self, connection: u64, event: Event<'_>) {
        if let Some(tap) = &self.tap {
            tap.hear(Heard {
                transport: self.transport,
                connection,
                event,
            });
        }
    }
}

impl Count {
    pub(super) fn count_delivered(&self, direction: Direction, bytes: &[u8]) {
        let delivered = match direction {
            Direction::Up => &self.counters.up,
            Direction::Down => &self.counters.down,
        };
        delivered.fetch_add(bytes.len() as u64, Relaxed);
        self.counters
            .tell(self.number, Event::Passed(direction, bytes));
    }

    pub(super) fn count_lost(&self, bytes: usize) {
        if bytes > 0 {
            self.counters.lost.fetch_add(bytes as u64, Relaxed);
            self.counters.tell(self.number, Event::Lost(bytes));
        }
    }
}

impl Open {
    /// Where its connection counts, also when it is no longer open.
    pub(super) fn count(&self) -> Count {
        self.0.clone()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.open.fetch_sub(1, Relaxed);
        self.0.counters.tell(self.0.number, Event::Close);
    }
}
