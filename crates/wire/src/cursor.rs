//! Cursors: "I have everything up to SEQ in my channels", bound to the logs they were read from.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bound of an epoch's text, in bytes: more than any engine makes, so that a cursor stays small.
const EPOCH_BYTES_MAX: usize = 32;

/// Most logs that the channels of one stream are in: more than any engine has, so that a cursor of all of them
/// is within the 8 KiB that servers and proxies take of a head's line.
pub const CURSOR_PARTS_MAX: usize = 64;

/// The identity of a log: it changes when the data directory is new, so that a cursor of another
/// log is noticed instead of being misread. ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Takes `text`, 1 to 32 ASCII letters and digits.
    pub fn new(text: &str) -> Result<Self, CursorError> {
        let fits = (1..=EPOCH_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text.into()))
        } else {
            Err(CursorError)
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<Cow<'_, str>> for Epoch {
    type Error = CursorError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.as_str().to_owned()
    }
}

/// How far a reader of one log has everything. On the wire it is the text `EPOCH-SEQ`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Cursor {
    /// The log that `seq` counts in.
    pub epoch: Epoch,
    /// Everything up to here is had; 0 is before the first message.
    pub seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.rsplit_once('-').ok_or(CursorError)?;
        // `u64::from_str` would take a leading `+`.
        if !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CursorError);
        }
        Ok(Self {
            epoch: Epoch::new(epoch)?,
            seq: seq.parse().map_err(|_| CursorError)?,
        })
    }
}

impl TryFrom<Cow<'_, str>> for Cursor {
    type Error = CursorError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// How far a reader has everything in channels that may be in several logs: a [`Cursor`] of each of these. On the
/// wire it is their texts joined by `.`, so that where there is one log it is that log's cursor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct StreamCursor(Vec<Cursor>);

impl StreamCursor {
    /// One of these: 1 to [`CURSOR_PARTS_MAX`], no two of the same log.
    pub fn new(parts: Vec<Cursor>) -> Result<Self, CursorError> {
        let fits = (1..=CURSOR_PARTS_MAX).contains(&parts.len());
        let is_again = |(place, part): (usize, &Cursor)| {
            let mut before = parts[..place].iter();
            before.any(|other| other.epoch == part.epoch)
        };
        if !fits || parts.iter().enumerate().any(is_again) {
            return Err(CursorError);
        }
        Ok(Self(parts))
    }

    /// What it says of each log.
    pub fn parts(&self) -> &[Cursor] {
        &self.0
    }

    /// How far everything is had in the log `epoch`; `None`: it says nothing of that.
    pub fn seq(&self, epoch: &Epoch) -> Option<u64> {
        let part = self.0.iter().find(|part| part.epoch == *epoch)?;
        Some(part.seq)
    }

    /// Everything up to `seq` in the log `epoch` is had now; whether it says something of that log.
    pub fn advance(&mut self, epoch: &Epoch, seq: u64) -> bool {
        let part = self.0.iter_mut().find(|part| part.epoch == *epoch);
        part.map(|part| part.seq = seq.max(part.seq)).is_some()
    }
}

impl From<Cursor> for StreamCursor {
    fn from(cursor: Cursor) -> Self {
        Self(vec![cursor])
    }
}

impl fmt::Display for StreamCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            let joint = if place == 0 { "" } else { "." };
            write!(f, "{joint}{part}")?;
        }
        Ok(())
    }
}

impl FromStr for StreamCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One more than there may be, to see that there are too many.
        let parts = text.split('.').take(CURSOR_PARTS_MAX + 1);
        let parts: Result<_, _> = parts.map(str::parse).collect();
        Self::new(parts?)
    }
}

impl TryFrom<Cow<'_, str>> for StreamCursor {
    type Error = CursorError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamCursor> for String {
    fn from(cursor: StreamCursor) -> Self {
        cursor.to_string()
    }
}

/// A text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: send back one that the server gave, such as \"k3f9-48213\"")]
pub struct CursorError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(place: usize) -> Cursor {
        Cursor {
            epoch: Epoch::new(&format!("e{place}")).unwrap(),
            seq: place as u64,
        }
    }

    proptest! {
        #[test]
        fn a_cursor_of_several_logs_survives_its_text(
            parts in prop::collection::btree_map("[a-zA-Z0-9]{1,32}", any::<u64>(), 1..=CURSOR_PARTS_MAX)
        ) {
            let part = |(epoch, seq): (&String, &u64)| Cursor {
                epoch: Epoch::new(epoch).unwrap(),
                seq: *seq,
            };
            let cursor = StreamCursor::new(parts.iter().map(part).collect()).unwrap();
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            for (epoch, seq) in &parts {
                prop_assert_eq!(cursor.seq(&Epoch::new(epoch).unwrap()), Some(*seq));
            }
        }

        #[test]
        fn whatever_is_read_as_a_cursor_is_said_again(text in r"[ab]-[0-9]{1,3}([.\-][ab1]-?[0-9]{0,3}){0,3}") {
            if let Ok(cursor) = text.parse::<StreamCursor>() {
                let again: StreamCursor = cursor.to_string().parse().unwrap();
                prop_assert_eq!(&again, &cursor);
                prop_assert_eq!(text.split('.').count(), cursor.parts().len());
            }
        }
    }

    #[test]
    fn of_one_log_it_is_the_cursor_of_that() {
        let cursor: StreamCursor = "k3f9-7".parse().unwrap();
        assert_eq!(
            cursor,
            StreamCursor::from("k3f9-7".parse::<Cursor>().unwrap())
        );
        assert_eq!(cursor.to_string(), "k3f9-7");
    }

    #[test]
    fn the_parts_of_a_cursor_are_bounded_and_of_different_logs() {
        let parse = |count: usize| {
            let parts: Vec<_> = (0..count).map(|place| part(place).to_string()).collect();
            parts.join(".").parse::<StreamCursor>().is_ok()
        };
        assert!(parse(CURSOR_PARTS_MAX - 1) && parse(CURSOR_PARTS_MAX));
        assert!(!parse(CURSOR_PARTS_MAX + 1) && !parse(10_000));
        assert_eq!(StreamCursor::new(Vec::new()), Err(CursorError));
        for text in [
            "",
            ".",
            "a-1.",
            ".a-1",
            "a-1..b-2",
            "a-1.a-1",
            "a-1.b-1.a-2",
            "a-1,b-1",
        ] {
            assert_eq!(text.parse::<StreamCursor>(), Err(CursorError), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_goes_on_in_the_logs_that_it_knows() {
        let mut cursor: StreamCursor = "e1-1.e2-2".parse().unwrap();
        assert!(cursor.advance(&part(2).epoch, 7) && cursor.advance(&part(2).epoch, 5));
        assert!(!cursor.advance(&part(3).epoch, 9));
        assert_eq!(cursor.to_string(), "e1-1.e2-7");
        assert_eq!(cursor.seq(&part(3).epoch), None);
    }

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            epoch: Epoch::new("k3f9").unwrap(),
            seq: u64::MAX,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "-",
            "a-",
            "-1",
            "a-+1",
            "a--1",
            "a-1 ",
            "é-1",
            "a-18446744073709551616",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}
