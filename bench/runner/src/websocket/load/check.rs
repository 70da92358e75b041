//! Whether the answers are what was asked.

use flate2::{Decompress, FlushDecompress, Status};

use super::messages::Messages;
use super::reader::Piece;

/// Follows the answers on one connection.
pub(super) struct Check {
    /// Answers that are complete.
    answers: usize,
    /// Payload bytes of the one that is not.
    got: usize,
    compressed: bool,
    depth: Depth,
    /// Answers that were not what they should have been.
    pub(super) wrong: u64,
}

enum Depth {
    /// Lengths alone, of what is not compressed.
    Length,
    /// Every byte.
    Content(Box<Inflater>),
}

/// What compressed answers are compared with.
struct Inflater {
    inflate: Decompress,
    takeover: bool,
    /// The compressed bytes of the answer that is incomplete.
    compressed: Vec<u8>,
    plain: Vec<u8>,
}

impl Check {
    /// Looks at lengths alone.
    pub(super) fn of_length() -> Self {
        Self::new(Depth::Length)
    }

    /// Looks at every byte; `takeover` says whether the server may refer to earlier answers.
    pub(super) fn of_content(takeover: bool) -> Self {
        Self::new(Depth::Content(Box::new(Inflater {
            inflate: Decompress::new(false),
            takeover,
            compressed: Vec::new(),
            plain: Vec::new(),
        })))
    }

    fn new(depth: Depth) -> Self {
        Self {
            answers: 0,
            got: 0,
            compressed: false,
            depth,
            wrong: 0,
        }
    }

    /// Takes the next piece; says whether it completes an answer.
    #[inline]
    pub(super) fn piece(&mut self, piece: &Piece<'_>, messages: &Messages) -> bool {
        if self.got == 0 {
            self.compressed = piece.compressed;
        }
        let mut right = true;
        match (&mut self.depth, self.compressed) {
            (Depth::Content(inflater), true) => {
                inflater.compressed.extend_from_slice(piece.payload);
            }
            (Depth::Content(_), false) => {
                let expected = messages.payload(self.answers);
                let here = expected.get(self.got..self.got + piece.payload.len());
                right = here == Some(piece.payload);
            }
            (Depth::Length, _) => {}
        }
        self.got += piece.payload.len();
        if piece.last {
            right &= match (&mut self.depth, self.compressed) {
                (Depth::Content(inflater), true) => {
                    inflater.inflates_to(messages.payload(self.answers))
                }
                (Depth::Length, true) => true,
                (_, false) => self.got == messages.message_bytes(),
            };
            self.answers += 1;
            self.got = 0;
        }
        self.wrong += u64::from(!right);
        piece.last
    }
}

impl Inflater {
    fn inflates_to(&mut self, expected: &[u8]) -> bool {
        // RFC 7692, 7.2.2: "append 4 octets of 0x00 0x00 0xff 0xff".
        self.compressed.extend_from_slice(&[0, 0, 0xff, 0xff]);
        if !self.takeover {
            self.inflate.reset(false);
        }
        self.plain.clear();
        // One byte more than expected shows that there is too much.
        self.plain.reserve(expected.len() + 1);
        let flush = FlushDecompress::Sync;
        let status = self
            .inflate
            .decompress_vec(&self.compressed, &mut self.plain, flush);
        self.compressed.clear();
        matches!(status, Ok(Status::Ok | Status::BufError)) && self.plain == expected
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::Deflate;
    use super::*;
    use crate::websocket::scenario::Payload;

    fn verdict(answer: impl Fn(usize, Vec<u8>) -> Vec<u8>) -> u64 {
        let messages = Messages::new(Payload::Chat, 200, Deflate::Off, 1).unwrap();
        let mut check = Check::of_content(false);
        for count in 0..40 {
            let payload = answer(count, messages.payload(count).to_vec());
            check.piece(
                &Piece {
                    payload: &payload,
                    compressed: false,
                    last: true,
                },
                &messages,
            );
        }
        check.wrong
    }

    #[test]
    fn right_answers_pass_and_every_wrong_one_is_counted() {
        assert_eq!(verdict(|_, answer| answer), 0);
        let one_bit = |count, mut answer: Vec<u8>| {
            answer[199] ^= u8::from(count == 33);
            answer
        };
        assert_eq!(verdict(one_bit), 1);
        let short = |_, mut answer: Vec<u8>| {
            answer.pop();
            answer
        };
        assert_eq!(verdict(short), 40);
    }

    #[test]
    fn compressed_answers_are_inflated_with_and_without_takeover() {
        for (deflate, takeover) in [(Deflate::Each, false), (Deflate::Together, true)] {
            let messages = Messages::new(Payload::Chat, 200, deflate, 1).unwrap();
            let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
            let mut check = Check::of_content(takeover);
            for count in 0..40 {
                if !takeover {
                    compress.reset();
                }
                let mut answer = Vec::with_capacity(1000);
                let wrong = b"not this".as_slice();
                let payload = if count == 39 {
                    wrong
                } else {
                    messages.payload(count)
                };
                let flush = flate2::FlushCompress::Sync;
                compress.compress_vec(payload, &mut answer, flush).unwrap();
                answer.truncate(answer.len() - 4);
                check.piece(
                    &Piece {
                        payload: &answer,
                        compressed: true,
                        last: true,
                    },
                    &messages,
                );
            }
            assert_eq!(check.wrong, 1);
        }
    }
}
