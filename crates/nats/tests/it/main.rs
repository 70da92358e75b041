//! The engine against real NATS servers.

mod cluster;
mod laws;
mod login;
mod lost;
mod nodes;
mod opening;
mod support;
