//! What Tidings' tests share: time that moves only when told to, links that fail, and servers that do.
//!
//! - [`Timeline`]: a clock that jumps from one planned event to the next;
//! - [`Line`]: one direction of a connection, with delays, stalls and cuts;
//! - [`seeds`]: runs a seeded scenario many times and says which seed went wrong;
//! - `nats`, with the feature of that name: NATS servers that are killed, stopped and cut off.
//!
//! In virtual time everything is decided by one seeded generator, so that a seed always plays out the same.

mod line;
#[cfg(feature = "nats")]
pub mod nats;
mod seeds;
mod timeline;

pub use line::{Line, Weather};
pub use seeds::seeds;
pub use timeline::Timeline;
