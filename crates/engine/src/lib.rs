//! Where messages live, and how shards hear of them.
//!
//! An [`Engine`] keeps the messages of all channels in one log or in several, tells everybody who watches what was
//! committed, and knows who is present where. The hub knows this trait and nothing behind it: the
//! embedded log and a cluster look the same from above.

mod answer;
mod clock;
mod engine;
mod error;
mod forgotten;
mod fresh;
mod histogram;
#[cfg(feature = "laws")]
pub mod laws;
mod memory;
mod query;
mod recent;
mod retention;
mod roster;
mod watch;

pub use answer::{Answer, Responder};
pub use clock::{Clock, ManualClock, SystemClock};
pub use engine::{AT_MAX, Draft, Engine, Entry, Published};
pub use error::EngineError;
pub use forgotten::{FORGOTTEN_BUCKETS, Forgotten};
pub use fresh::fresh_epoch;
pub use histogram::{DURATION_BOUNDS, Histogram};
pub use memory::MemoryEngine;
pub use query::{Page, Query};
pub use recent::{DEDUP_KEYS_MAX, DEDUP_WINDOW, Place, Recent, RecentKey};
pub use retention::{RETENTION_SLACK, Retention, RetentionPolicies};
pub use roster::{PRESENCE_TOLD_USERS_MAX, PRESENT_USERS_MAX, Roster};
pub use watch::{Batch, Notice, Notifier, WATCH_NOTICES_MAX, Watch};
