//! `tidings config`: every setting, explained.

use super::results;
use crate::config::EXAMPLE;
use crate::fault::Fault;

/// Prints the example, which is valid and says what would be so anyway.
pub(super) fn run() -> Result<(), Fault> {
    results::print(EXAMPLE)
}
