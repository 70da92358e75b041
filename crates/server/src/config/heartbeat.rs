//! When silence is alarming: `heartbeat = "5s"`, or a table that says more.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use tidings_wire::Heartbeat;

use super::units::Span;

/// When silence is alarming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeartbeatConfig {
    /// Silence after which either side asks.
    pub(crate) interval: Span,
    /// Silence after asking that counts as a miss; a quarter of the interval where nothing else is said.
    pub(crate) timeout: Span,
    /// Misses after which the connection is dead.
    pub(crate) tries: u32,
}

/// Misses after which a connection is dead, where nothing else is said: one may be an accident.
const TRIES: u32 = 2;

impl HeartbeatConfig {
    /// Asks after such a silence, and gives up after half as much again.
    pub(crate) fn every(interval: Span) -> Self {
        let quarter = Span(interval.0 / 4);
        Self {
            interval,
            timeout: quarter.max(Span::SHORTEST),
            tries: TRIES,
        }
    }

    /// Silence after which the other side is gone.
    pub(crate) fn patience(self) -> Duration {
        self.interval.0 + self.timeout.0 * self.tries
    }

    /// As clients are told.
    pub(crate) fn on_the_wire(self) -> Heartbeat {
        Heartbeat {
            interval: self.interval.millis(),
            timeout: self.timeout.millis(),
            tries: self.tries,
        }
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self::every(Span::seconds(20))
    }
}

/// The long form.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    interval: Span,
    timeout: Option<Span>,
    tries: u32,
}

impl Default for Table {
    fn default() -> Self {
        let HeartbeatConfig {
            interval, tries, ..
        } = HeartbeatConfig::default();
        Self {
            interval,
            timeout: None,
            tries,
        }
    }
}

impl<'de> Deserialize<'de> for HeartbeatConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = HeartbeatConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time such as \"20s\", or a table")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HeartbeatConfig, E> {
        Span::deserialize(StrDeserializer::new(text)).map(HeartbeatConfig::every)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeartbeatConfig, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let short = HeartbeatConfig::every(table.interval);
        Ok(HeartbeatConfig {
            timeout: table.timeout.unwrap_or(short.timeout),
            tries: table.tries,
            ..short
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        heartbeat: HeartbeatConfig,
    }

    fn millis(text: &str) -> (u64, u64, u32) {
        let file: File = toml::from_str(text).unwrap();
        let Heartbeat {
            interval,
            timeout,
            tries,
        } = file.heartbeat.on_the_wire();
        (interval, timeout, tries)
    }

    #[test]
    fn a_span_is_the_interval_and_the_timeout_a_quarter_of_it() {
        assert_eq!(millis("heartbeat = \"5s\""), (5000, 1250, 2));
        assert_eq!(millis("heartbeat = \"20s\""), (20_000, 5000, 2));
        assert_eq!(millis("[heartbeat]\n"), (20_000, 5000, 2));
        assert_eq!(
            millis("[heartbeat]\ninterval = \"5s\"\ntries = 3"),
            (5000, 1250, 3)
        );
        assert_eq!(
            millis("[heartbeat]\ntimeout = \"1s\"\ninterval = \"8s\""),
            (8000, 1000, 2)
        );
    }

    #[test]
    fn the_shortest_interval_has_a_timeout_that_is_allowed() {
        let beat = HeartbeatConfig::every(Span(Duration::from_millis(10)));
        assert_eq!(beat.timeout, Span::SHORTEST);
    }
}
