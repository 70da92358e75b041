//! Warm buffers, lent to the connections that write and taken back when they have.

/// Empty buffers that keep their memory.
#[derive(Debug, Default)]
pub(super) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl SpareBuffers {
    /// The buffer that was given back last: its memory is the likeliest to be in the cache.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps an empty buffer, unless enough is kept.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty(), "what a spare buffer held would be sent");
        let bytes = buffer.capacity();
        if bytes > 0 && self.bytes + bytes <= SPARE_BYTES_MAX {
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

/// The most memory that is kept for what will be written.
///
/// Enough for the answers to one read, which is what one socket needs at a time, or for small
/// messages to thousands; shared by ten thousand sockets it is a hundred bytes for each.
pub(super) const SPARE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_kept_up_to_the_limit_and_no_further() {
        let mut spare = SpareBuffers::default();
        spare.give_back(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        assert_eq!(spare.take().capacity(), 0);
        spare.give_back(Vec::with_capacity(SPARE_BYTES_MAX - 1));
        spare.give_back(Vec::with_capacity(2));
        spare.give_back(Vec::with_capacity(1));
        assert_eq!(spare.take().capacity(), 1);
        assert_eq!(spare.take().capacity(), SPARE_BYTES_MAX - 1);
        assert_eq!((spare.take().capacity(), spare.bytes), (0, 0));
    }
}
