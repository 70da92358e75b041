//! Decompressing: the payloads of a compressed message in, its bytes out (RFC 7692, 7.2.2).
//!
//! Every message is read by a decompressor at the beginning of a stream, taken from the
//! thread's pool. Where the peer takes its context over, the decompressor is first given what
//! the peer may refer to, the [`History`]: all that a connection itself keeps.

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{ContextTakeover, Direction, pool};

/// How the peer sends, over the whole connection.
pub(crate) struct Incoming {
    direction: Direction,
    /// With context takeover, from the first compressed message on.
    history: Option<Box<History>>,
}

impl Incoming {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            history: None,
        }
    }

    /// Has the next message refer to what came before, if it may.
    fn prime(&self, inflater: &mut Inflate) {
        if let Some(history) = &self.history {
            history.prime(inflater);
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.direction.takeover == ContextTakeover::Allow {
            let window_bytes = 1 << self.direction.window_bits;
            self.history
                .get_or_insert_with(|| Box::new(History::new(window_bytes)))
                .push(bytes);
        }
    }
}

/// A compressed message that is arriving.
pub(crate) struct Inflating {
    inflater: Box<Inflate>,
    /// The stream's last block has come. Another stream may follow (7.2.3.4).
    ended: bool,
    /// The last bytes of what came; all ones before the first.
    recent: [u8; FLUSHED.len()],
    is_empty: bool,
    /// When all payload has come: what is yet to be fed beyond it.
    end: Option<&'static [u8]>,
    /// The output was filled, and there may be more.
    waiting: bool,
    /// What comes next is not DEFLATE. It is told after the output before it was judged, so that
    /// a message has the same fault however its bytes were cut.
    broken: bool,
}

impl Inflating {
    pub(crate) fn begin(incoming: &Incoming) -> Self {
        let mut inflater = pool::take_inflater();
        incoming.prime(&mut inflater);
        Self {
            inflater,
            ended: false,
            recent: [0xff; FLUSHED.len()],
            is_empty: true,
            end: None,
            waiting: false,
            broken: false,
        }
    }

    /// Whether there may be output, or a fault, without further input.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting || self.broken || self.end.is_some()
    }

    /// Whether nothing comes any more but a fault.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether all payload has come.
    pub(crate) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Takes bytes of payload off `input` until that is empty or `output` is full; gives how much
    /// of `output` was filled.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        output: &mut [u8],
        incoming: &mut Incoming,
    ) -> usize {
        let before = *input;
        let mut filled = 0;
        loop {
            if self.ended && !input.is_empty() {
                // RFC 7692, 7.2.3.4: a block may have its BFINAL bit set. What follows is
                // another stream, and with context takeover the same window.
                pool::restart(&mut self.inflater);
                incoming.prime(&mut self.inflater);
                self.ended = false;
            }
            filled += self.step(input, &mut output[filled..], incoming);
            if !self.ended || input.is_empty() || self.broken {
                break;
            }
        }
        self.remember(&before[..before.len() - input.len()]);
        self.waiting = filled == output.len();
        filled
    }

    /// Says that no payload comes any more.
    pub(crate) fn end(&mut self) {
        self.end = Some(match self.recent {
            // Not by the RFC, but zlib gives nothing for an empty message, and some send that.
            _ if self.is_empty || self.ended => &[],
            // Nor this: a fragment flushed to its end, and an empty one after it. A message
            // whose end was cut off as it should never ends in this byte.
            FLUSHED => &END[FLUSHED.len()..],
            _ => &END,
        });
    }

    /// After the [`end`](Self::end): gives how much of `output` was filled, and whether that was
    /// all.
    pub(crate) fn finish(&mut self, output: &mut [u8], incoming: &mut Incoming) -> (usize, bool) {
        let mut end = self.end.unwrap_or_default();
        let filled = self.step(&mut end, output, incoming);
        self.end = Some(end);
        if self.broken || filled == output.len() {
            return (filled, false);
        }
        let done = end.is_empty() && (self.ended || self.is_empty);
        self.broken = !done; // it was cut off
        (filled, done)
    }

    /// Gives the decompressor to the next message.
    pub(crate) fn release(self) {
        pool::put_inflater(self.inflater);
    }

    /// Goes on until the stream ends, or `input`, or `output`.
    fn step(&mut self, input: &mut &[u8], output: &mut [u8], incoming: &mut Incoming) -> usize {
        if self.broken {
            return 0;
        }
        let (taken, given) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self
            .inflater
            .decompress(input, output, InflateFlush::SyncFlush);
        match status {
            Ok(status) => self.ended |= status == Status::StreamEnd,
            Err(_) => self.broken = true,
        }
        *input = &input[(self.inflater.total_in() - taken) as usize..];
        let filled = (self.inflater.total_out() - given) as usize;
        incoming.remember(&output[..filled]);
        filled
    }

    fn remember(&mut self, input: &[u8]) {
        self.is_empty &= input.is_empty();
        match input.last_chunk() {
            Some(last) => self.recent = *last,
            None => {
                self.recent.rotate_left(input.len());
                let begin = self.recent.len() - input.len();
                self.recent[begin..].copy_from_slice(input);
            }
        }
    }
}

/// The end of a flush, which a sender cuts off.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What RFC 7692, 7.2.2 appends to a message, [`FLUSHED`], and then a last block, empty: a
/// decompressor that does not come to the end of it was in the middle of something.
const END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// The last bytes that came decompressed, as many as the peer's window has: a ring that grows
/// with what came.
struct History {
    bytes: Vec<u8>,
    /// Where the oldest is, once the ring is full.
    oldest: usize,
    window_bytes: usize,
}

impl History {
    fn new(window_bytes: usize) -> Self {
        Self {
            bytes: Vec::new(),
            oldest: 0,
            window_bytes,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut bytes = &bytes[bytes.len().saturating_sub(self.window_bytes)..];
        let room = self.window_bytes - self.bytes.len();
        if room > 0 {
            let (first, rest) = bytes.split_at(room.min(bytes.len()));
            let capacity = self.window_bytes.min(2 * (self.bytes.len() + first.len()));
            if self.bytes.capacity() < self.bytes.len() + first.len() {
                self.bytes.reserve_exact(capacity - self.bytes.len());
            }
            self.bytes.extend_from_slice(first);
            bytes = rest;
        }
        while !bytes.is_empty() {
            let (first, rest) = bytes.split_at(bytes.len().min(self.window_bytes - self.oldest));
            self.bytes[self.oldest..][..first.len()].copy_from_slice(first);
            self.oldest = (self.oldest + first.len()) % self.window_bytes;
            bytes = rest;
        }
    }

    /// Gives it to a decompressor at the beginning of a stream.
    fn prime(&self, inflater: &mut Inflate) {
        for part in [&self.bytes[self.oldest..], &self.bytes[..self.oldest]] {
            if !part.is_empty() {
                inflater
                    .set_dictionary(part)
                    .expect("a raw stream takes a dictionary at any time");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_the_last_bytes_however_they_came() {
        let bytes: Vec<u8> = (0..5000u32).map(|at| (at * 7 % 251) as u8).collect();
        for step in [1, 3, 255, 256, 257, 700] {
            let mut history = History::new(256);
            for (count, piece) in bytes.chunks(step).enumerate() {
                history.push(piece);
                let end = (count * step + piece.len()).min(bytes.len());
                let ring = [
                    &history.bytes[history.oldest..],
                    &history.bytes[..history.oldest],
                ];
                assert_eq!(ring.concat(), bytes[end.saturating_sub(256)..end]);
                assert!(history.bytes.capacity() <= 256);
            }
        }
    }
}
