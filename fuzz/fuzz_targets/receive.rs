//! `cargo xtask fuzz --target receive`; what it asks is in [`tidings_websocket_fuzz::receive`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidings_websocket_fuzz::receive::run(data));
