//! What Tidings' tests share: time that moves only when told to, and links that fail.
//!
//! - [`Timeline`]: a clock that jumps from one planned event to the next;
//! - [`Line`]: one direction of a connection, with delays, stalls and cuts;
//! - [`seeds`]: runs a seeded scenario many times and says which seed went wrong.
//!
//! Everything is decided by one seeded generator, so that a seed always plays out the same.

mod line;
mod seeds;
mod timeline;

pub use line::{Line, Weather};
pub use seeds::seeds;
pub use timeline::Timeline;
