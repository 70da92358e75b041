//! Tidings' durable log on one machine: an [`Engine`](tidings_engine::Engine) on SQLite.
//!
//! One table of messages in the order of `seq`, each of which knows the one before it in its channel;
//! one thread that appends, a batch a commit; a few that read. `docs/log-format.md` describes the
//! file. The map:
//!
//! - [`Log`] and [`LogConfig`]: opening, closing, bounds (`log`, `config`, `error`);
//! - [`Scan`]: everything in it, beside whoever has it open (`scan`);
//! - [`Statistics`]: what it tells whoever watches over it;
//! - `chain` with `channels`, `accounts` and `expiry`: every decision, pure;
//! - `open`, `recovery`, `writer`, `housekeeping`, `reader`, `rows`, `schema`, `lock`: SQLite, threads, files.
//!
//! ```
//! use tidings_engine::{Draft, Engine, Query};
//! use tidings_log::{Log, LogConfig};
//! use tidings_wire::{ChannelName, Data, MessageId, User};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let log = Log::open(LogConfig::new(dir))?;
//! let channel = ChannelName::new("chat:lobby")?;
//! let published = log.publish(Draft {
//!     channel: channel.clone(),
//!     id: MessageId::new("1")?,
//!     from: User::new("alice")?,
//!     data: Data::from_text("hi"),
//!     at: None,
//! });
//! assert_eq!(published.wait()?.seq, 1);
//! log.close();
//!
//! let log = Log::open(LogConfig::new(dir))?;
//! let page = log.read(Query { channel, after: None, before: None, limit: 50 }).wait()?;
//! assert_eq!(page.messages[0].data, Data::from_text("hi"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod chain;
mod channels;
mod config;
mod error;
mod expiry;
mod housekeeping;
mod lock;
mod log;
mod open;
mod queue;
mod reader;
mod recovery;
mod rows;
mod scan;
mod schema;
mod shared;
mod statistics;
mod writer;

pub use config::{
    BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, BYTES_WAITING_MAX, CHANNELS_KNOWN_MAX, Durability,
    LogConfig, PUBLISHES_WAITING_MAX, READERS, READS_WAITING_MAX, UNSETTLED_MAX, WAL_PAGES,
};
pub use error::OpenError;
pub use log::Log;
pub use reader::{PAGE_BYTES_MAX, PAGE_MESSAGES_MAX};
pub use recovery::POWER_LOSS_GAP;
pub use scan::{SCAN_MESSAGES_MAX, Scan};
pub use statistics::Statistics;
pub use writer::WAL_GROWTH_MAX;
