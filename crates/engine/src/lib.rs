//! Where messages live, and how shards hear of them.
//!
//! An [`Engine`] keeps one log of messages for all channels, tells everybody who watches what was
//! committed, and knows who is present where. The hub knows this trait and nothing behind it: the
//! embedded log and a cluster look the same from above.

mod answer;
mod engine;
mod error;
mod query;
mod retention;
mod watch;

pub use answer::{Answer, Responder};
pub use engine::{Draft, Engine, Entry, Published};
pub use error::EngineError;
pub use query::{Page, Query};
pub use retention::{Retention, RetentionPolicies};
pub use watch::{Batch, Notice, Notifier, WATCH_NOTICES_MAX, Watch};
