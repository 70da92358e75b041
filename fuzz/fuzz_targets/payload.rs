//! `cargo xtask fuzz --target payload`; what it asks is in [`tidings_websocket_fuzz::payload`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidings_websocket_fuzz::payload::run(data));
