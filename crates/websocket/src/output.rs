//! Bytes that wait to be written: frames gathered in one buffer, big shared ones beside it.
//!
//! Everything sent since the last write goes out in one write: small frames are copied to
//! one contiguous buffer, and a big encoded frame that many connections share is kept by
//! reference. When all is written the memory is given back: an idle connection owns none.
//!
//! Whoever drives many connections on a thread lends the one it handles a warm buffer, and
//! has it back after the write: see [`Connection::lend_output`](crate::Connection::lend_output).

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::reuse;

/// From this size on, shared bytes are kept by reference instead of copied.
///
/// A guess, to be measured with the server loop: a reference costs a slice of its own in the
/// write and two atomic operations, about what copying some kilobytes costs.
pub const SHARED_BYTES_MIN: usize = 4096;

/// From this size on, bytes that the output gets for its own are kept as they are.
///
/// Below it a copy to memory that is warm costs less than to write in pieces and to free.
pub(crate) const OWNED_BYTES_MIN: usize = 64 * 1024;

/// What a connection has to write, in order. It is a [`Buf`]: look at its chunks, write what
/// can be written, and [`advance`](Buf::advance) by as much.
#[derive(Debug, Default)]
pub struct Output {
    /// Comes first. Boxed: most output is small, and then there is none.
    shared: Option<Box<Shared>>,
    /// Comes after `shared`, without its first `written` bytes.
    tail: Vec<u8>,
    written: usize,
}

#[derive(Debug, Default)]
struct Shared {
    chunks: VecDeque<Bytes>,
    bytes: usize,
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
        self.push(bytes.clone());
    }

    /// Appends bytes that nobody else holds, without a copy: worth it from [`OWNED_BYTES_MIN`] on.
    pub(crate) fn push_owned(&mut self, bytes: Vec<u8>) {
        self.push(bytes.into());
    }

    /// Puts bytes of their own after the tail, and begins a new tail after them.
    fn push(&mut self, bytes: Bytes) {
        let tail = &self.tail[self.written..];
        let shared = self.shared.get_or_insert_default();
        if tail.len() < SHARED_BYTES_MIN {
            // Mostly the header alone: the buffer, which may be lent, stays.
            if !tail.is_empty() {
                shared.push(Bytes::copy_from_slice(tail));
            }
            self.tail.clear();
        } else {
            let tail = std::mem::take(&mut self.tail);
            shared.push(Bytes::from(tail).split_off(self.written));
        }
        self.written = 0;
        shared.push(bytes);
    }

    /// Writes to the memory of `buffer`, which is empty, from now on; gives it back if something
    /// waits in memory of the output's own.
    pub(crate) fn lend(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        debug_assert!(buffer.is_empty(), "what a lent buffer held would be sent");
        if self.tail.capacity() > 0 {
            return Some(buffer);
        }
        self.tail = buffer;
        None
    }

    /// Takes what was written off the front, and gives the buffer back, empty, when nothing needs
    /// it any more.
    pub(crate) fn reclaim(&mut self, bytes_written: usize) -> Option<Vec<u8>> {
        let mut rest = bytes_written;
        if let Some(shared) = &mut self.shared {
            rest = shared.advance(bytes_written);
            if shared.bytes == 0 {
                self.shared = None;
            }
        }
        self.written += rest;
        assert!(
            self.written <= self.tail.len(),
            "more was written than there was to write"
        );
        let waiting = self.tail.len() - self.written;
        if waiting > self.tail.capacity() / COPIED_SHARE {
            return None;
        }
        let mut buffer = std::mem::take(&mut self.tail);
        self.tail.extend_from_slice(&buffer[self.written..]);
        self.written = 0;
        buffer.clear();
        Some(buffer)
    }
}

/// When a write took all but less than one part in this many of the buffer, the rest moves to
/// memory of its own size, so that what waits for a slow reader does not pin a large buffer.
const COPIED_SHARE: usize = 4;

impl Shared {
    fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.chunks.push_back(bytes);
    }

    /// Takes bytes off the front; gives how many were not here.
    fn advance(&mut self, mut bytes: usize) -> usize {
        while let Some(first) = self.chunks.front_mut() {
            let step = bytes.min(first.len());
            first.advance(step);
            self.bytes -= step;
            bytes -= step;
            if !first.is_empty() {
                break;
            }
            if let Some(written) = self.chunks.pop_front() {
                // Free memory, unless others hold it as well.
                reuse::give_back(Vec::from(written));
            }
        }
        bytes
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        let shared = self.shared.as_ref().map_or(0, |shared| shared.bytes);
        shared + self.tail.len() - self.written
    }

    fn chunk(&self) -> &[u8] {
        let first = self
            .shared
            .as_ref()
            .and_then(|shared| shared.chunks.front());
        first.map_or(&self.tail[self.written..], |bytes| bytes)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = &self.tail[self.written..];
        let tail = (!tail.is_empty()).then_some(tail);
        let shared = self.shared.iter().flat_map(|shared| &shared.chunks);
        let chunks = shared.map(|bytes| &bytes[..]).chain(tail);
        let filled = slices
            .iter_mut()
            .zip(chunks)
            .map(|(slice, chunk)| *slice = IoSlice::new(chunk));
        filled.count()
    }

    fn advance(&mut self, bytes: usize) {
        self.reclaim(bytes);
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

    #[test]
    fn a_lent_buffer_comes_back_with_its_memory_when_all_is_written() {
        let mut output = Output::default();
        assert_eq!(output.lend(Vec::with_capacity(1000)), None);
        output.tail().extend_from_slice(b"abc");
        assert_eq!(output.chunk(), b"abc");
        let buffer = output.reclaim(3).expect("nothing waits in it");
        assert!(buffer.is_empty() && buffer.capacity() >= 1000);
        assert_eq!(output.remaining(), 0);
        assert_eq!(output.tail.capacity(), 0);
    }

    #[test]
    fn a_lent_buffer_that_was_not_used_comes_back() {
        let mut output = Output::default();
        assert_eq!(output.lend(Vec::with_capacity(1000)), None);
        assert_eq!(
            output.reclaim(0).map(|buffer| buffer.capacity()),
            Some(1000)
        );
    }

    #[test]
    fn a_short_rest_does_not_pin_the_lent_buffer_and_a_long_one_is_not_copied() {
        for (len, written, comes_back) in [(1000, 750, true), (1000, 749, false)] {
            let mut output = Output::default();
            assert_eq!(output.lend(Vec::with_capacity(len)), None);
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            output.tail().extend_from_slice(&bytes);
            assert_eq!(output.reclaim(written).is_some(), comes_back, "{written}");
            assert_eq!(drain(&mut output, 7), bytes[written..]);
        }
    }

    #[test]
    fn what_waits_is_not_mixed_with_a_lent_buffer() {
        let mut output = Output::default();
        output.tail().extend_from_slice(b"first");
        assert!(output.lend(Vec::with_capacity(1000)).is_some());
        output.tail().extend_from_slice(b", second");
        assert_eq!(output.chunk(), b"first, second");
    }

    #[test]
    #[should_panic = "more was written"]
    fn no_more_is_written_than_there_was() {
        let mut output = Output::default();
        output.tail().push(0);
        output.advance(2);
    }
}
