//! An engine under test, and how its time passes.

use std::any::Any;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::{Clock, Engine, ManualClock, RetentionPolicies, SystemClock};

/// What an engine is to be made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The time, for an engine that takes it.
    pub clock: Arc<ManualClock>,
    /// What it keeps.
    pub retention: RetentionPolicies,
    /// For how long it remembers ids.
    pub dedup_window: Duration,
}

/// A new engine under test, how its time passes, and what must live as long, such as its directory.
pub struct Subject {
    engine: Box<dyn Engine>,
    time: Time,
    _keep: Box<dyn Any>,
}

enum Time {
    Manual(Arc<ManualClock>),
    Real,
}

impl Subject {
    /// An engine whose only time is `clock`, of its [`Setup`].
    pub fn on_clock(clock: Arc<ManualClock>, engine: impl Engine) -> Self {
        Self::timed(Time::Manual(clock), engine)
    }

    /// An engine whose time is this computer's: laws that need time to pass sleep.
    pub fn in_real_time(engine: impl Engine) -> Self {
        Self::timed(Time::Real, engine)
    }

    fn timed(time: Time, engine: impl Engine) -> Self {
        Self {
            engine: Box::new(engine),
            time,
            _keep: Box::new(()),
        }
    }

    /// The engine ends before `keep` does.
    pub fn keeping(self, keep: impl Any) -> Self {
        let _keep = Box::new(keep);
        Self { _keep, ..self }
    }

    /// Lets so much of the engine's time pass.
    pub(super) fn elapse(&self, time: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(time.as_millis() as u64),
            Time::Real => thread::sleep(time),
        }
    }

    /// The engine's time, in milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        match &self.time {
            Time::Manual(clock) => clock.now(),
            Time::Real => SystemClock.now(),
        }
    }

    /// How much of it has passed since it was `then`. What came after `then`, and was looked at before
    /// this is asked, is younger than an age that is longer than this.
    pub(super) fn since(&self, then: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(then))
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl std::ops::Deref for Subject {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        &*self.engine
    }
}
