//! Tidings' sessions, channels and fan-out. A subscriber is a cursor over a log, not a queue.
//!
//! The map, from the door inwards:
//!
//! - [`Hub`]: what all shards of a node share, and the doors that answer one question each;
//! - [`Shard`]: one thread's sessions and channels, and the task that hears the engine;
//! - [`Link`]: a transport's end of a session: it offers [`Room`] and is given [`Push`]es;
//! - [`auth`]: who is there and what they may do: [`Identity`], tokens, tickets, guests;
//! - [`Limits`] and [`NamespacePolicies`]: every bound and every policy, with its default and reason.
//!
//! Behind the door everything is pure: no clock, no socket, no task, no engine.

pub mod auth;
mod channel;
mod clock;
mod commands;
mod effect;
mod fanout;
mod hub;
mod lane;
mod limits;
mod link;
mod passing;
mod policies;
mod random;
mod refusal;
mod room;
mod session;
mod shard;
mod subscription;
mod tail;
#[cfg(test)]
mod tests;
mod tickets;

pub use auth::{Auth, Claims, Identity, Permissions, Secret, Ticket};
pub use hub::{Hub, HubConfig};
pub use limits::Limits;
pub use link::Link;
pub use policies::{NamespacePolicies, NamespacePolicy};
pub use refusal::Refusal;
pub use room::{Push, Room};
pub use shard::{Shard, StreamRequest};
