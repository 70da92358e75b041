//! Bytes that wait to be written: frames gathered in one buffer, big shared ones beside it.
//!
//! Everything sent since the last write goes out in one write: small frames are copied to
//! one contiguous buffer, and a big encoded frame that many connections share is kept by
//! reference. When all is written the memory is given back: an idle connection owns none.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// From this size on, shared bytes are kept by reference instead of copied.
///
/// A guess, to be measured with the server loop: a reference costs a slice of its own in the
/// write and two atomic operations, about what copying some kilobytes costs.
pub const SHARED_BYTES_MIN: usize = 4096;

/// What a connection has to write, in order. It is a [`Buf`]: look at its chunks, write what
/// can be written, and [`advance`](Buf::advance) by as much.
#[derive(Debug, Default)]
pub struct Output {
    /// Comes first.
    shared: VecDeque<Bytes>,
    /// Comes after `shared`, without its first `written` bytes.
    tail: Vec<u8>,
    written: usize,
    /// Of `shared` alone.
    shared_bytes: usize,
}

impl Output {
    /// Appends by writing to the buffer's end.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        // Without this, a reader that never quite keeps up would make the buffer grow forever.
        if self.written > self.tail.len() / 2 {
            self.tail.drain(..self.written);
            self.written = 0;
        }
        &mut self.tail
    }

    /// Appends bytes that others may hold as well.
    pub(crate) fn push_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.tail().extend_from_slice(bytes);
            return;
        }
        if self.written < self.tail.len() {
            let tail = Bytes::from(std::mem::take(&mut self.tail)).split_off(self.written);
            self.push_back(tail);
        }
        self.tail = Vec::new();
        self.written = 0;
        self.push_back(bytes.clone());
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push_back(&mut self, bytes: Bytes) {
        self.shared_bytes += bytes.len();
        self.shared.push_back(bytes);
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.shared_bytes + self.tail.len() - self.written
    }

    fn chunk(&self) -> &[u8] {
        self.shared
            .front()
            .map_or(&self.tail[self.written..], |bytes| bytes)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = &self.tail[self.written..];
        let tail = (!tail.is_empty()).then_some(tail);
        let chunks = self.shared.iter().map(|bytes| &bytes[..]).chain(tail);
        let filled = slices
            .iter_mut()
            .zip(chunks)
            .map(|(slice, chunk)| *slice = IoSlice::new(chunk));
        filled.count()
    }

    fn advance(&mut self, mut bytes: usize) {
        assert!(
            bytes <= self.remaining(),
            "more was written than there was to write"
        );
        while let Some(first) = self.shared.front_mut() {
            let step = bytes.min(first.len());
            first.advance(step);
            self.shared_bytes -= step;
            bytes -= step;
            if !first.is_empty() {
                return;
            }
            self.shared.pop_front();
        }
        self.written += bytes;
        if self.written == self.tail.len() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let total = output.remaining();
        let mut written = Vec::new();
        while output.has_remaining() {
            assert_eq!(output.remaining(), total - written.len());
            let chunk = output.chunk();
            let take = step.min(chunk.len());
            written.extend_from_slice(&chunk[..take]);
            output.advance(take);
        }
        written
    }

    #[test]
    fn small_and_big_pieces_come_out_in_order_whatever_a_write_takes() {
        for step in [1, 7, SHARED_BYTES_MIN, usize::MAX] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for (at, len) in [
                3,
                SHARED_BYTES_MIN - 1,
                SHARED_BYTES_MIN,
                5,
                SHARED_BYTES_MIN + 1,
                0,
                9,
            ]
            .into_iter()
            .enumerate()
            {
                let piece = vec![at as u8; len];
                output.push_shared(&piece.clone().into());
                output.tail().push(0xff);
                expected.extend(piece);
                expected.push(0xff);
            }
            assert_eq!(output.remaining(), expected.len());
            assert_eq!(drain(&mut output, step), expected, "steps of {step}");
        }
    }

    #[test]
    fn small_pieces_are_one_chunk_and_big_ones_are_not_copied() {
        let mut output = Output::default();
        output.push_shared(&Bytes::from_static(b"a"));
        output.push_shared(&Bytes::from_static(b"b"));
        assert_eq!(output.chunk(), b"ab");
        let big = Bytes::from(vec![0; SHARED_BYTES_MIN]);
        output.push_shared(&big);
        output.push_shared(&Bytes::from_static(b"c"));
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(output.chunks_vectored(&mut slices), 3);
        assert_eq!(slices[1].as_ptr(), big.as_ptr());
    }

    #[test]
    fn what_was_written_is_not_kept_while_more_is_appended() {
        let mut output = Output::default();
        for _ in 0..10_000 {
            output.tail().extend_from_slice(&[0; 64]);
            output.advance(output.remaining() - 1);
        }
        assert!(output.tail.capacity() < 1024);
    }

    #[test]
    fn when_all_is_written_no_memory_is_kept() {
        let mut output = Output::default();
        output.tail().extend_from_slice(&[0; 64]);
        output.advance(64);
        assert_eq!(output.tail.capacity(), 0);
    }
}
