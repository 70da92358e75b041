//! What is sent, as frames made ahead of time: a cycle of different messages.

use std::iter;

use flate2::{Compress, FlushCompress};

use super::Trouble;
use crate::frame;
use crate::websocket::scenario::Payload;

/// Messages, and the bytes that a client sends for them.
pub(crate) struct Messages {
    payloads: Vec<Vec<u8>>,
    /// The cycle's frames; then its first ones again, so that several in a row are one slice
    /// wherever they begin.
    wire: Vec<u8>,
    /// Where each frame in `wire` begins, and the end of the last.
    begins: Vec<usize>,
}

/// How a client compresses what it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deflate {
    Off,
    /// Every message on its own.
    Each,
    /// Later messages refer to earlier ones; the cycle's first refers to none, so that the cycle
    /// can be repeated.
    Together,
}

/// Different messages in a cycle: enough for an answer in the wrong place to be noticed…
const CYCLE_MAX: usize = 32;
const CYCLE_MIN: usize = 4;
/// …and few enough for their frames to stay in the cache.
const CYCLE_BYTES: usize = 128 << 10;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// RFC 7692, 6: set on a message that is compressed.
const RSV1: u8 = 0x40;
/// Says that the frame is the last of its message: it is whole.
const FIN: u8 = 0x80;

impl Messages {
    /// A cycle of messages of `bytes` each, of which up to `in_a_row` are sent in one write.
    pub(super) fn new(
        payload: Payload,
        bytes: usize,
        deflate: Deflate,
        in_a_row: usize,
    ) -> Result<Self, Trouble> {
        let cycle = (CYCLE_BYTES / bytes).clamp(CYCLE_MIN, CYCLE_MAX);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let payloads: Vec<Vec<u8>> = (0..cycle)
            .map(|number| content(payload, bytes, number, &mut random))
            .collect();
        let opcode = if payload == Payload::Binary {
            BINARY
        } else {
            TEXT
        };
        let mut compressor = Compress::new(flate2::Compression::default(), false);
        let mut wire = Vec::new();
        let mut begins = vec![0];
        for payload in &payloads {
            let key = (random.next() as u32).to_ne_bytes();
            match deflate {
                Deflate::Off => frame::push(&mut wire, FIN | opcode, payload, key),
                Deflate::Each | Deflate::Together => {
                    if deflate == Deflate::Each {
                        compressor.reset();
                    }
                    let compressed = compress(&mut compressor, payload)?;
                    frame::push(&mut wire, FIN | RSV1 | opcode, &compressed, key);
                }
            }
            begins.push(wire.len());
        }
        let once = wire.len();
        for index in 0..in_a_row.min(CYCLE_MAX) {
            if wire.len() > 2 * once.max(CYCLE_BYTES) || once > 2 * CYCLE_BYTES {
                break; // large messages take several writes anyway
            }
            let index = index % cycle;
            wire.extend_from_within(begins[index]..begins[index + 1]);
            begins.push(wire.len());
        }
        Ok(Self {
            payloads,
            wire,
            begins,
        })
    }

    /// The payload that the answer number `count` must have.
    #[inline]
    pub(super) fn payload(&self, count: usize) -> &[u8] {
        &self.payloads[count % self.payloads.len()]
    }

    /// Payload bytes of each message.
    pub(super) fn message_bytes(&self) -> usize {
        self.payloads[0].len()
    }

    /// Frame bytes per message, on average.
    pub(super) fn frame_bytes(&self) -> f64 {
        let cycle = self.payloads.len();
        self.begins[cycle] as f64 / cycle as f64
    }
}

/// How far a connection has come in sending the cycle again and again.
#[derive(Default)]
pub(super) struct Cursor {
    /// Messages that may be sent and were not, or not wholly.
    pub(super) due: usize,
    next: usize,
    position: usize,
}

impl Cursor {
    /// What to write now.
    #[inline]
    pub(super) fn bytes<'m>(&self, messages: &'m Messages) -> &'m [u8] {
        let last = (self.next + self.due).min(messages.begins.len() - 1);
        &messages.wire[self.position..messages.begins[last]]
    }

    /// Notes that `written` of those bytes went.
    #[inline]
    pub(super) fn advance(&mut self, messages: &Messages, written: usize) {
        self.position += written;
        while let Some(&end) = messages.begins.get(self.next + 1)
            && end <= self.position
        {
            self.next += 1;
            self.due -= 1;
        }
        let cycle = messages.payloads.len();
        while self.next >= cycle {
            self.next -= cycle;
            self.position -= messages.begins[cycle];
        }
    }
}

/// RFC 7692, 7.2.1: deflate, flush, take the last four bytes away.
fn compress(compressor: &mut Compress, payload: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut compressed = Vec::with_capacity(payload.len() + 128);
    compressor
        .compress_vec(payload, &mut compressed, FlushCompress::Sync)
        .map_err(|error| format!("a message cannot be compressed: {error}"))?;
    match compressed.strip_suffix(&[0, 0, 0xff, 0xff]) {
        Some(rest) => Ok(rest.to_vec()),
        None => Err("a message was not compressed in one go".to_owned().into()),
    }
}

fn content(payload: Payload, bytes: usize, number: usize, random: &mut Random) -> Vec<u8> {
    const MIXED: &str = "héllo wörld ≠ текст 漢字 🚀 plain words ";
    match payload {
        Payload::Binary => iter::repeat_with(|| random.next() as u8)
            .take(bytes)
            .collect(),
        Payload::Ascii => {
            let numbered = format!("{number:02} ").into_bytes();
            numbered
                .into_iter()
                .chain((b'a'..=b'z').cycle().skip(number))
                .take(bytes)
                .collect()
        }
        Payload::Mixed => {
            let mut text = format!("{number:02} ");
            for character in MIXED.chars().cycle().skip(number) {
                if text.len() + character.len_utf8() > bytes {
                    break;
                }
                text.push(character);
            }
            let mut text = text.into_bytes();
            text.resize(bytes, b'x');
            text
        }
        Payload::Chat => chat(bytes, random),
    }
}

/// JSON as a chat sends it, with the least that makes it different each time.
fn chat(bytes: usize, random: &mut Random) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "amelie", "bjorn", "chen", "dolores", "emeka", "fatima", "goran", "hana",
    ];
    const WORDS: [&str; 32] = [
        "the",
        "meeting",
        "is",
        "at",
        "ten",
        "and",
        "we",
        "should",
        "bring",
        "what",
        "you",
        "wrote",
        "about",
        "servers",
        "because",
        "nobody",
        "else",
        "remembers",
        "how",
        "it",
        "works",
        "when",
        "many",
        "people",
        "write",
        "to",
        "same",
        "channel",
        "tomorrow",
        "morning",
        "please",
        "again",
    ];
    let pick = |words: &[&'static str], random: &mut Random| {
        words[(random.next() >> 33) as usize % words.len()]
    };
    let mut text = format!(
        "{{\"id\":{},\"channel\":\"room-{}\",\"from\":\"{}\",\"text\":\"",
        random.next() % 1_000_000,
        random.next() % 50,
        pick(&NAMES, random),
    );
    while text.len() + 2 < bytes {
        text += pick(&WORDS, random);
        text.push(' ');
    }
    text.truncate(bytes.saturating_sub(2));
    text += "\"}";
    text.truncate(bytes);
    text.into_bytes()
}

/// Xorshift: the same on every run, which is what a benchmark wants.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_texts_of_the_size_that_was_asked_for() {
        for payload in [Payload::Ascii, Payload::Mixed, Payload::Chat] {
            for bytes in [1, 3, 20, 125, 1024, 16 << 10] {
                for number in 0..CYCLE_MAX {
                    let text = content(payload, bytes, number, &mut Random(7));
                    assert_eq!(text.len(), bytes, "{payload:?}");
                    assert!(std::str::from_utf8(&text).is_ok(), "{payload:?}");
                }
            }
        }
    }

    #[test]
    fn whatever_is_written_at_once_the_cycle_is_sent_in_order() {
        for (bytes, in_a_row) in [(20, 1), (20, 16), (5000, 16), (100_000, 16)] {
            let messages = Messages::new(Payload::Ascii, bytes, Deflate::Off, in_a_row).unwrap();
            let cycle = messages.payloads.len();
            let one_cycle = &messages.wire[..messages.begins[cycle]];
            for at_once in [1, 7, 1000, usize::MAX] {
                let mut cursor = Cursor::default();
                let mut sent = Vec::new();
                let mut asked = 0;
                while asked < 3 * cycle || cursor.due > 0 {
                    let more = in_a_row.min(3 * cycle - asked).min(3);
                    asked += more;
                    cursor.due += more;
                    let bytes = cursor.bytes(&messages);
                    let count = bytes.len().min(at_once);
                    sent.extend_from_slice(&bytes[..count]);
                    cursor.advance(&messages, count);
                }
                assert!(
                    sent == one_cycle.repeat(3),
                    "{bytes} bytes, {at_once} at once"
                );
            }
        }
    }
}
