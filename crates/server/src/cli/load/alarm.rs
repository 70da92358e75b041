//! Waiting for a moment, finer than the runtime does: its timers are rounded up to a millisecond, which
//! would be most of what is measured on one machine.

#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// A timer that can be set again and again. Where the system has no `timerfd`, the runtime's own.
#[derive(Debug)]
pub(in crate::cli) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: AsyncFd<std::os::fd::OwnedFd>,
    #[cfg(target_os = "linux")]
    set_for: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Takes a descriptor; inside a runtime.
    pub(in crate::cli) fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe, for types that may close what they lend; an OwnedFd does not"
        )]
        let timer = AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)?;
        Ok(Self {
            timer,
            set_for: None,
        })
    }

    /// Waits until `at`. Cancel safe; cheap to call again with the same moment.
    pub(in crate::cli) async fn until(&mut self, at: Instant) -> std::io::Result<()> {
        // Whoever is late all the time does not keep the other tasks from their turn.
        tokio::task::coop::consume_budget().await;
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.set_for.replace(at) != Some(at) {
                self.set(left)?;
            }
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            let rung = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
            if let Ok(rung) = rung {
                rung?;
                // If it was for a moment before this one, it is set once more.
                self.set_for = None;
            }
        }
    }

    fn set(&self, left: std::time::Duration) -> std::io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: left.try_into().map_err(std::io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Nothing to take.
    pub(in crate::cli) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until `at`. Cancel safe.
    pub(in crate::cli) async fn until(&mut self, at: Instant) -> std::io::Result<()> {
        tokio::time::sleep_until(at).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_rings_early_however_it_is_set_and_left() {
        let mut alarm = Alarm::new().unwrap();
        let start = Instant::now();
        let far = start + Duration::from_secs(3600);
        for step in 1..=20 {
            tokio::select! {
                biased;
                _ = alarm.until(far) => panic!("an hour early"),
                () = std::future::ready(()) => {}
            }
            let at = start + step * Duration::from_micros(700);
            alarm.until(at).await.unwrap();
            assert!(Instant::now() >= at);
        }
    }
}
