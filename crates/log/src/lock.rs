//! One process at a time: a lock on a file in the log's directory (shell).
//!
//! The lock is the kernel's (`flock`), so that it ends with the process however that ends; the pid
//! written into the file is only for the error message of whoever comes second.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::OpenError;

/// The name of the lock file.
pub(crate) const LOCK_FILE: &str = "tidings.lock";

/// Held as long as the log is open.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes `dir` where there is none, and takes it.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let refused = |source| OpenError::Directory {
            dir: dir.to_owned(),
            source,
        };
        // What people say to one another is for nobody else on the machine.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(refused)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK_FILE))
            .map_err(refused)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                    pid: pid_in(&mut file),
                });
            }
            Err(errno) => return Err(refused(errno.into())),
        }
        // Nothing depends on it, and a full disk must not keep a log from being read.
        let _ = write_pid(&mut file);
        Ok(Self { _file: file })
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // A pid has at most ten digits; whatever else is in there is not ours.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
