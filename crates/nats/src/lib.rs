//! Tidings' messages in a cluster: an [`Engine`](tidings_engine::Engine) on NATS JetStream.
//!
//! Each log is a stream. A message is published to its channel's subject and acknowledged when the stream has it, on
//! most of its servers; the stream republishes it, with its place, to all nodes, which tell their watchers. Any node reads
//! any channel. The map:
//!
//! - [`Nats`], [`NatsConfig`], [`NatsError`]: opening, settings, bounds (`engine`, `config`, `error`); [`Statistics`];
//! - `layout`, `token`, `record`, `claim`, `known`: every decision about names, places and bytes, pure;
//! - `streams`: the streams as they should be;
//! - `publisher`, `follower`, `reader`: a message's way in, out to everybody, and back from the stream;
//! - `people`: who is present anywhere, and what passes without being stored;
//! - `servers`, `connect`, `api`, `link`: NATS itself.
//!
//! ```no_run
//! use tidings_engine::{Draft, Engine};
//! use tidings_nats::{Nats, NatsConfig};
//! use tidings_wire::{ChannelName, Data, MessageId, User};
//!
//! let engine = Nats::open(NatsConfig::new(["nats://127.0.0.1:4222"]))?;
//! let published = engine.publish(Draft {
//!     channel: ChannelName::new("chat:lobby")?,
//!     id: MessageId::new("1")?,
//!     from: User::new("alice")?,
//!     data: Data::from_text("hi"),
//!     at: None,
//! });
//! println!("stored at {}", published.wait()?.seq);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api;
mod config;
mod connect;
mod crowd;
mod engine;
mod error;
mod follower;
mod known;
mod layout;
mod link;
mod people;
mod publisher;
mod reader;
mod record;
mod scan;
mod servers;
mod shared;
mod statistics;
mod streams;
mod token;

pub use config::{
    BYTES_WAITING_MAX, CONNECT_WITHIN, LOGS_MAX, Login, NAME, NatsConfig, PUBLISH_WITHIN,
    PUBLISHES_WAITING_MAX, READS_AT_ONCE, READS_WAITING_MAX, SHARDS, Tls,
};
pub use connect::SERVER_VERSION;
pub use crowd::{BEAT_EVERY, GHOST_AFTER};
pub use engine::{Nats, Plan};
pub use error::NatsError;
pub use reader::{PAGE_BYTES_MAX, PAGE_MESSAGES_MAX};
pub use scan::Scan;
pub use statistics::Statistics;
pub use streams::{Difference, Step, StreamPlan};
