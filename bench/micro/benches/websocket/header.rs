//! A frame's header.

use std::io::Cursor;

use divan::{Bencher, black_box};
use tidings_websocket::Config;
use tidings_websocket::frame::{Header, Role};
use tungstenite::protocol::frame::FrameHeader;

/// The headers of masked texts of 125 bytes, 1 KiB and 1 MiB.
const HEADERS: [&[u8]; 3] = [
    &[0x81, 0xfd, 1, 2, 3, 4],
    &[0x81, 0xfe, 4, 0, 1, 2, 3, 4],
    &[0x81, 0xff, 0, 0, 0, 0, 0, 16, 0, 0, 1, 2, 3, 4],
];

#[divan::bench(args = [0, 1, 2])]
fn tidings(bencher: Bencher<'_, '_>, which: usize) {
    let config = Config::default();
    bencher.bench_local(|| Header::parse(black_box(HEADERS[which]), Role::Server, &config));
}

#[divan::bench(args = [0, 1, 2])]
fn tungstenite(bencher: Bencher<'_, '_>, which: usize) {
    bencher.bench_local(|| FrameHeader::parse(&mut Cursor::new(black_box(HEADERS[which]))));
}
