//! `tidings export`: everything that a data directory keeps, into a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use tidings_engine::{Clock, SystemClock};
use tidings_hub::auth::Permissions;
use tidings_log::Scan;

use super::output::Output;
use super::write::BackupWriter;
use super::{Header, VERSION, directory};
use crate::cli::progress::Progress;
use crate::cli::serve::ConfigArgs;
use crate::cli::units::{bytes, count};
use crate::fault::Fault;

/// Write all messages into a file, while the server runs or when it does not.
///
/// The file is lines of JSON: what it is, then each message as the protocol has it, in the order of the log, last
/// how many there are and their checksum. It appears under its name when it is whole. A server that runs
/// meanwhile is not held up; messages that come after the beginning are not in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings export backup.jsonl                            all that ./tidings-data keeps
  tidings export --data /var/lib/tidings - | zstd > backup.jsonl.zst
  tidings export --channel 'chat:*' chat.jsonl           the channels of a namespace
  tidings export | jq -r 'select(.type == \"message\") | .data.text'

`tidings import` brings it back. docs/backup.md tells what is in it, and what is not.")]
pub(in crate::cli) struct ExportArgs {
    /// Where to write; `-` is the standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The directory of the messages [default: ./tidings-data].
    #[arg(long, env = "TIDINGS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only this channel; `chat:*` is all that begin so. May be given many times.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Writes the file, or none.
pub(in crate::cli) fn run(args: &ExportArgs) -> Result<(), Fault> {
    let config = args.config.load()?;
    let data = directory(args.data.as_ref(), &config)?;
    let mut scan = Scan::open(data).map_err(Fault::setup)?;
    let chosen = (!args.channels.is_empty()).then(|| args.channels.clone());
    let header = Header {
        tidings: Header::KIND.into(),
        version: VERSION,
        epoch: scan.epoch().to_string(),
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
        let page = scan.next_page().map_err(|error| {
            Fault::failure(format!("{} cannot be read: {error}", data.display()))
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
        progress.show("exporting", scan.done(), &words);
    }
    drop(progress);
    let finished = backup.finish().and_then(Output::finish);
    finished.map_err(failed)
}

fn unwritten(file: &Path, error: &io::Error) -> Fault {
    Fault::failure(format!("{} cannot be written: {error}", file.display()))
        .advise("What was written is not whole, and no backup.")
}
