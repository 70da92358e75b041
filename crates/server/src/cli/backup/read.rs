//! Reads a backup line by line, and knows whether it is whole.

use std::io::BufRead;

use sha2::{Digest, Sha256};
use tidings_engine::AT_MAX;
use tidings_wire::Message;

use super::lines::{Broken, Lines};
use super::{Header, Trailer, VERSION, hex};

/// What both of our own lines begin with, and no message does.
const MARK: &[u8] = br#"{"tidings":"#;

/// A backup that is being read.
#[derive(Debug)]
pub(super) struct BackupReader<R> {
    lines: Lines<R>,
    header: Header,
    hash: Sha256,
    messages: u64,
    is_over: bool,
}

impl<R: BufRead> BackupReader<R> {
    /// Reads the header.
    pub(super) fn new(input: R) -> Result<Self, Broken> {
        let mut lines = Lines::new(input);
        lines.advance()?;
        if !lines.bytes().starts_with(MARK) {
            return Err(lines.broken("it is no export of Tidings, which says so in its first line"));
        }
        let header: Header = lines.parse()?;
        if header.tidings != Header::KIND {
            return Err(lines.broken("it is not the first line of an export"));
        }
        if header.version > VERSION {
            let version = header.version;
            return Err(lines.broken(format!(
                "its version is {version}, and this version of Tidings reads up to {VERSION}"
            )));
        }
        let mut reader = Self {
            lines,
            header,
            hash: Sha256::new(),
            messages: 0,
            is_over: false,
        };
        reader.hash_line();
        Ok(reader)
    }

    /// The first line.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes_read()
    }

    /// The next message; none: that was all, and all is as it was written. An error comes once, and after it
    /// nothing.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Broken> {
        if self.is_over {
            return Ok(None);
        }
        let read = self.read_next();
        self.is_over = !matches!(read, Ok(Some(_)));
        read
    }

    fn read_next(&mut self) -> Result<Option<Message>, Broken> {
        if !self.lines.advance()? {
            return Err(self.lines.cut());
        }
        if self.lines.bytes().starts_with(MARK) {
            return self.end().map(|()| None);
        }
        let message: Message = self.lines.parse()?;
        if message.at > AT_MAX {
            return Err(self.lines.broken(format!("\"at\" is above {AT_MAX}")));
        }
        self.hash_line();
        self.messages += 1;
        Ok(Some(message))
    }

    /// Compares what was read with what the last line says of it.
    fn end(&mut self) -> Result<(), Broken> {
        let trailer: Trailer = self.lines.parse()?;
        if trailer.tidings != Trailer::KIND {
            return Err(self.lines.broken("it is not the last line of an export"));
        }
        if trailer.messages != self.messages {
            let (written, here) = (trailer.messages, self.messages);
            let detail = format!("{written} messages were written, and {here} are here");
            return Err(self.lines.changed(detail));
        }
        if trailer.sha256 != hex(&self.hash.clone().finalize()) {
            let detail = "something above it is not as it was written: its SHA-256 is another";
            return Err(self.lines.changed(detail));
        }
        match self.lines.advance()? {
            true => Err(self.lines.changed("there is something after the last line")),
            false => Ok(()),
        }
    }

    fn hash_line(&mut self) {
        self.hash.update(self.lines.bytes());
    }
}
