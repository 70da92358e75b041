//! Writes a backup: header, messages, trailer.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tidings_wire::{Format, Message};

use super::{Header, Trailer, hex};

/// A backup that is being written. Without [`finish`](Self::finish) it is a file that was cut.
#[derive(Debug)]
pub(super) struct BackupWriter<W> {
    out: W,
    line: Vec<u8>,
    hash: Sha256,
    messages: u64,
    bytes: u64,
}

impl<W: Write> BackupWriter<W> {
    /// Begins with `header`.
    pub(super) fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            line: Vec::new(),
            hash: Sha256::new(),
            messages: 0,
            bytes: 0,
        };
        writer.write_line(header)?;
        Ok(writer)
    }

    /// The next message.
    pub(super) fn write(&mut self, message: &Message) -> io::Result<()> {
        self.write_line(message)?;
        self.messages += 1;
        Ok(())
    }

    /// Ends it, and gives back what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let trailer = Trailer {
            tidings: Trailer::KIND.into(),
            messages: self.messages,
            sha256: hex(&self.hash.clone().finalize()),
        };
        self.write_line(&trailer)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// How many messages were written.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// How many bytes were written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn write_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        Format::Json.encode_into(value, &mut self.line);
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.out.write_all(&self.line)
    }
}
