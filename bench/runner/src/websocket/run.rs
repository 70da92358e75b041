//! The order of things: for each scenario, repeats; for each repeat, peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::load::{self, Echo, Messages, Trouble, Window};
use super::options::Options;
use super::peer::{command, known};
use super::report::{Figures, Outcome, Report, Run};
use super::scenario::{Scenario, Work};
use crate::machine::{self, Place};
use crate::peer::{self, Peer};
use crate::program;
use crate::server::Server;
use crate::syscalls::Counter;

/// Before the clock runs: caches, branch predictors, and the kernel's idea of the sockets.
const WARM_UP: Duration = Duration::from_millis(200);
/// The same for a just-in-time compiler.
const LATE_WARM_UP: Duration = Duration::from_millis(1000);
/// Loaded while system calls are counted: thousands of messages at the slowest.
const COUNTED: Duration = Duration::from_millis(150);
/// Bytes that a slow server echoes in a second: with more than this under way, the first answers
/// come when others have long been counted.
const BYTES_PER_SECOND: f64 = 1e9;
/// A run's time beside the measured one: warm-up, start, end, and its share of the counting.
const BESIDE: Duration = Duration::from_millis(550);
/// Descriptors that a scenario needs beside its connections.
const DESCRIPTORS_SPARE: u64 = 100;

/// Runs what was asked for, and writes the report.
pub(crate) fn all(options: &Options) -> Result<(), String> {
    let (known, missing) = known(options);
    let peers = peer::chosen(
        &known,
        &missing,
        &options.common.peers,
        &options.common.added,
    )?;
    if options.common.list {
        options
            .common
            .list(peers.iter().map(|peer| peer.name.as_str()), &missing);
        return Ok(());
    }
    let reference = peer::reference(&peers, options.common.reference.as_deref())?;
    let out = options.common.out.clone().unwrap_or_else(program::target);
    let logs = out.join("logs");
    fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;

    let mut report = Report::new(options, &reference, &missing);
    let mut session = Session {
        descriptors: machine::raise_descriptors(),
        counter: Counter::find(),
        measured: options.common.measured,
        until: Instant::now() + options.common.within,
        logs,
    };
    machine::move_to(Place::Generator);
    if options.common.realtime {
        machine::go_first()?;
    }
    announce(options, &peers, &missing, &session);
    for scenario in &options.common.scenarios {
        if !session.run(*scenario, &peers, options.common.repeats, &mut report) {
            report.cut_short();
            println!("The time is up: what did not run is left out.");
            break;
        }
        // After each scenario, so that what was measured survives whatever comes next.
        report.write(&out)?;
    }
    report.write(&out)?;
    println!("\n{}", report.summary());
    println!("In full: {}", out.join("websocket.md").display());
    Ok(())
}

fn announce(options: &Options, peers: &[Peer], missing: &[String], session: &Session) {
    for line in missing {
        println!("Left out: {line}");
    }
    if !machine::has_two_cores() {
        println!("There is one core: server and generator share it, and figures are noisy.");
    }
    match session.counter {
        Some(counter) => println!("System calls are counted by {}.", counter.name()),
        None => println!("Neither perf nor strace works here: system calls are not counted."),
    }
    let runs = options.common.scenarios.len() * peers.len() * options.common.repeats;
    println!(
        "{} scenarios, {} peers, {} repeats: {runs} runs, some {:.0} minutes.",
        options.common.scenarios.len(),
        peers.len(),
        options.common.repeats,
        (runs as f64 * (options.common.measured + BESIDE).as_secs_f64() / 60.0).ceil(),
    );
}

/// What stays the same from run to run.
struct Session {
    descriptors: u64,
    counter: Option<Counter>,
    measured: Duration,
    until: Instant,
    logs: PathBuf,
}

impl Session {
    /// Whether there was time for all of it.
    fn run(
        &mut self,
        scenario: Scenario,
        peers: &[Peer],
        repeats: usize,
        report: &mut Report,
    ) -> bool {
        println!("\n{scenario}");
        // Memory hardly varies from run to run, and ten thousand connections take their time.
        let repeats = match scenario.work {
            Work::Idle => 1,
            Work::Echo { .. } => repeats,
        };
        let mut refused: Vec<&str> = Vec::new();
        for repeat in 0..repeats {
            for peer in peers {
                if refused.contains(&peer.name.as_str()) {
                    continue;
                }
                if Instant::now() >= self.until {
                    return false;
                }
                let outcome = self.once(scenario, peer, repeat);
                println!("  {:<24}{outcome}", peer.name);
                if !matches!(outcome, Outcome::Done(_)) {
                    refused.push(&peer.name); // it would only fail again
                }
                report.add(Run {
                    scenario: scenario.to_string(),
                    peer: peer.name.clone(),
                    outcome,
                });
            }
        }
        true
    }

    fn once(&self, scenario: Scenario, peer: &Peer, repeat: usize) -> Outcome {
        if scenario.connections as u64 + DESCRIPTORS_SPARE > self.descriptors {
            let limit = self.descriptors;
            return Outcome::Failed(format!("only {limit} descriptors may be open here"));
        }
        let server = match start(peer, scenario, &self.logs) {
            Ok(server) => server,
            Err(reason) => return Outcome::Failed(reason),
        };
        let figures = match scenario.work {
            Work::Idle => load::idle(
                server.address,
                scenario.connections,
                scenario.compression,
                server.pid(),
            )
            .map(Figures::of_idle),
            Work::Echo { .. } => self.echo(scenario, peer, &server).map(|echo| {
                // Once is enough: calls per message hardly vary.
                let calls = (repeat == 0).then(|| self.calls(scenario, peer)).flatten();
                Figures::of_echo(&echo, calls)
            }),
        };
        match figures {
            Ok(figures) => Outcome::Done(figures),
            Err(Trouble::NotOffered) => Outcome::NotOffered,
            Err(Trouble::Failed(reason)) => {
                Outcome::Failed(format!("{reason}{}", server.last_words()))
            }
        }
    }

    fn echo(&self, scenario: Scenario, peer: &Peer, server: &Server) -> Result<Echo, Trouble> {
        let warm_up = match peer.compiles_late {
            true => LATE_WARM_UP,
            false => WARM_UP,
        };
        let filling = filling(scenario);
        let window = Window {
            warm_up: warm_up + filling,
            measured: self.measured.max(2 * filling),
            drained: false,
        };
        load_echo(scenario, server, window, || Ok(()))
    }

    /// System calls per message, of a fresh server.
    fn calls(&self, scenario: Scenario, peer: &Peer) -> Option<f64> {
        let counter = self.counter?;
        let server = start(peer, scenario, &self.logs).ok()?;
        let window = Window {
            warm_up: Duration::ZERO,
            measured: COUNTED,
            drained: true,
        };
        let mut count = None;
        let echo = load_echo(scenario, &server, window, || {
            count = Some(counter.begin(server.pid(), &self.logs)?);
            Ok(())
        });
        let calls = count?.end().ok()?;
        echo.ok().map(|echo| calls as f64 / echo.messages)
    }
}

fn start(peer: &Peer, scenario: Scenario, logs: &Path) -> Result<Server, String> {
    Server::start(
        &peer.name,
        |port| Ok(command(peer, port, scenario.compression)),
        Place::Server,
        logs,
    )
}

/// How long it takes until what is sent first has been answered, where that is much.
fn filling(scenario: Scenario) -> Duration {
    match scenario.work {
        Work::Idle => Duration::ZERO,
        Work::Echo {
            message_bytes,
            in_flight,
            ..
        } => {
            let under_way = message_bytes * in_flight * scenario.connections;
            Duration::from_secs_f64(under_way as f64 / BYTES_PER_SECOND)
        }
    }
}

/// Opens the connections, waits for `before`, and loads them.
fn load_echo(
    scenario: Scenario,
    server: &Server,
    window: Window,
    before: impl FnOnce() -> Result<(), String>,
) -> Result<Echo, Trouble> {
    let Work::Echo {
        message_bytes,
        in_flight,
        payload,
    } = scenario.work
    else {
        return Err("this is no echo".to_owned().into());
    };
    let compression = scenario.compression;
    let opened = load::open(server.address, scenario.connections, compression)?;
    let takeover = opened.takeover;
    let messages = Messages::for_echo(payload, message_bytes, compression, takeover, in_flight)?;
    before()?;
    let sockets = &opened.sockets;
    load::echo(
        sockets,
        takeover,
        &messages,
        in_flight,
        window,
        server.pid(),
    )
}
