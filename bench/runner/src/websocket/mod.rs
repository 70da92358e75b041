//! Echo servers against each other.
//!
//! For each [`scenario`] every [`peer`] gets a fresh server process per repeat, in the order
//! A B C A B C, so that a noisy minute hurts all alike. The [`load`] asks, [`report`] writes what
//! came of it, [`run`] holds them together.

mod load;
mod options;
mod peer;
mod report;
mod run;
mod scenario;

use options::{HELP, Options};

/// Does what the words after `bench websocket` say.
pub(crate) fn main(words: impl IntoIterator<Item = String>) -> Result<(), String> {
    let options = Options::parse(words)?;
    if options.common.help {
        print!("{HELP}");
        return Ok(());
    }
    run::all(&options)
}
