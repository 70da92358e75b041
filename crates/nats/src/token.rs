//! A channel's name as one token of a NATS subject.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use tidings_wire::ChannelName;

/// A token may be longer in NATS, but every message and every index entry there bears it.
const TOKEN_BYTES_MAX: usize = 200;

/// The token of `channel`: ASCII letters, digits, `-` and `_` as they are, every other byte as `%XX`. What gets longer
/// than 200 bytes is named by its SHA-256, behind `%h`, with which no other token begins. No two channels have the
/// same one.
pub(crate) fn token(channel: &ChannelName) -> String {
    let token = escape(channel.as_str());
    match token.len() {
        0..=TOKEN_BYTES_MAX => token,
        _ => {
            let hash = Sha256::digest(channel.as_str());
            hash.iter().fold("%h".to_owned(), |mut token, byte| {
                let _ = write!(token, "{byte:02x}");
                token
            })
        }
    }
}

/// `text` with everything but ASCII letters, digits, `-` and `_` as `%XX`.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    #[test]
    fn what_nats_takes_stays_readable() {
        assert_eq!(token(&channel("chat:lobby-1_x")), "chat%3Alobby-1_x");
        assert_eq!(token(&channel("a.b > c")), "a%2Eb%20%3E%20c");
        assert_eq!(token(&channel("é%")), "%C3%A9%25");
    }

    #[test]
    fn long_names_are_named_by_their_hash() {
        let long = token(&channel(&"天".repeat(80)));
        assert_eq!(long.len(), 2 + 64);
        assert_ne!(long, token(&channel(&format!("{}地", "天".repeat(79)))));
    }

    proptest! {
        #[test]
        fn every_channel_has_a_token_of_its_own(names in prop::collection::vec("[a-c%hA.:é ]{1,90}", 2..60)) {
            let mut tokens = HashMap::new();
            for name in names {
                let token = token(&channel(&name));
                prop_assert!(token.len() <= TOKEN_BYTES_MAX);
                prop_assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && !b".*>".contains(&byte)));
                let known = tokens.entry(token).or_insert_with(|| name.clone());
                prop_assert_eq!(&*known, &name);
            }
        }
    }
}
