//! A channel's name: what a client may ask for, checked once and then shared.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bound of a channel's name, in bytes of UTF-8: long enough for a path-like name with two ids in
/// it, short enough to be a row's key and a broker's subject.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// The name of a channel: 1 to [`CHANNEL_NAME_BYTES_MAX`] bytes of UTF-8 without control
/// characters or `*`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "String")]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Takes `name` if it can name a channel.
    pub fn new(name: &str) -> Result<Self, ChannelNameError> {
        if name.is_empty() {
            return Err(ChannelNameError::Empty);
        }
        if name.len() > CHANNEL_NAME_BYTES_MAX {
            return Err(ChannelNameError::TooLong);
        }
        match name.chars().find(|c| c.is_control() || *c == '*') {
            Some(character) => Err(ChannelNameError::Forbidden { character }),
            None => Ok(Self(name.into())),
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `:`, by which policies are set; `""`, the default namespace, for a
    /// name without one.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once(':')
            .map_or("", |(namespace, _)| namespace)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for ChannelName {
    type Error = ChannelNameError;

    fn try_from(name: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.as_str().to_owned()
    }
}

/// Why a text cannot name a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelNameError {
    /// It has no characters.
    #[error("a channel's name has at least one character")]
    Empty,
    /// It is longer than [`CHANNEL_NAME_BYTES_MAX`].
    #[error("a channel's name has at most {CHANNEL_NAME_BYTES_MAX} bytes")]
    TooLong,
    /// It has a control character or `*`, which patterns use.
    #[error("a channel's name cannot contain {character:?}")]
    Forbidden {
        /// The first one found.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_in_bytes() {
        assert_eq!(ChannelName::new(""), Err(ChannelNameError::Empty));
        assert!(ChannelName::new("a").is_ok());
        assert!(ChannelName::new(&"a".repeat(CHANNEL_NAME_BYTES_MAX)).is_ok());
        let one_above = "a".repeat(CHANNEL_NAME_BYTES_MAX + 1);
        assert_eq!(ChannelName::new(&one_above), Err(ChannelNameError::TooLong));
        assert_eq!(
            ChannelName::new(&"界".repeat(86)),
            Err(ChannelNameError::TooLong)
        );
    }

    #[test]
    fn a_name_has_no_control_characters_and_no_star() {
        for name in ["a\nb", "a\0", "chat:*", "\u{85}"] {
            assert!(
                matches!(
                    ChannelName::new(name),
                    Err(ChannelNameError::Forbidden { .. })
                ),
                "{name:?}"
            );
        }
        assert!(ChannelName::new("chat:大堂 / lobby 🙂").is_ok());
    }

    #[test]
    fn the_namespace_ends_at_the_first_colon() {
        let namespace = |name| ChannelName::new(name).unwrap().namespace().to_owned();
        assert_eq!(namespace("chat:lobby:1"), "chat");
        assert_eq!(namespace("news"), "");
        assert_eq!(namespace(":x"), "");
    }
}
