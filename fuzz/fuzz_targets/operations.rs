//! `cargo xtask fuzz --target operations`; what it asks is in [`tidings_websocket_fuzz::operations`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidings_websocket_fuzz::operations::run(data));
