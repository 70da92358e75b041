//! What is to be published and when: pure, and decided before anything is sent.
//!
//! The load is open-loop. Message `k` belongs to the moment `k / rate` after the start, whether or not
//! the server has answered the one before it. Latency counts from that moment. A tool that waits for
//! answers would send less just when the server is slow, and would not see the wait that it left out
//! ("coordinated omission").

/// The whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Messages a second, by all publishers together; at least 1.
    pub(super) rate: u32,
    /// How many take turns in publishing; at least 1.
    pub(super) publishers: u32,
    /// How many channels take turns in being published to; at least 1.
    pub(super) channels: u32,
    /// Published before anything is measured, in seconds.
    pub(super) warmup_s: u32,
    /// Measured, in seconds.
    pub(super) measured_s: u32,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// When it is to be sent, in microseconds since the start.
    pub(super) at_us: u64,
    /// Which channel.
    pub(super) channel: u32,
}

impl Plan {
    /// The `turn`th message (0 and up) of a publisher. It is for the caller to say when it ends.
    pub(super) fn slot(&self, publisher: u32, turn: u64) -> Slot {
        let number = turn * u64::from(self.publishers) + u64::from(publisher);
        Slot {
            // From the start each time: added up, the roundings would make another rate.
            at_us: number * SECOND_US / u64::from(self.rate),
            channel: u32::try_from(number % u64::from(self.channels))
                .expect("less than the channels, which are a u32"),
        }
    }

    /// How many messages are to be sent before `at_us`.
    pub(super) fn planned(&self, at_us: u64) -> u64 {
        (at_us * u64::from(self.rate)).div_ceil(SECOND_US)
    }

    /// When measuring begins, in microseconds since the start.
    pub(super) fn begin_us(&self) -> u64 {
        u64::from(self.warmup_s) * SECOND_US
    }

    /// When publishing ends, in microseconds since the start.
    pub(super) fn end_us(&self) -> u64 {
        self.begin_us() + u64::from(self.measured_s) * SECOND_US
    }

    /// How long one point of the timeline is, in microseconds: as many points as can be told apart in
    /// a plot, and none so short that it holds single messages.
    pub(super) fn interval_us(&self) -> u64 {
        let even = u64::from(self.measured_s) * SECOND_US / POINTS_MAX;
        even.max(INTERVAL_US_MIN)
    }
}

/// A second in microseconds.
pub(super) const SECOND_US: u64 = 1_000_000;

/// Points of the timeline: one for every 10 of the plot's some 600 pixels.
const POINTS_MAX: u64 = 60;

/// The shortest point of the timeline: at 100 messages a second it still holds 25.
const INTERVAL_US_MIN: u64 = 250_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        rate: 3,
        publishers: 2,
        channels: 3,
        warmup_s: 1,
        measured_s: 10,
    };

    fn all(plan: Plan) -> Vec<Slot> {
        let mut slots: Vec<_> = (0..plan.publishers)
            .flat_map(|publisher| {
                (0..)
                    .map(move |turn| plan.slot(publisher, turn))
                    .take_while(move |slot| slot.at_us < plan.end_us())
            })
            .collect();
        slots.sort_by_key(|slot| slot.at_us);
        slots
    }

    #[test]
    fn all_publishers_together_keep_the_rate() {
        let slots = all(PLAN);
        assert_eq!(slots.len(), 33);
        for (number, slot) in slots.iter().enumerate() {
            assert_eq!(slot.at_us, number as u64 * 1_000_000 / 3);
        }
    }

    #[test]
    fn every_channel_has_its_turn() {
        let channels: Vec<_> = all(PLAN).iter().map(|slot| slot.channel).take(6).collect();
        assert_eq!(channels, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let plan = Plan { rate: 7, ..PLAN };
        assert_eq!(plan.slot(0, 7 * 3600 / 2).at_us, 3600 * 1_000_000);
    }

    #[test]
    fn what_is_planned_is_what_the_slots_say() {
        for rate in [1, 2, 3, 7, 1000] {
            let plan = Plan { rate, ..PLAN };
            let slots = all(plan);
            for at_us in [
                0,
                1,
                333_333,
                333_334,
                999_999,
                1_000_000,
                1_000_001,
                plan.end_us(),
            ] {
                let before = slots.iter().filter(|slot| slot.at_us < at_us).count();
                assert_eq!(
                    plan.planned(at_us),
                    before as u64,
                    "{rate} a second, {at_us} µs"
                );
            }
        }
    }

    #[test]
    fn a_timeline_has_points_that_can_be_told_apart() {
        let interval = |measured_s| Plan { measured_s, ..PLAN }.interval_us();
        assert_eq!(interval(1), 250_000);
        assert_eq!(interval(60), 1_000_000);
        assert_eq!(interval(600), 10_000_000);
    }
}
