//! `tidings export`: everything that a data directory or a cluster keeps, into a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use tidings_engine::{Clock, EngineError, SystemClock};
use tidings_hub::auth::Permissions;
use tidings_wire::{Epoch, Message};

use super::output::Output;
use super::write::BackupWriter;
use super::{Header, VERSION, WhereArgs, place};
use crate::cli::progress::Progress;
use crate::cli::units::{bytes, count};
use crate::config::Config;
use crate::engine::{fault, nats_config};
use crate::fault::Fault;

/// Write all messages into a file, while the server runs or when it does not.
///
/// The file is lines of JSON: what it is, then each message as the protocol has it, in the order of their log, last
/// how many there are and their checksum. It appears under its name when it is whole. A server that runs
/// meanwhile is not held up; messages that come after the beginning are not in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings export backup.jsonl                            all that ./tidings-data keeps
  tidings export --data /var/lib/tidings - | zstd > backup.jsonl.zst
  tidings export --engine nats://a:4222 backup.jsonl     all that a cluster keeps
  tidings export --channel 'chat:*' chat.jsonl           the channels of a namespace
  tidings export | jq -r 'select(.type == \"message\") | .data.text'

`tidings import` brings it back. docs/backup.md tells what is in it, and what is not.")]
pub(in crate::cli) struct ExportArgs {
    /// Where to write; `-` is the standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only this channel; `chat:*` is all that begin so. May be given many times.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    #[command(flatten)]
    from: WhereArgs,
}

/// What is read.
enum Source {
    Log(Box<tidings_log::Scan>),
    Nats(Box<tidings_nats::Scan>),
}

impl Source {
    fn open(config: &Config) -> Result<Self, Fault> {
        match nats_config(config) {
            None => {
                let scan = tidings_log::Scan::open(&config.data).map_err(Fault::setup)?;
                Ok(Self::Log(Box::new(scan)))
            }
            Some(nats) => {
                let scan = tidings_nats::Scan::open(&nats).map_err(|error| fault(&error))?;
                Ok(Self::Nats(Box::new(scan)))
            }
        }
    }

    /// The identity of each log, joined as in a cursor.
    fn epoch(&self) -> String {
        let epochs = match self {
            Self::Log(scan) => std::slice::from_ref(scan.epoch()),
            Self::Nats(scan) => scan.epochs(),
        };
        let epochs: Vec<_> = epochs.iter().map(Epoch::as_str).collect();
        epochs.join(".")
    }

    fn done(&self) -> f64 {
        match self {
            Self::Log(scan) => scan.done(),
            Self::Nats(scan) => scan.done(),
        }
    }

    fn next_page(&mut self) -> Result<Vec<Message>, EngineError> {
        match self {
            Self::Log(scan) => scan.next_page(),
            Self::Nats(scan) => scan.next_page(),
        }
    }
}

/// Writes the file, or none.
pub(in crate::cli) fn run(args: &ExportArgs) -> Result<(), Fault> {
    let config = args.from.load()?;
    let mut source = Source::open(&config)?;
    let chosen = (!args.channels.is_empty()).then(|| args.channels.clone());
    let header = Header {
        tidings: Header::KIND.into(),
        version: VERSION,
        epoch: source.epoch(),
        at: SystemClock.now(),
        channels: chosen.clone(),
    };
    let wanted = match chosen {
        Some(patterns) => Permissions::new(patterns, []),
        None => Permissions::all(),
    };
    let output = Output::open(&args.file)?;
    let failed = |error: io::Error| unwritten(&args.file, &error);
    let mut backup = BackupWriter::new(output, &header).map_err(failed)?;
    let progress = Progress::new();
    loop {
        let page = source.next_page().map_err(|error| {
            Fault::failure(format!("{} cannot be read: {error}", place(&config)))
        })?;
        if page.is_empty() {
            break;
        }
        for message in page
            .iter()
            .filter(|message| wanted.may_read(&message.channel))
        {
            backup.write(message).map_err(failed)?;
        }
        let words = format!(
            "{} messages, {}",
            count(backup.messages()),
            bytes(backup.bytes() as f64)
        );
        progress.show("exporting", source.done(), &words);
    }
    drop(progress);
    let finished = backup.finish().and_then(Output::finish);
    finished.map_err(failed)
}

fn unwritten(file: &Path, error: &io::Error) -> Fault {
    Fault::failure(format!("{} cannot be written: {error}", file.display()))
        .advise("What was written is not whole, and no backup.")
}
