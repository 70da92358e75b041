//! What a message carries, and what is read of what the server says.

use serde::{Deserialize, Serialize};
use tidings_wire::Format;

/// A message's data: its number, and words as people write them, which compress as theirs do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Data {
    /// Its number in its channel, 0 and up.
    pub(super) n: u64,
    /// What it says.
    pub(super) text: String,
}

/// The least that the data takes, in bytes of JSON: a number of six digits, and a few letters.
pub(super) const DATA_BYTES_MIN: usize = 30;

/// The room that numbers have.
const NUMBER_DIGITS: usize = 6;

/// Some of the most frequent words of English.
const WORDS: [&str; 48] = [
    "the", "be", "to", "of", "and", "a", "in", "that", "have", "I", "it", "for", "not", "on",
    "with", "he", "as", "you", "do", "at", "this", "but", "his", "by", "from", "they", "we", "say",
    "her", "she", "or", "an", "will", "my", "one", "all", "would", "there", "their", "what", "so",
    "up", "out", "if", "about", "who", "get", "which",
];

impl Data {
    /// Number `n`, whose JSON has `bytes` bytes, for numbers of up to six digits.
    pub(super) fn new(n: u64, bytes: usize) -> Self {
        let frame = r#"{"n":,"text":""}"#.len();
        let digits = n.to_string().len().min(NUMBER_DIGITS);
        let length = bytes.saturating_sub(frame + digits);
        // The same words for the same message, whoever it is for.
        let mut random = fastrand::Rng::with_seed(n);
        let mut text = String::new();
        while text.len() < length {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(WORDS[random.usize(..WORDS.len())]);
        }
        text.truncate(length);
        Self { n, text }
    }
}

/// Whatever a server says in a frame, an event or an answer: the fields that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    /// What it is.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// What a message or a signal carries.
    pub(super) data: Option<Data>,
    code: Option<String>,
    message: Option<String>,
}

impl Said {
    /// What the server complains of.
    pub(super) fn complaint(&self) -> Option<String> {
        let code = self.code.as_ref()?;
        let words = self.message.as_deref().unwrap_or("no reason given");
        Some(format!("{words} ({code})"))
    }
}

/// Reads `bytes`.
///
/// # Errors
///
/// Says that it is not what a Tidings server says.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    format: Format,
    bytes: &[u8],
) -> Result<T, String> {
    let said = format.decode(bytes);
    said.map_err(|error| format!("what came is not from a Tidings server: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_the_size_asked_for() {
        for bytes in [DATA_BYTES_MIN, 100, 1000] {
            for n in [0, 7, 99, 123_456] {
                let json = serde_json::to_string(&Data::new(n, bytes)).unwrap();
                assert_eq!(json.len(), bytes, "{json}");
            }
        }
    }

    #[test]
    fn a_message_is_read_in_either_format() {
        let data = Data::new(7, 100);
        let event = serde_json::json!({"type": "message", "seq": 9, "data": data, "from": "a"});
        for format in [Format::Json, Format::Cbor] {
            let said: Said = read(format, &format.encode(&event)).unwrap();
            assert_eq!(said.kind, "message");
            assert_eq!(said.data.as_ref(), Some(&data));
            assert_eq!(said.complaint(), None);
        }
    }

    #[test]
    fn a_complaint_is_heard() {
        let said = r#"{"type":"error","req":1,"code":"forbidden","message":"no"}"#;
        let said: Said = read(Format::Json, said.as_bytes()).unwrap();
        assert_eq!(said.complaint().unwrap(), "no (forbidden)");
        assert!(read::<Said>(Format::Json, b"hello").is_err());
    }
}
