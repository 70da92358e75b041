//! Compressors and decompressors that a thread's connections take turns with.
//!
//! A compressor is a quarter of a megabyte and a decompressor is 47 KiB. Where no context is
//! taken over, a connection needs one only while a message passes, so a thread keeps a few of
//! each, warm, and an idle connection keeps none. What is taken on one thread may be given back
//! on another.

use std::cell::RefCell;

use super::compressor::{Compressor, Settings};

/// What is between two messages.
struct Pool {
    compressors: Vec<Compressor>,
    #[allow(
        clippy::vec_box,
        reason = "they come and go as boxes: what holds one is small"
    )]
    inflaters: Vec<Box<zlib_rs::Inflate>>,
    /// One for what is compressed and one for what is decompressed; both may be in use.
    buffers: Vec<Vec<u8>>,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { compressors: Vec::new(), inflaters: Vec::new(), buffers: Vec::new() })
    };
}

/// The most of a kind that a thread keeps. More are in use only while fragmented messages are
/// unfinished; four keep a thread's share near a megabyte.
const KEPT_MAX: usize = 4;

/// A buffer that grew beyond this for one big message is not kept.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

/// An empty context.
pub(super) fn take_compressor(settings: Settings) -> Compressor {
    let kept = with(|pool| {
        let at = pool
            .compressors
            .iter()
            .rposition(|kept| kept.settings() == settings)?;
        Some(pool.compressors.swap_remove(at))
    });
    match kept {
        Some(mut compressor) => {
            compressor.reset();
            compressor
        }
        None => Compressor::new(settings),
    }
}

/// Gives a compressor back, whatever its context is.
pub(super) fn put_compressor(compressor: Compressor) {
    with(|pool| {
        if pool.compressors.len() == KEPT_MAX {
            pool.compressors.remove(0); // the one that was not asked for the longest
        }
        pool.compressors.push(compressor);
        Some(())
    });
}

/// A decompressor at the beginning of a stream, whose window is empty.
pub(super) fn take_inflater() -> Box<zlib_rs::Inflate> {
    match with(|pool| pool.inflaters.pop()) {
        Some(mut inflater) => {
            restart(&mut inflater);
            inflater
        }
        // The largest window reads what any window wrote, and all take the same memory.
        None => Box::new(zlib_rs::Inflate::new(false, super::WINDOW_BITS_MAX)),
    }
}

/// Makes a decompressor begin a stream, with an empty window.
pub(super) fn restart(inflater: &mut zlib_rs::Inflate) {
    inflater.reset(false);
}

/// Gives a decompressor back, wherever it is in its stream.
pub(super) fn put_inflater(inflater: Box<zlib_rs::Inflate>) {
    with(|pool| (pool.inflaters.len() < KEPT_MAX).then(|| pool.inflaters.push(inflater)));
}

/// A buffer to compress or decompress into, of at least `bytes`; its content means nothing.
pub(crate) fn take_buffer(bytes: usize) -> Vec<u8> {
    let mut buffer = with(|pool| pool.buffers.pop()).unwrap_or_default();
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
    buffer
}

/// Gives a buffer back.
pub(crate) fn put_buffer(buffer: Vec<u8>) {
    with(|pool| {
        let keep = pool.buffers.len() < 2 && buffer.len() <= BUFFER_KEPT_BYTES_MAX;
        keep.then(|| pool.buffers.push(buffer))
    });
}

/// Nothing where the thread is ending and its pool is gone.
fn with<T>(act: impl FnOnce(&mut Pool) -> Option<T>) -> Option<T> {
    POOL.try_with(|pool| act(&mut pool.borrow_mut()))
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_no_more_than_a_few() {
        let many: Vec<_> = (0..3 * KEPT_MAX).map(|_| take_inflater()).collect();
        many.into_iter().for_each(put_inflater);
        for level in 1..=9 {
            for window_bits in [9, 15] {
                put_compressor(take_compressor(Settings { level, window_bits }));
            }
        }
        put_buffer(vec![0; BUFFER_KEPT_BYTES_MAX + 1]);
        with(|pool| {
            assert_eq!(pool.inflaters.len(), KEPT_MAX);
            assert_eq!(pool.compressors.len(), KEPT_MAX);
            assert!(pool.buffers.is_empty());
            Some(())
        });
    }
}
