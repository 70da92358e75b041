//! `tidings export` and `tidings import`: all messages of a log in a file, and back.
//!
//! The map: [`export`] and [`import`] are the commands. [`mod@write`] and [`read`] know the file, which is made of
//! [`lines`]; [`output`] is where it goes. The [`importer`] brings messages into any engine, and [`known`] tells
//! what is there already.
//!
//! The file is JSON lines: a [`Header`], one `message` event of the protocol a line, a [`Trailer`]. So any
//! tool that reads lines or JSON reads a backup, and one without its last line is known to be cut.

pub(super) mod export;
pub(super) mod import;
mod importer;
mod known;
mod lines;
mod output;
mod read;
mod write;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Config, EngineConfig};
use crate::fault::Fault;

/// The version of the file that is written here, and the newest that is read.
const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// What the file is: [`Header::KIND`].
    tidings: Cow<'static, str>,
    version: u32,
    /// The identity of the log that it was taken from, in which its messages' `seq`s count.
    epoch: String,
    /// When, in milliseconds since the Unix epoch.
    at: u64,
    /// Which channels were asked for, as patterns; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<String>>,
}

impl Header {
    const KIND: &'static str = "export";
}

/// The last line, without which a file is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    /// What the line is: [`Trailer::KIND`].
    tidings: Cow<'static, str>,
    /// How many messages stand before it.
    messages: u64,
    /// The SHA-256 of everything before it, line ends included, in hexadecimal.
    sha256: String,
}

impl Trailer {
    const KIND: &'static str = "end";
}

/// The data directory that is meant: the one of the command line, or the server's.
fn directory<'a>(data: Option<&'a PathBuf>, config: &'a Config) -> Result<&'a Path, Fault> {
    match (data, &config.engine) {
        (Some(data), _) => Ok(data),
        (None, EngineConfig::Embedded) => Ok(&config.data),
        (None, EngineConfig::Nats(_)) => Err(Fault::setup(
            "the settings say that messages are in NATS, and not in a data directory",
        )
        .advise("Name a data directory with --data. NATS backs up its streams itself: `nats stream backup`.")),
    }
}

/// A hash in hexadecimal.
fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
