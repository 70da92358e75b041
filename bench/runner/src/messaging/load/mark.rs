//! How a message is known again in whatever envelope a server puts around it.
//!
//! Its data begins with `SQ=` and ten digits: its number on its channel, from 0.

use std::fmt::Write;

const MARK: &[u8] = b"SQ=";
const DIGITS: usize = 10;

/// Data of `bytes` bytes, or just the mark where that is longer.
pub(super) fn data(number: u64, bytes: usize) -> String {
    let mut data = String::with_capacity(bytes);
    // Writing to a string cannot fail.
    let _ = write!(data, "SQ={number:0DIGITS$}");
    let filler = (b'a'..=b'z').cycle().map(char::from);
    data.extend(filler.take(bytes.saturating_sub(data.len())));
    data
}

/// Finds marks, first where the last one was.
#[derive(Default)]
pub(super) struct Finder {
    at: usize,
}

impl Finder {
    /// The number of the message in `text`, if it is one.
    #[inline]
    pub(super) fn number(&mut self, text: &[u8]) -> Option<u64> {
        if let Some(number) = at(text, self.at) {
            return Some(number);
        }
        let found = text.windows(MARK.len()).position(|three| three == MARK)?;
        self.at = found;
        at(text, found)
    }
}

#[inline]
fn at(text: &[u8], at: usize) -> Option<u64> {
    let digits = text.get(at..)?.strip_prefix(MARK)?.get(..DIGITS)?;
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_again_in_any_envelope() {
        let mut finder = Finder::default();
        for (number, before) in [(0, ""), (7, "{\"seq\":9,\"data\":\""), (99, "42[\"m\",\"")] {
            let data = data(number, 128);
            assert_eq!(data.len(), 128);
            for _ in 0..2 {
                let text = format!("{before}{data}\"}}");
                assert_eq!(finder.number(text.as_bytes()), Some(number));
            }
        }
        assert_eq!(finder.number(b"SQ=12"), None);
        assert_eq!(finder.number(b"{\"type\":\"published\"}"), None);
    }
}
