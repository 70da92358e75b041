//! One publishes, many follow.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::crowd::{Crowd, STALLED_AFTER};
use super::watch::{Used, Watch};
use super::{Target, Window};
use crate::process::resident_bytes;

/// When the next message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many at once, when all that went before was delivered to all.
    Bursts(usize),
    /// So many a second, whatever has become of the others.
    Hertz(u32),
}

/// What came of it.
pub(crate) struct Fanned {
    pub(crate) deliveries: u64,
    /// Until the last delivery.
    pub(crate) seconds: f64,
    pub(crate) used: Used,
    /// From when a message was to be sent until it came.
    pub(crate) latency: Histogram<u64>,
    /// Of the server at the end.
    pub(crate) resident_bytes: u64,
}

const CHANNEL: u32 = 0;

/// Publishes messages of `bytes` bytes to `followers` followers.
pub(crate) fn run(
    target: Target<'_>,
    followers: usize,
    bytes: usize,
    pace: Pace,
    window: Window,
) -> Result<Fanned, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, 1)?;
    crowd.follow(CHANNEL, followers)?;
    crowd.publishers(&[CHANNEL])?;
    let mut stage = Stage {
        publisher: crowd.last(),
        crowd,
        followers: followers as u64,
        bytes,
        pace,
    };
    stage.play(window.warm_up)?;
    stage.crowd.tallies[0].restart();
    let watch = Watch::begin(target.process);
    let begun = stage.crowd.now();
    stage.play(window.measured)?;
    let used = watch.end();
    let tally = &stage.crowd.tallies[0];
    Ok(Fanned {
        deliveries: tally.deliveries,
        seconds: (tally.last_at.saturating_sub(begun)) as f64 / 1e9,
        used,
        latency: tally.latency.clone(),
        resident_bytes: resident_bytes(target.process),
    })
}

struct Stage<'p> {
    crowd: Crowd<'p>,
    publisher: usize,
    followers: u64,
    bytes: usize,
    pace: Pace,
}

impl Stage<'_> {
    /// Publishes for a while, and until all is delivered.
    fn play(&mut self, duration: Duration) -> Result<(), String> {
        let begun = self.crowd.now();
        let until = begun + duration.as_nanos() as u64;
        let mut published = 0;
        match self.pace {
            Pace::Bursts(count) => {
                while self.crowd.now() < until || published == 0 {
                    let now = self.crowd.now();
                    self.publish(count, now)?;
                    published += count as u64;
                    deliver(&mut self.crowd, CHANNEL, published * self.followers)?;
                }
            }
            Pace::Hertz(hertz) => {
                let mut pacer = Pacer::new(hertz, begun);
                while pacer.next < until {
                    while let Some(at) = pacer.due(self.crowd.now()) {
                        self.publish(1, at)?;
                        published += 1;
                    }
                    let wait = match self.followers {
                        // To sleep, and to be woken late, would be most of what is measured.
                        1 => 0,
                        _ => pacer.next.saturating_sub(self.crowd.now()),
                    };
                    self.crowd.turn(Duration::from_nanos(wait))?;
                }
                deliver(&mut self.crowd, CHANNEL, published * self.followers)?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, count: usize, at: u64) -> Result<(), String> {
        self.crowd.acknowledged.clear(); // deliveries tell as much
        self.crowd
            .publish(self.publisher, CHANNEL, count, self.bytes, at)
    }
}

/// Turns until so many deliveries have come on `channel` since its tally began, or one was wrong.
pub(super) fn deliver(crowd: &mut Crowd<'_>, channel: u32, expected: u64) -> Result<(), String> {
    let mut progress = (crowd.now(), 0);
    loop {
        let tally = &crowd.tallies[channel as usize];
        tally.wrong()?;
        let came = tally.deliveries;
        if came >= expected {
            return Ok(());
        }
        if came > progress.1 {
            progress = (crowd.now(), came);
        } else if crowd.now() - progress.0 > STALLED_AFTER.as_nanos() as u64 {
            let missing = expected - came;
            return Err(format!(
                "WRONG: {missing} of {expected} deliveries never came"
            ));
        }
        crowd.turn(Duration::from_millis(100))?;
    }
}

/// Says when messages are due that go out at a fixed rate.
pub(super) struct Pacer {
    gap: u64,
    /// When the next one is.
    pub(super) next: u64,
}

impl Pacer {
    pub(super) fn new(hertz: u32, begin: u64) -> Self {
        Self {
            gap: 1_000_000_000 / u64::from(hertz),
            next: begin,
        }
    }

    /// When a message that is due by `now` was to be sent.
    pub(super) fn due(&mut self, now: u64) -> Option<u64> {
        let at = self.next;
        (at <= now).then(|| {
            self.next += self.gap;
            at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_stall_all_that_was_due_is_sent_with_its_own_time() {
        let mut pacer = Pacer::new(50, 1_000);
        assert_eq!(pacer.due(999), None);
        assert_eq!(pacer.due(1_000), Some(1_000));
        let late = 45_000_000;
        assert_eq!(pacer.due(late), Some(20_001_000));
        assert_eq!(pacer.due(late), Some(40_001_000));
        assert_eq!(pacer.due(late), None);
    }
}
