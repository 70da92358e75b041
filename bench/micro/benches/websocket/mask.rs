//! Masking in place.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use crate::SIZES;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A payload never begins where a word does: a client's header is 6, 8 or 14 bytes long.
fn masked(bencher: Bencher<'_, '_>, size: usize, apply: impl Fn(&mut [u8], [u8; 4])) {
    let mut bytes = vec![7; size + 6];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| apply(black_box(&mut bytes[6..]), black_box(KEY)));
}

#[divan::bench(args = SIZES)]
fn tidings(bencher: Bencher<'_, '_>, size: usize) {
    masked(bencher, size, tidings_websocket::mask::apply);
}

#[divan::bench(args = SIZES)]
fn fastwebsockets(bencher: Bencher<'_, '_>, size: usize) {
    masked(bencher, size, fastwebsockets::unmask);
}

#[divan::bench(args = SIZES)]
fn yawc(bencher: Bencher<'_, '_>, size: usize) {
    masked(bencher, size, yawc::mask::apply_mask);
}

/// What one writes first.
#[divan::bench(args = SIZES)]
fn byte_by_byte(bencher: Bencher<'_, '_>, size: usize) {
    masked(bencher, size, |bytes, key| {
        for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    });
}
