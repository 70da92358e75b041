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
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::serve::ConfigArgs;
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
    /// The identity of the log that it was taken from, in which its messages' `seq`s count; of several logs, which follow
    /// one another, those of all, joined by `.`.
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

/// Which messages are meant, for both commands.
#[derive(Debug, Args)]
struct WhereArgs {
    /// The directory of the messages [default: ./tidings-data].
    #[arg(long, env = "TIDINGS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the messages are in place of a directory, such as nats://a:4222,b:4222,c:4222.
    #[arg(
        long,
        env = "TIDINGS_ENGINE",
        value_name = "ENGINE",
        conflicts_with = "data"
    )]
    engine: Option<EngineConfig>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl WhereArgs {
    /// The settings, with what the command line says.
    fn load(&self) -> Result<Config, Fault> {
        let mut config = self.config.load()?;
        if let Some(engine) = &self.engine {
            config.engine.clone_from(engine);
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
            config.engine = EngineConfig::Embedded;
        }
        config.check()?;
        Ok(config)
    }
}

/// What the messages are in, in words.
fn place(config: &Config) -> String {
    match &config.engine {
        EngineConfig::Embedded => config.data.display().to_string(),
        EngineConfig::Nats(_) => format!("NATS, as \"{}\"", config.nats.name),
    }
}

/// A hash in hexadecimal.
fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
