//! The load: one thread that asks as fast as answers come, and looks at what comes back.
//!
//! Nothing of any WebSocket library is in here, and nothing is encoded while the clock runs:
//! the [`messages`] are frames already, masked and compressed. A [`reader`] finds the ends of
//! the answers, a [`check`] compares every answer on some connections and the length of all
//! others, so that a server that is fast and wrong does not pass for fast.

mod check;
mod echo;
mod idle;
mod messages;
mod open;
mod reader;

pub(crate) use echo::{Echo, Window, run as echo};
pub(crate) use idle::{Idle, run as idle};
pub(crate) use messages::Messages;
pub(crate) use open::open;

/// Why a scenario gave no figure.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server does not negotiate what the scenario is about.
    NotOffered,
    /// Anything else, in a sentence.
    Failed(String),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<rustix::io::Errno> for Trouble {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.to_string())
    }
}
