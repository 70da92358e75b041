//! Tidings' sessions, channels and fan-out. A subscriber is a cursor over a log, not a queue.
//!
//! The map, from the door inwards:
//!
//! - [`Hub`]: what all shards of a node share, and the doors that answer one question each;
//! - [`Shard`]: one thread's sessions and channels, and the task that hears the engine;
//! - [`Census`]: what a shard holds, for whoever watches over it;
//! - [`Link`]: a transport's end of a session: it offers [`Room`] and is given [`Push`]es, or, where many
//!   wait for the same, a [`Stretch`];
//! - [`auth`]: who is there and what they may do: [`Identity`], tokens, tickets, guests;
//! - [`Limits`] and [`NamespacePolicies`]: every bound and every policy, with its default and reason.
//!
//! Behind the doors everything is pure, and tested on virtual time with thousands of seeds: `fanout`
//! takes what the engine says into the `tail` of each `channel` and marks the followers; a `session`
//! fills the room of its link from tails and, where it is behind, from pages of the log (`lane`,
//! `subscription`), or goes in `step` with thousands of others; whoever loses a connection is seen for a `grace`; what a session needs from outside it leaves as an `effect` for the shell to carry out.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_engine::MemoryEngine;
//! use tidings_hub::{
//!     Auth, Hub, HubConfig, Limits, NamespacePolicies, Push, Room, Shard, StreamRequest,
//! };
//! use tidings_wire::{ChannelName, Data, Heartbeat};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # let local = tokio::task::LocalSet::new();
//! # local.block_on(&runtime, async {
//! let heartbeat = Heartbeat { interval: 20_000, timeout: 5_000, tries: 2 };
//! let config = HubConfig {
//!     auth: Auth::Guests,
//!     limits: Limits::default(),
//!     namespaces: NamespacePolicies::default(),
//!     heartbeat,
//! };
//! let hub = Hub::new(Arc::new(MemoryEngine::new()), config);
//! let alice = hub.authenticate(Some("guest:alice"))?;
//! let lobby = ChannelName::new("chat:lobby")?;
//!
//! // A transport: a link, room, and patience.
//! let shard = Shard::start(hub.clone());
//! let request = StreamRequest {
//!     channels: vec![lobby.clone()],
//!     after: None,
//!     session: None,
//!     presence: false,
//! };
//! let mut link = shard.stream(alice.clone(), request).await?;
//! let mut pushes = Vec::new();
//! hub.publish(&alice, lobby, Data::from_text("hi"), None).await?;
//! while pushes.is_empty() {
//!     link.ready().await;
//!     link.poll(Room { bytes: 65_536, events: 100 }, &mut pushes);
//! }
//! assert!(matches!(&pushes[..], [Push::Event(event)] if event.seq() == Some(1)));
//! assert_eq!(link.cursor(), hub.now_cursor());
//! # Ok(()) }) }
//! ```

pub mod auth;
mod census;
mod channel;
mod clock;
mod commands;
mod effect;
mod fanout;
mod grace;
mod hub;
mod lane;
mod limits;
mod link;
mod logs;
mod marks;
mod moving;
mod passing;
mod policies;
mod random;
mod refusal;
mod room;
mod session;
mod shard;
mod step;
mod subscription;
mod tail;
#[cfg(test)]
mod tests;
mod tickets;
mod waiting;

pub use auth::{Auth, Claims, Identity, Permissions, Secret, Ticket};
pub use census::Census;
pub use hub::{Hub, HubConfig};
pub use limits::Limits;
pub use link::Link;
pub use moving::Moving;
pub use policies::{Behind, NamespacePolicies, NamespacePolicy};
pub use refusal::Refusal;
pub use room::{Push, Room};
pub use shard::{Shard, StreamRequest};
pub use step::Stretch;
