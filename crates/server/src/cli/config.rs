//! `tidings config`: every setting, explained.

use std::io::{ErrorKind, Write};

use crate::config::EXAMPLE;
use crate::fault::Fault;

/// Prints the example, which is valid and says what would be so anyway.
pub(super) fn run() -> Result<(), Fault> {
    match std::io::stdout().write_all(EXAMPLE.as_bytes()) {
        // `tidings config | head` has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::failure(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}
