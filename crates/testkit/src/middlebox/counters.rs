//! What has passed, counted.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::{Direction, Stats};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counters {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    lost: AtomicU64,
}

/// Counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Counters>);

impl Counters {
    pub(super) fn count_accepted(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn count_delivered(&self, direction: Direction, bytes: usize) {
        let delivered = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        delivered.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_lost(&self, bytes: usize) {
        self.lost.fetch_add(bytes as u64, Relaxed);
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
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
