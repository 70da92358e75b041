//! Whether bytes are UTF-8.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use crate::SIZES;

/// Text of one byte a character, and text of one to four.
const TEXTS: [&str; 2] = ["plain words ", "héllo wörld ≠ текст 漢字 🚀 plain words "];

fn arguments() -> impl Iterator<Item = String> {
    let named = |text| move |size: usize| format!("{text} {size}");
    SIZES
        .into_iter()
        .map(named("ascii"))
        .chain(SIZES.into_iter().map(named("mixed")))
}

fn checked(bencher: Bencher<'_, '_>, argument: &str, is_utf8: impl Fn(&[u8]) -> bool) {
    let (text, size) = argument.split_once(' ').expect("as `arguments` made it");
    let text = TEXTS[usize::from(text == "mixed")];
    let size: usize = size.parse().expect("as `arguments` made it");
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() + text.len() <= size {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.resize(size, b'x');
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        assert!(is_utf8(black_box(&bytes)));
    });
}

/// What Tidings and yawc use.
#[divan::bench(args = arguments())]
fn simdutf8(bencher: Bencher<'_, '_>, argument: &str) {
    checked(bencher, argument, |bytes| {
        simdutf8::basic::from_utf8(bytes).is_ok()
    });
}

/// What tungstenite uses.
#[divan::bench(args = arguments())]
fn std(bencher: Bencher<'_, '_>, argument: &str) {
    checked(bencher, argument, |bytes| {
        std::str::from_utf8(bytes).is_ok()
    });
}
