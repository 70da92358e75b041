//! Memory of big messages, used again by the next ones of the thread.
//!
//! A fresh buffer of a megabyte costs more than to read the message: the kernel clears it page
//! by page, and takes it back when it is freed. So the memory of a message that was sent as it
//! was kept waits here for the next that is as big.

use std::cell::RefCell;

/// Empty memory that takes `bytes` without growing, if there is some of about that size.
pub(crate) fn take(bytes: usize) -> Option<Vec<u8>> {
    if bytes < BYTES_MIN {
        return None;
    }
    with(|kept| {
        let fits =
            |buffer: &Vec<u8>| (bytes..=bytes + bytes / WASTED_SHARE).contains(&buffer.capacity());
        let at = kept.iter().rposition(fits)?;
        Some(kept.remove(at))
    })
}

/// Keeps memory that is not needed any more, unless it is small or much is kept.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if !(BYTES_MIN..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    with(|kept| {
        kept.push(buffer);
        // What was not asked for the longest goes first.
        while kept.iter().map(Vec::capacity).sum::<usize>() > KEPT_BYTES_MAX {
            kept.remove(0);
        }
        Some(())
    });
}

/// Memory is taken for what leaves unused at most one part in this many of what was asked for, so
/// that a message holds little more than its size.
const WASTED_SHARE: usize = 8;

/// Below this an allocator has memory at hand.
///
/// glibc asks the kernel from 128 KiB on; smaller ones are worth their copy already, see
/// [`OWNED_BYTES_MIN`](crate::output::OWNED_BYTES_MIN).
const BYTES_MIN: usize = 64 * 1024;

/// The most that a thread keeps.
///
/// A few messages of the largest size that [`Config`](crate::Config) takes by default: one that
/// comes, one that goes, and what the first grew out of.
const KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Nothing where the thread is ending and its memory is gone.
fn with<T>(act: impl FnOnce(&mut Vec<Vec<u8>>) -> Option<T>) -> Option<T> {
    KEPT.try_with(|kept| act(&mut kept.borrow_mut()))
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_again_by_what_is_about_as_big() {
        give_back(vec![1; 100_000]);
        assert_eq!(take(100_001), None, "it would have to grow");
        assert_eq!(take(80_000), None, "it would waste too much");
        let again = take(100_000).expect("it fits");
        assert!(again.is_empty() && again.capacity() >= 100_000);
        assert_eq!(take(100_000), None);
    }

    #[test]
    fn a_thread_keeps_no_more_than_its_bound() {
        give_back(Vec::with_capacity(KEPT_BYTES_MAX + 1));
        assert_eq!(take(KEPT_BYTES_MAX + 1), None);
        for mebibytes in [1, 2, 2] {
            give_back(Vec::with_capacity(mebibytes << 20));
        }
        assert_eq!(take(1 << 19), None, "the first made room");
        assert!(take(2 << 20).is_some() && take(2 << 20).is_some());
    }

    #[test]
    fn what_is_small_is_not_kept() {
        give_back(Vec::with_capacity(BYTES_MIN - 1));
        assert!(with(|kept| kept.is_empty().then_some(())).is_some());
    }
}
