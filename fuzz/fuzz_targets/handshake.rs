//! `cargo xtask fuzz --target handshake`; what it asks is in [`tidings_websocket_fuzz::handshake`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidings_websocket_fuzz::handshake::run(data));
