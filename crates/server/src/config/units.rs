//! Sizes, spans of time and bounds in the configuration: `65536`, `"64KiB"`, `"30s"`, `"unlimited"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    /// So many KiB.
    pub(crate) const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// As a length in memory.
    pub(crate) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads a number with a unit: `B`, or `kB` to `GB` in thousands, or `KiB` to `GiB` in 1024s.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" | "k" => 1_000,
            "mb" | "m" => 1_000_000,
            "gb" | "g" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return None,
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(scale).map(Self);
        }
        let fraction: f64 = number.parse().ok()?;
        let bytes = (fraction * scale as f64).round();
        (bytes.is_finite() && bytes < u64::MAX as f64).then_some(Self(bytes as u64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 65536, \"64KiB\" or \"1GB\"")
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
        u64::try_from(bytes)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// A span of time such as `"20s"` or `"1h 30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// The shortest that is taken where a side waits for the other: less is a way of the network, not a silence.
    pub(crate) const SHORTEST: Self = Self(Duration::from_millis(10));

    /// So many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In whole milliseconds.
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| format!("{text:?} is not a span of time such as \"30s\""))
    }
}

/// A bound, or the word `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a value, or \"unlimited\"")]
pub(crate) enum Bound<T> {
    /// Up to this.
    Upto(T),
    /// Without end.
    Unlimited(Unlimited),
}

/// The word that stands for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unlimited {
    /// No bound.
    Unlimited,
}

impl<T> Bound<T> {
    /// `None` where there is no bound.
    pub(crate) fn limit(self) -> Option<T> {
        match self {
            Self::Upto(limit) => Some(limit),
            Self::Unlimited(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1.5MiB", 1_572_864),
            ("2GB", 2_000_000_000),
            ("10B", 10),
        ] {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        }
        for text in ["", "KiB", "-1", "1 TiBs", "1e9", "1.2.3", "99999999999GiB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_bound_is_a_value_or_the_word_unlimited() {
        #[derive(Deserialize)]
        struct Table {
            bound: Bound<Size>,
        }
        let read = |text: &str| toml::from_str::<Table>(text).map(|table| table.bound.limit());
        assert_eq!(read("bound = \"1GiB\"").unwrap(), Some(Size(1 << 30)));
        assert_eq!(read("bound = 5").unwrap(), Some(Size(5)));
        assert_eq!(read("bound = \"unlimited\"").unwrap(), None);
        assert!(read("bound = \"many\"").is_err());
    }
}
