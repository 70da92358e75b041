//! The server loop on real sockets: fair, bounded, and one end for each.

#![cfg(all(feature = "tokio", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

mod closing;
mod echo;
mod fairness;
mod keepalive;
mod keys;
mod moving;
mod waiting;

mod support;
