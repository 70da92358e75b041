//! The lines of a backup: one at a time, numbered, and what is wrong with one.

use std::fmt;
use std::io::{BufRead, Read};

use serde::de::DeserializeOwned;
use tidings_wire::Format;

/// The longest line: SQLite holds no value above 1 GB, which base64 makes 1.3 GB, so that what a log can hold
/// can be brought back. A line takes memory by its own length alone.
const LINE_BYTES_MAX: u64 = 1 << 31;

/// Lines, the last of which is at hand.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Of the line at hand, from 1.
    number: u64,
    bytes: u64,
}

/// What is wrong with a backup, and in which line.
#[derive(Debug)]
pub(super) struct Broken {
    line: u64,
    detail: String,
    pub(super) kind: BrokenKind,
}

/// What that means for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokenKind {
    /// The file ends here, before its end.
    Cut,
    /// The line is none that can be here, or cannot be read.
    Line,
    /// All lines could be read, and are not those that were written.
    Sum,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.detail)
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// Has the next line at hand; false: there is none.
    pub(super) fn advance(&mut self) -> Result<bool, Broken> {
        self.number += 1;
        self.line.clear();
        let mut bounded = (&mut self.input).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| self.broken(format!("it cannot be read: {error}")))? as u64;
        self.bytes += read;
        match read == LINE_BYTES_MAX {
            true => Err(self.broken("it is longer than any message")),
            false => Ok(read > 0),
        }
    }

    /// The line at hand, with its end.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.line
    }

    /// How many bytes all lines had so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Reads the line at hand. One without an end that cannot be read was cut.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Broken> {
        let parsed = Format::Json.decode(self.line.trim_ascii_end());
        parsed.map_err(|detail: String| match self.line.ends_with(b"\n") {
            // serde_json knows of this one line only.
            true => self.broken(detail.replace(" at line 1 column ", " at column ")),
            false => self.cut(),
        })
    }

    /// The line at hand is none that can be here.
    pub(super) fn broken(&self, detail: impl Into<String>) -> Broken {
        Broken {
            line: self.number,
            detail: detail.into(),
            kind: BrokenKind::Line,
        }
    }

    /// There should be more.
    pub(super) fn cut(&self) -> Broken {
        Broken {
            kind: BrokenKind::Cut,
            ..self.broken("it was cut here, before its end")
        }
    }

    /// The lines so far are not those that were written.
    pub(super) fn changed(&self, detail: impl Into<String>) -> Broken {
        Broken {
            kind: BrokenKind::Sum,
            ..self.broken(detail)
        }
    }
}
