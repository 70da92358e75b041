//! One direction of a connection: what is sent arrives late, in order, or not at all.
//!
//! Order holds within a line, as TCP keeps it, and only there: what an old line still carries can arrive
//! after what a new one has brought.

use std::ops::Range;

use fastrand::Rng;

/// How lines behave.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Time under way, in milliseconds.
    pub delay: Range<u64>,
    /// One packet in so many is held up ...
    pub stalls: u32,
    /// ... for so long, in milliseconds.
    pub stall: Range<u64>,
}

impl Weather {
    /// Nothing is held up.
    pub fn fair() -> Self {
        Self {
            delay: 1..4,
            stalls: u32::MAX,
            stall: 0..1,
        }
    }

    /// Every fourth packet or so is late.
    pub fn rough() -> Self {
        Self {
            delay: 1..40,
            stalls: 4,
            stall: 50..400,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// When what was sent last arrives.
    busy_until: u64,
    /// What is sent from this time on is lost.
    cut: Option<u64>,
}

impl Line {
    /// When a packet that is sent `now` arrives; `None`: never.
    pub fn send(&mut self, now: u64, weather: &Weather, rng: &mut Rng) -> Option<u64> {
        let mut delay = rng.u64(weather.delay.clone());
        if rng.u32(0..weather.stalls) == 0 {
            delay += rng.u64(weather.stall.clone());
        }
        if self.cut.is_some() {
            return None;
        }
        self.busy_until = self.busy_until.max(now + delay);
        Some(self.busy_until)
    }

    /// Lets nothing through that is sent from now on. What is under way still arrives.
    pub fn cut(&mut self, now: u64) {
        self.cut.get_or_insert(now);
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_in_order() {
        let mut rng = Rng::with_seed(1);
        let mut line = Line::default();
        let mut before = 0;
        for now in 0..200 {
            let at = line.send(now, &Weather::rough(), &mut rng).unwrap();
            assert!(at >= before && at > now);
            before = at;
        }
    }

    #[test]
    fn nothing_gets_over_a_cut_line() {
        let mut rng = Rng::with_seed(1);
        let mut line = Line::default();
        assert!(line.send(0, &Weather::fair(), &mut rng).is_some());
        line.cut(1);
        assert!(line.send(1, &Weather::fair(), &mut rng).is_none());
    }
}
