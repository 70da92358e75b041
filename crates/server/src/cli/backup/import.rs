//! `tidings import`: a backup into a data directory, or a cluster.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use tidings_engine::{Clock, SystemClock};
use tidings_wire::Message;

use super::importer::{Importer, Tally};
use super::known::Unknown;
use super::lines::{Broken, BrokenKind};
use super::read::BackupReader;
use super::{WhereArgs, place};
use crate::cli::progress::Progress;
use crate::cli::units::{bytes, count};
use crate::config::Config;
use crate::engine::OpenEngine;
use crate::fault::Fault;

/// Bring the messages of a backup into a data directory, while no server runs on it, or into a cluster.
///
/// Channels, ids, names, times and data stay what they were; places in the log are new, so clients that were
/// connected to the old one are told `truncated` and begin anew. What is there already is not doubled: an import
/// that was interrupted can be run again. Retention applies as ever: give it the server's settings.
///
/// A file that is cut or broken is imported up to that place, and the place is named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings import backup.jsonl                            into ./tidings-data
  zstd -dc backup.jsonl.zst | tidings import --config tidings.toml --data /var/lib/tidings
  tidings import --engine nats://a:4222 backup.jsonl     into a cluster
  tidings import --check backup.jsonl                    is it whole? Nothing is imported

docs/backup.md tells how to restore, move and join logs.")]
pub(in crate::cli) struct ImportArgs {
    /// What `tidings export` wrote; `-` is the standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only read the file to its end, and say whether it is whole.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    to: WhereArgs,
}

/// What is read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The progress is shown once in so many messages.
const PROGRESS_EVERY: u64 = 4096;

/// Imports what there is, and says what became of it.
pub(in crate::cli) fn run(args: &ImportArgs) -> Result<(), Fault> {
    let config = args.to.load()?;
    // Before anything is made or locked: it may be the wrong file.
    let mut backup = Backup::open(&args.file)?;
    if args.check {
        return check(&mut backup);
    }
    let engine = OpenEngine::open(&config)?.engine();
    let retention = config.retention();
    let now = SystemClock.now();
    let mut importer = Importer::new(&*engine, &retention, config.dedup_window.0, now);
    let imported = import(&mut backup, &mut importer);
    tell(&importer.tally(), &config);
    imported
}

fn check(backup: &mut Backup) -> Result<(), Fault> {
    while let Some(_message) = backup.next().map_err(|broken| backup.not_whole(&broken))? {}
    let epoch = &backup.reader.header().epoch;
    println!(
        "{} messages of the log {epoch}, whole",
        count(backup.messages)
    );
    Ok(())
}

fn import(backup: &mut Backup, importer: &mut Importer<'_>) -> Result<(), Fault> {
    let ended = loop {
        match backup.next() {
            Ok(Some(message)) => importer.bring(message).map_err(unstored)?,
            Ok(None) => break Ok(()),
            Err(broken) => break Err(backup.not_whole(&broken).advise(advice(broken.kind))),
        }
    };
    // What came before the broken place is stored all the same.
    importer.finish().map_err(|error| unstored(error.into()))?;
    ended
}

fn advice(kind: BrokenKind) -> &'static str {
    match kind {
        BrokenKind::Cut => {
            "All before it is imported. Find the whole file and import it: what is there is not doubled."
        }
        BrokenKind::Line => {
            "All before it is imported, and nothing from there on. Mend the line, and import it again: what is \
             there is not doubled."
        }
        BrokenKind::Sum => {
            "All of it is imported all the same; a message may be another than was written, or missing."
        }
    }
}

fn unstored(error: Unknown) -> Fault {
    let advice = match error {
        Unknown::Engine(_) => "Run it again when that is mended: what is there is not doubled.",
        Unknown::TooMany => {
            "Import into an empty directory, or leave channels out when you export."
        }
    };
    Fault::failure(format!("the import ended early: {error}")).advise(advice)
}

/// Says what was done, and what was left out and why.
fn tell(tally: &Tally, config: &Config) {
    println!("{} messages imported", count(tally.stored));
    let others = [
        (tally.there, "were there already"),
        (
            tally.too_old,
            "left out: older than retention keeps messages",
        ),
        (
            tally.cut_off,
            "left out: from before what retention has kept of their channels here",
        ),
        (
            tally.too_many,
            "of those imported go again: they are more than retention keeps of their channels",
        ),
    ];
    for (number, what) in others {
        if number > 0 {
            println!("{} {what}", count(number));
        }
    }
    if tally.stored > 0 {
        println!("now start the server on {}", place(config));
    }
}

/// A backup, and how much of it has been read.
struct Backup {
    name: String,
    reader: BackupReader<BufReader<Box<dyn Read>>>,
    messages: u64,
    /// Of the whole file, where that is known.
    size: Option<u64>,
    progress: Progress,
}

impl Backup {
    fn open(file: &Path) -> Result<Self, Fault> {
        let name = match file == Path::new("-") {
            true => "the standard input".to_owned(),
            false => file.display().to_string(),
        };
        let unread = |error: io::Error| Fault::setup(format!("{name} cannot be read: {error}"));
        let (input, size): (Box<dyn Read>, _) = match file == Path::new("-") {
            true => (Box::new(io::stdin()), None),
            false => {
                let file = File::open(file).map_err(unread)?;
                let about = file.metadata().map_err(unread)?;
                (Box::new(file), about.is_file().then_some(about.len()))
            }
        };
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        let reader =
            BackupReader::new(input).map_err(|broken| Fault::setup(format!("{name}, {broken}")))?;
        Ok(Self {
            name,
            reader,
            messages: 0,
            size,
            progress: Progress::new(),
        })
    }

    fn next(&mut self) -> Result<Option<Message>, Broken> {
        let message = self.reader.next()?;
        self.messages += u64::from(message.is_some());
        if self.messages.is_multiple_of(PROGRESS_EVERY) {
            self.show();
        }
        Ok(message)
    }

    fn not_whole(&self, broken: &Broken) -> Fault {
        Fault::failure(format!("{}, {broken}", self.name))
    }

    fn show(&self) {
        let read = self.reader.bytes() as f64;
        let done = self.size.map_or(0.0, |size| read / size as f64);
        let words = format!("{} messages, {}", count(self.messages), bytes(read));
        self.progress.show("reading", done, &words);
    }
}
