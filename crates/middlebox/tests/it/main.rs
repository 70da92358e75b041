//! Every fault of the middlebox, before real sockets: a server and a client that the test holds in its hands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod commands;
mod connections;
mod datagrams;
mod responses;
mod streams;
mod taps;
mod upgrades;
