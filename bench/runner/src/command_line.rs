//! What the two command lines have in common: flags, their values, lists of names.

use std::str::FromStr;
use std::time::Duration;

/// Words as `--flag value` or `--flag=value`.
pub(crate) struct Words<I> {
    rest: I,
    inline: Option<String>,
}

impl<I: Iterator<Item = String>> Words<I> {
    pub(crate) fn new(words: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            rest: words.into_iter(),
            inline: None,
        }
    }

    /// The next flag; `None` at the end.
    pub(crate) fn flag(&mut self) -> Option<String> {
        let word = self.rest.next()?;
        let (flag, inline) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        self.inline = inline;
        Some(flag)
    }

    /// What belongs to the flag that was given last.
    pub(crate) fn value(&mut self, flag: &str) -> Result<String, String> {
        self.inline
            .take()
            .or_else(|| self.rest.next())
            .ok_or_else(|| format!("{flag} needs a value; see --help"))
    }
}

/// Names with commas between them.
pub(crate) fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

pub(crate) fn number<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag}: '{value}' is not a number"))
}

pub(crate) fn duration(flag: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{flag}: not a length of time"))
}
