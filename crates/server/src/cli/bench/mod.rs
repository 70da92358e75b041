//! `tidings bench`: puts a server under load from outside, and tells how it does.
//!
//! The map: [`plan`] says what is published when, [`follower`] and [`publisher`] do it, [`tally`] is what they
//! write into: the [`ledger`] judges loss and order, the [`recorder`] measures. [`course`] leads
//! through a run, and [`figures`] are what it found, for [`report`] and [`html`] to tell. What decides or
//! computes is pure; sockets and clocks are in [`course`], [`follower`], [`publisher`] and `load::alarm`.

mod channels;
mod course;
mod figures;
mod follower;
mod html;
mod ledger;
mod payload;
mod plan;
mod publisher;
mod recorder;
mod report;
mod tally;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::task::LocalSet;

use super::client::Client;
use super::{ServerArgs, descriptors, results};
use crate::fault::Fault;
use course::Order;
use figures::Figures;
use follower::Transport;
use ledger::Balance;
use payload::DATA_BYTES_MIN;
use plan::Plan;

/// Put a server under load, and tell how it does.
///
/// Clients follow channels, publishers publish at a fixed rate, and every delivery is checked: loss,
/// duplicates, order. Latency counts from the moment at which a message should have been sent, so that a server
/// that makes the publishers wait does not look faster for it. The channels are named
/// bench:RANDOM:NUMBER; their messages stay in the server's log for as long as its retention says.
///
/// Ends with 0 when nothing was lost, doubled or out of order, else with 1. Ctrl-C ends early and still reports.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings bench                                          100 clients, 100 messages a second, 10 s
  tidings bench --clients 1000 --channels 10 --rate 500  100 clients on each of ten channels
  tidings bench --transport sse --html report.html       another transport, and plots
  tidings bench --json | jq .delivery_us.p99             for a script

docs/bench.md says how to read the figures.")]
pub(super) struct BenchArgs {
    /// How many clients follow the channels.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive())]
    clients: u32,
    /// How many channels they are spread over, each client on one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive())]
    channels: u32,
    /// Messages a second, by all publishers together.
    #[arg(long, value_name = "R", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    rate: u32,
    /// Bytes of a message's data, as JSON; 26 at least.
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(DATA_BYTES_MIN as i64..=DATA_BYTES_MAX))]
    size: u32,
    /// How messages come to the clients.
    #[arg(long, default_value = "websocket")]
    transport: Transport,
    /// How many publish, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = positive())]
    publishers: u32,
    /// How many seconds are measured.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=SECONDS_MAX))]
    seconds: u32,
    /// How many seconds of the same load go before, unmeasured.
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=SECONDS_MAX))]
    warmup: u32,
    /// The server's process, whose CPU time and memory are told. Found by the port where the server runs on
    /// this machine.
    #[arg(long)]
    pid: Option<u32>,
    /// Print one JSON object, and not the report.
    #[arg(long)]
    json: bool,
    /// Write the report as a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The highest rate: above it messages would be less than a microsecond apart, which is the unit here.
const RATE_MAX: i64 = 1_000_000;

/// The longest data, in bytes: as long as frames are that the clients take, less the rest of an event.
const DATA_BYTES_MAX: i64 = 15 << 20;

/// The longest run, in seconds: a day. Each message costs this tool 8 bytes.
const SECONDS_MAX: i64 = 24 * 3600;

/// Descriptors of a publisher: its connection and its timer.
const DESCRIPTORS_PER_PUBLISHER: usize = 2;

fn positive() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// Runs, reports and judges.
pub(super) async fn run(args: BenchArgs) -> Result<(), Fault> {
    check_descriptors(&args, descriptors::connections_max())?;
    if let Some(folder) = args.html.as_deref().and_then(Path::parent) {
        results::make_folder(folder)?;
    }
    let client = Client::new(&args.server)?;
    let order = Order {
        url: args.server.url.clone(),
        transport: args.transport,
        clients: args.clients,
        plan: Plan {
            rate: args.rate,
            publishers: args.publishers,
            channels: args.channels,
            warmup_s: args.warmup,
            measured_s: args.seconds,
        },
        data_bytes: args.size as usize,
        pid: args.pid,
    };
    let figures = LocalSet::new()
        .run_until(course::run(order, client))
        .await?;
    print(&args, &figures)?;
    if let Some(path) = &args.html {
        results::write(path, &html::page(&figures))?;
    }
    judge(&figures.correctness.balance)
}

/// Each client is a connection, and each connection a descriptor.
fn check_descriptors(args: &BenchArgs, connections_max: usize) -> Result<(), Fault> {
    let publishers = DESCRIPTORS_PER_PUBLISHER * args.publishers as usize;
    let needed = args.clients as usize + publishers;
    if needed <= connections_max {
        return Ok(());
    }
    Err(Fault::setup(format!(
        "{} clients and {} publishers need {needed} open files, and this process may have {connections_max} more",
        args.clients, args.publishers
    ))
    .advise(format!(
        "Use --clients {}, or raise the hard limit: `ulimit -Hn {}` as root before, or LimitNOFILE= of the \
         service. The server needs as many.",
        connections_max.saturating_sub(publishers).max(1),
        needed.next_power_of_two().max(1024)
    )))
}

fn print(args: &BenchArgs, figures: &Figures) -> Result<(), Fault> {
    let text = match args.json {
        true => {
            let json = serde_json::to_string(figures);
            json.map_err(|error| Fault::failure(format!("cannot be printed: {error}")))? + "\n"
        }
        false => report::text(figures),
    };
    results::print(&text)
}

fn judge(balance: &Balance) -> Result<(), Fault> {
    if balance.promised == 0 {
        return Err(Fault::failure("nothing was published, so nothing is known")
            .advise("What is told under \"To know\" says why; --seconds may also be too few for the --rate."));
    }
    if balance.is_even() {
        return Ok(());
    }
    Err(Fault::failure(format!(
        "{} of {} deliveries were lost, {} came twice, {} came out of order",
        balance.lost, balance.promised, balance.duplicated, balance.out_of_order
    ))
    .advise(
        "If the server could not keep up, what it still owed after a minute counts as lost: try a lower --rate. \
         Else it has broken its word, which is worth a bug report.",
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Bench {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn args(arguments: &[&str]) -> Result<BenchArgs, String> {
        let all = ["bench"].iter().chain(arguments);
        let parsed = Bench::try_parse_from(all);
        parsed
            .map(|bench| bench.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn loads_that_make_no_sense_are_refused() {
        for (wrong, option) in [
            (["--clients", "0"], "--clients"),
            (["--channels", "0"], "--channels"),
            (["--rate", "0"], "--rate"),
            (["--rate", "1000001"], "--rate"),
            (["--size", "25"], "--size"),
            (["--seconds", "0"], "--seconds"),
            (["--publishers", "0"], "--publishers"),
        ] {
            let said = args(&wrong).unwrap_err();
            assert!(said.contains(option), "{said}");
        }
        assert!(args(&["--size", "26", "--warmup", "0", "--rate", "1000000"]).is_ok());
    }

    #[test]
    fn more_clients_than_descriptors_are_refused_with_what_to_do() {
        let args = args(&["--clients", "992", "--publishers", "4"]).unwrap();
        assert!(check_descriptors(&args, 1000).is_ok());
        let fault = check_descriptors(&args, 999).unwrap_err().to_string();
        assert!(fault.contains("--clients 991"), "{fault}");
        assert!(fault.contains("ulimit -Hn 1024"), "{fault}");
    }

    #[test]
    fn a_broken_promise_is_a_failure() {
        let even = Balance {
            promised: 2,
            delivered: 2,
            lost: 0,
            duplicated: 0,
            out_of_order: 0,
        };
        assert!(judge(&even).is_ok());
        for broken in [
            Balance {
                promised: 0,
                delivered: 0,
                ..even
            },
            Balance { lost: 1, ..even },
            Balance {
                duplicated: 1,
                ..even
            },
            Balance {
                out_of_order: 1,
                ..even
            },
        ] {
            assert!(judge(&broken).is_err(), "{broken:?}");
        }
    }
}
