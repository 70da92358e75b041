//! One publishes, many follow: Tidings beside the servers that people would use otherwise.
//!
//! For each [`scenario`] every [`peer`] that takes part gets a fresh server process per repeat, in
//! the order A B C A B C, so that a noisy minute hurts all alike. The [`load`] speaks the peer's
//! [`protocol`] and checks every delivery; [`report`] writes what came of it, [`run`] holds them
//! together.

mod load;
mod options;
mod peer;
mod protocol;
mod report;
mod run;
mod scenario;

use options::{HELP, Options};

/// Does what the words after `bench messaging` say.
pub(crate) fn main(words: impl IntoIterator<Item = String>) -> Result<(), String> {
    let options = Options::parse(words)?;
    if options.common.help {
        print!("{HELP}");
        return Ok(());
    }
    run::all(&options)
}
