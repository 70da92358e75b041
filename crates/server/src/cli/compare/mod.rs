//! `tidings compare`: what each way for messages to come costs, measured side by side.
//!
//! The map: [`way`] names the ways, [`pattern`] says what is published when; [`course`] leads one cell, a way in a
//! format, through its life: a [`host`] is the server, [`client`]s follow, a [`publisher`] publishes, and all write into
//! the [`tally`]. [`schedule`] says which cells go when. [`figures`] are what was found, for [`table`] and [`html`] to
//! tell, and [`finding`] says what it means.

mod browser;
mod client;
mod course;
mod figures;
mod finding;
mod host;
mod html;
mod message;
mod pattern;
mod publisher;
mod schedule;
mod table;
mod tally;
mod way;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tidings_wire::Format;
use tokio::task::LocalSet;

use super::tls::TrustArgs;
use super::{ServerArgs, descriptors, results};
use crate::fault::Fault;
use course::Terms;
use figures::Figures;
use message::DATA_BYTES_MIN;
use pattern::Pattern;
use schedule::{Lengths, Order};
use way::Way;

/// Measure side by side what each way for messages to come costs.
///
/// Starts a server for each, lets clients follow a channel by short polling, long polling, server-sent events, WebSocket
/// and WebTransport, publishes, and counts: how long messages take, requests and connections, every byte at the socket,
/// the server's CPU time and memory, and whether anything is lost or out of order.
///
/// Ends with 0 when every message came once and in order wherever that is promised, else with 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings compare --quick                           within a minute: all ways, JSON, a steady stream
  tidings compare --html comparison.html            everything, some 10 minutes, with plots
  tidings compare --way sse,websocket --clients 10,100,1000
  tidings compare --quick --json | jq '.cells[] | [.way, .streams[0].down_bytes]'

docs/comparison.md says what came of it, and how to read it.")]
pub(super) struct CompareArgs {
    /// Within a minute: JSON and a steady stream alone, and shorter.
    #[arg(long)]
    quick: bool,
    /// How many clients follow; several numbers show how the figures grow.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    clients: Vec<u32>,
    /// Which ways [default: all].
    #[arg(long = "way", value_name = "WAY,…", value_delimiter = ',')]
    ways: Vec<Way>,
    /// In which formats [default: both; with --quick: json].
    #[arg(long = "format", value_name = "FORMAT,…", value_delimiter = ',')]
    formats: Vec<FormatArg>,
    /// Which streams of messages [default: all; with --quick: steady].
    #[arg(long = "stream", value_name = "STREAM,…", value_delimiter = ',')]
    patterns: Vec<Pattern>,
    /// Messages a second, on the average, where they are steady or come in bursts.
    #[arg(long, value_name = "R", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    rate: u32,
    /// Bytes of a message's data, as JSON; 30 at least.
    #[arg(long, value_name = "BYTES", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(DATA_BYTES_MIN as i64..=DATA_BYTES_MAX))]
    size: u32,
    /// Send only the headers that are needed, and not those that browsers add.
    #[arg(long)]
    bare: bool,
    /// Print one JSON object, and not the tables.
    #[arg(long)]
    json: bool,
    /// Write a page with plots, that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write its pictures into this folder, each as an SVG file.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// A server that runs, in place of those that are started: its memory and CPU time are then less certain.
    #[arg(long, env = "TIDINGS_URL")]
    url: Option<String>,
    /// Who you are there: a token that may read and write compare:*.
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true, requires = "url")]
    token: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// The most clients of a cell: as many connections as an address has ports, less those of everybody else.
const CLIENTS_MAX: i64 = 20_000;

/// The highest rate: with it a long poll's client asks a hundred times a second.
const RATE_MAX: i64 = 100;

/// The longest data, in bytes: as long as the server takes by default.
const DATA_BYTES_MAX: i64 = 64 << 10;

/// How what is said is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Json,
    Cbor,
}

/// Runs, reports and judges.
pub(super) async fn run(args: CompareArgs) -> Result<(), Fault> {
    let (json, html, svg) = (args.json, args.html.clone(), args.svg.clone());
    let folders = [html.as_deref().and_then(Path::parent), svg.as_deref()];
    folders
        .into_iter()
        .flatten()
        .try_for_each(results::make_folder)?;
    let order = order(args);
    let figures = LocalSet::new()
        .run_until(schedule::run(order, descriptors::connections_max()))
        .await?;
    let text = match json {
        true => {
            let json = serde_json::to_string(&figures);
            json.map_err(|error| Fault::failure(format!("cannot be printed: {error}")))? + "\n"
        }
        false => table::text(&figures),
    };
    results::print(&text)?;
    if let Some(path) = &html {
        results::write(path, &html::page(&figures))?;
    }
    if let Some(folder) = &svg {
        for picture in html::pictures(&figures) {
            let path = folder.join(format!("{}.svg", picture.name));
            results::write(&path, &picture.file())?;
        }
    }
    judge(&figures)
}

/// What is asked for, with what nobody said.
fn order(args: CompareArgs) -> Order {
    let or = |given: Vec<Pattern>, quick: &[Pattern], all: &[Pattern]| match (given, args.quick) {
        (given, _) if !given.is_empty() => given,
        (_, true) => quick.to_vec(),
        (_, false) => all.to_vec(),
    };
    let patterns = or(args.patterns, &[Pattern::Steady], Pattern::value_variants());
    let formats = match (args.formats, args.quick) {
        (given, _) if !given.is_empty() => given,
        (_, true) => vec![FormatArg::Json],
        (_, false) => FormatArg::value_variants().to_vec(),
    };
    let ways = match args.ways.is_empty() {
        true => Way::value_variants().to_vec(),
        false => args.ways,
    };
    Order {
        server: args.url.map(|url| ServerArgs {
            url,
            token: args.token,
            trust: args.trust,
        }),
        clients: args.clients,
        ways,
        formats: formats.into_iter().map(Format::from).collect(),
        patterns,
        lengths: match args.quick {
            true => Lengths::QUICK,
            false => Lengths::WHOLE,
        },
        terms: Terms {
            data_bytes: args.size as usize,
            rate: f64::from(args.rate),
            has_browser_headers: !args.bare,
        },
    }
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Json => Self::Json,
            FormatArg::Cbor => Self::Cbor,
        }
    }
}

fn judge(figures: &Figures) -> Result<(), Fault> {
    let broken: Vec<String> = figures
        .cells
        .iter()
        .filter(|cell| !cell.kept_its_word())
        .map(|cell| format!("{} with {} clients", cell.name(), cell.clients))
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Fault::failure(format!(
        "not every message came once and in order: {}",
        broken.join("; ")
    ))
    .advise(
        "If the machine could not keep up, what was not there after 15 seconds counts as lost: try fewer --clients or a \
         lower --rate. Else the server has broken its word, which is worth a bug report.",
    ))
}
