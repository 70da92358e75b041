//! Bytes that were read and not yet handled, in a buffer of the thread's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, ReadBuf};

use super::buffers;

/// What was read and not yet handled.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Option<Box<[u8]>>,
    begin: usize,
    end: usize,
}

impl Input {
    /// Begins with bytes that someone else read.
    pub(super) fn new(read_ahead: Vec<u8>) -> Self {
        let end = read_ahead.len();
        let buffer = (end > 0).then(|| read_ahead.into_boxed_slice());
        Self {
            buffer,
            begin: 0,
            end,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// What was not handled yet.
    pub(super) fn unhandled(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.begin..self.end],
            None => &[],
        }
    }

    /// Lends what was not handled yet. The buffer stays until the next read, or its release.
    pub(super) fn view(&mut self) -> View<'_> {
        let base = match &self.buffer {
            Some(buffer) => buffer.as_ptr().addr(),
            None => 0,
        };
        View {
            bytes: match &mut self.buffer {
                Some(buffer) => &mut buffer[self.begin..self.end],
                None => &mut [],
            },
            base,
            begin: &mut self.begin,
            end: self.end,
        }
    }

    /// What was handled before, until the next read; see [`View::position`].
    pub(super) fn handled(&self, begin: usize, end: usize) -> &[u8] {
        self.buffer
            .as_ref()
            .and_then(|buffer| buffer.get(begin..end))
            .unwrap_or_default()
    }

    /// Lets `handle` take bytes off the front.
    pub(super) fn take<T>(&mut self, handle: impl FnOnce(&mut &mut [u8]) -> T) -> T {
        let mut bytes: &mut [u8] = match &mut self.buffer {
            Some(buffer) => &mut buffer[self.begin..self.end],
            None => &mut [],
        };
        // What `handle` leaves of the slice tells how far it went.
        let outcome = handle(&mut bytes);
        self.begin = self.end - bytes.len();
        if self.is_empty() {
            self.release();
        }
        outcome
    }

    /// Forgets what was not handled, and gives the buffer back.
    pub(super) fn release(&mut self) {
        (self.begin, self.end) = (0, 0);
        if let Some(buffer) = self.buffer.take() {
            buffers::give_back_read(buffer);
        }
    }

    /// Reads more, once everything was handled. Gives the number of bytes; 0 is the end of the
    /// stream.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_empty(), "unhandled input would be lost");
        self.release();
        let mut buffer = buffers::take_read();
        let mut read = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(stream).poll_read(context, &mut read);
        let bytes = read.filled().len();
        if bytes == 0 {
            buffers::give_back_read(buffer);
            ready!(outcome)?;
            return Poll::Ready(Ok(0));
        }
        self.buffer = Some(buffer);
        self.end = bytes;
        Poll::Ready(Ok(bytes))
    }
}

/// What was read and not yet handled, lent so that events can borrow it.
#[derive(Debug)]
pub(super) struct View<'i> {
    bytes: &'i mut [u8],
    /// The address of the buffer's first byte.
    base: usize,
    /// Where `bytes` begins in the buffer, kept true at every step.
    begin: &'i mut usize,
    end: usize,
}

impl<'i> View<'i> {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Lets `handle` take bytes off the front.
    pub(super) fn take<T>(&mut self, handle: impl FnOnce(&mut &'i mut [u8]) -> T) -> T {
        let outcome = handle(&mut self.bytes);
        *self.begin = self.end - self.bytes.len();
        outcome
    }

    /// Where in the buffer bytes that were taken lie.
    pub(super) fn position(&self, bytes: &[u8]) -> usize {
        bytes.as_ptr().addr() - self.base
    }

    /// Drops the rest.
    pub(super) fn forget(&mut self) {
        self.take(|bytes| *bytes = &mut []);
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.release();
    }
}
