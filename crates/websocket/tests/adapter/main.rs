//! The comfortable adapter, part by part: batches, streams and sinks, timers, failures, and futures
//! that are dropped halfway.

#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

mod batch;
mod dropped;
mod fairness;
mod handshake;
mod keepalive;
mod pieces;
mod size;
mod stream_sink;
mod support;
#[cfg(feature = "rustls")]
mod tls;
mod write_failure;
