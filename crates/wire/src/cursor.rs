//! Cursors: "I have everything up to SEQ in my channels", bound to the log they were read from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bound of an epoch's text, in bytes: more than any engine makes, so that a cursor stays small.
const EPOCH_BYTES_MAX: usize = 32;

/// The identity of a log: it changes when the data directory is new, so that a cursor of another
/// log is noticed instead of being misread. ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// How far a reader has everything. On the wire it is the text `EPOCH-SEQ`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "String")]
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

impl TryFrom<std::borrow::Cow<'_, str>> for Cursor {
    type Error = CursorError;

    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// A text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: send back one that the server gave, such as \"k3f9-48213\"")]
pub struct CursorError;

#[cfg(test)]
mod tests {
    use super::*;

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
