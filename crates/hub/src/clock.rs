//! The only place of the hub that reads a clock.

use std::time::SystemTime;

use tokio::time::Instant;

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// A moment to measure from.
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// Milliseconds since it was made, which only ever grow: what deadlines are measured by.
pub(crate) struct Ticks(Instant);

impl Ticks {
    /// Begins to count.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How many there have been.
    pub(crate) fn now(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}
