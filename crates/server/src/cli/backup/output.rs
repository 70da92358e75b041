//! Where a backup goes: a file that is there as a whole or not at all, or a pipe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// What is written at a time: enough for a call of the system to cost nothing.
const BUFFER_BYTES: usize = 256 << 10;

/// What an export is written to.
#[derive(Debug)]
pub(super) struct Output {
    sink: BufWriter<File>,
    /// The file that is to be; absent: it goes where it is written.
    unfinished: Option<Unfinished>,
}

/// A file under the name that it has until it is whole; removed if it does not become so.
#[derive(Debug)]
struct Unfinished {
    part: PathBuf,
    target: PathBuf,
    is_whole: bool,
}

impl Output {
    /// Opens `target`; `-` is the standard output. What is no plain file, such as a pipe or a device, is written as
    /// it is.
    pub(super) fn open(target: &Path) -> Result<Self, Fault> {
        let opened = match target == Path::new("-") {
            true => own_stdout().map(|file| (file, None)),
            false => Self::open_file(target),
        };
        let (file, unfinished) = opened.map_err(|error| {
            Fault::setup(format!("{} cannot be written: {error}", target.display()))
        })?;
        Ok(Self {
            sink: BufWriter::with_capacity(BUFFER_BYTES, file),
            unfinished,
        })
    }

    fn open_file(target: &Path) -> io::Result<(File, Option<Unfinished>)> {
        let is_special = fs::metadata(target).is_ok_and(|about| !about.is_file());
        if is_special {
            return Ok((OpenOptions::new().write(true).open(target)?, None));
        }
        // A link leads to the file that it is about.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let mut part = target.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            // What people say to one another is for nobody else on the machine.
            .mode(0o600)
            .open(&part)?;
        file.try_lock()
            .map_err(|_| io::Error::other("another export writes it now"))?;
        // What one left that was killed.
        file.set_len(0)?;
        let unfinished = Unfinished {
            part,
            target,
            is_whole: false,
        };
        Ok((file, Some(unfinished)))
    }

    /// It is whole: has it on the disk, and gives it its name.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = self.sink.into_inner().map_err(|error| error.into_error())?;
        let Some(mut unfinished) = self.unfinished else {
            return Ok(());
        };
        file.sync_all()?;
        fs::rename(&unfinished.part, &unfinished.target)?;
        unfinished.is_whole = true;
        // The name as well is to be there after a loss of power.
        let dir = unfinished
            .target
            .parent()
            .filter(|dir| *dir != Path::new(""));
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// The standard output without the buffer by lines that std puts before it.
fn own_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}
