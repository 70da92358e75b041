//! Memory that the connections of a thread share: buffers to read into, and to gather output in.
//!
//! The core takes whatever it is given, so a buffer to read into is needed only from a read until
//! its bytes are handled, which mostly is before the task waits again; and what is sent
//! meanwhile mostly is written then, too. So a thread needs one buffer of each, warm in its
//! caches, however many connections it has, and an idle connection owns none.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use crate::connection::Connection;

thread_local! {
    /// To read into. Zeroed once, when made; reads overwrite.
    static READ: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    /// To gather output in; empty.
    static OUTPUT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`READ_BYTES`].
pub(super) fn take_read() -> Box<[u8]> {
    let kept = READ
        .try_with(|buffers| buffers.borrow_mut().pop())
        .ok()
        .flatten();
    kept.unwrap_or_else(|| vec![0; READ_BYTES].into_boxed_slice())
}

/// Gives a buffer back; one of another size is freed.
pub(super) fn give_back_read(buffer: Box<[u8]>) {
    if buffer.len() != READ_BYTES {
        return; // bytes that someone else had read
    }
    // A thread that ends has no buffers any more; then the buffer is simply freed.
    let _ = READ.try_with(|buffers| keep(buffers, buffer));
}

/// Lends the connection memory for the answers to what was just read. Without any to lend the
/// connection makes its own, which is kept here when it was written.
pub(super) fn lend_output(connection: &mut Connection) {
    let kept = OUTPUT.try_with(|buffers| buffers.borrow_mut().pop());
    if let Some(buffer) = kept.ok().flatten()
        && let Some(buffer) = connection.lend_output(buffer)
    {
        give_back_output(buffer);
    }
}

/// Says how much of the output was written, and keeps its memory if that was all.
pub(super) fn advance_output(connection: &mut Connection, bytes_written: usize) {
    if let Some(buffer) = connection.reclaim_output(bytes_written)
        && KEPT_OUTPUT_BYTES.contains(&buffer.capacity())
    {
        give_back_output(buffer);
    }
}

fn give_back_output(buffer: Vec<u8>) {
    let _ = OUTPUT.try_with(|buffers| keep(buffers, buffer));
}

fn keep<B>(buffers: &RefCell<Vec<B>>, buffer: B) {
    let mut buffers = buffers.borrow_mut();
    if buffers.len() < BUFFERS_KEPT {
        buffers.push(buffer);
    }
}

/// The most bytes of one read. Reads of 16 KiB were measured to about double the cost of large
/// messages against 64 KiB and more; beyond that there is little to win.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Output buffers of this capacity are kept: smaller ones are soon made, larger ones would pin
/// what a rare burst needed.
const KEPT_OUTPUT_BYTES: RangeInclusive<usize> = 1024..=256 * 1024;

/// Buffers of a kind kept by a thread: one is in use at a time unless a task stops in the middle of
/// a read's events.
const BUFFERS_KEPT: usize = 4;
