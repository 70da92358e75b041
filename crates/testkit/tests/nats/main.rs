//! The NATS servers for tests do what they are told, before a client that knows nothing but the protocol.

#![cfg(feature = "nats")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod cluster;
mod server;
