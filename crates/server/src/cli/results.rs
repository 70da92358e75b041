//! Where results go: to stdout, and into files.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::fault::Fault;

/// Makes a folder for files to come, if it is not there: one that cannot be made is told of before a long measurement, and
/// not behind it.
pub(super) fn make_folder(folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder)
        .map_err(|error| Fault::setup(format!("cannot make {}: {error}", folder.display())))
}

/// Writes a file.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Fault> {
    fs::write(path, text)
        .map_err(|error| Fault::failure(format!("cannot write {}: {error}", path.display())))
}

/// Prints to stdout.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    match io::stdout().write_all(text.as_bytes()) {
        // `| head` has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::failure(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}
