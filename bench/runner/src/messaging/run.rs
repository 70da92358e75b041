//! The order of things: for each scenario, repeats; for each repeat, peers.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::load::{self, Target, Window};
use super::options::Options;
use super::peer::{Contender, known};
use super::report::{Figures, Outcome, Report, Run};
use super::scenario::{FANOUT_BYTES, IDLE_FOR, PUBLISH_BYTES, Scenario};
use crate::machine::{self, Place};
use crate::peer;
use crate::program;
use crate::server::Server;

/// Before the clock runs: caches, branch predictors, and the kernel's idea of the sockets.
const WARM_UP: Duration = Duration::from_millis(300);
/// The same for a just-in-time compiler.
const LATE_WARM_UP: Duration = Duration::from_millis(1000);
/// At a fixed rate messages are few: this many times the usual time makes up for some of that.
const PACED: u32 = 2;
/// Descriptors that a scenario needs beside its connections.
const DESCRIPTORS_SPARE: u64 = 200;

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
            .list(peers.iter().map(Contender::name), &missing);
        return Ok(());
    }
    let reference = peer::reference(&peers, options.common.reference.as_deref())?;
    let target = program::target();
    let logs = target.join("logs");
    fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let out = match (&options.common.out, options.common.is_full) {
        (Some(out), _) => out.clone(),
        (None, true) => program::published(),
        (None, false) => target.clone(),
    };

    let mut report = Report::new(options, &reference, &peers, &missing);
    let session = Session {
        descriptors: machine::raise_descriptors(),
        measured: options.common.measured,
        until: Instant::now() + options.common.within,
        logs,
        scratch: target.join("scratch"),
    };
    machine::move_to(Place::Generator);
    if options.common.realtime {
        machine::go_first()?;
    }
    announce(options, &peers, &missing);
    for scenario in &options.common.scenarios {
        if !session.run(*scenario, &peers, options.common.repeats, &mut report) {
            report.cut_short();
            println!("The time is up: what did not run is left out.");
            break;
        }
        // After each scenario, so that what was measured survives whatever comes next.
        report.write_json(&target)?;
    }
    report.write_json(&target)?;
    // What is in docs/ tells of everything, or stays as it was.
    let out = match report.is_cut_short() && options.common.out.is_none() {
        true => target,
        false => out,
    };
    report.write(&out)?;
    println!("\n{}", report.summary());
    println!("In full: {}", out.join("messaging.md").display());
    Ok(())
}

fn announce(options: &Options, peers: &[Contender], missing: &[String]) {
    for line in missing {
        println!("Left out: {line}");
    }
    if !machine::has_two_cores() {
        println!("There is one core: server and generator share it, and figures are noisy.");
    }
    println!(
        "{} scenarios, {} peers, {} repeats; at most {:.0} minutes.",
        options.common.scenarios.len(),
        peers.len(),
        options.common.repeats,
        (options.common.within.as_secs_f64() / 60.0).ceil(),
    );
}

/// What stays the same from run to run.
struct Session {
    descriptors: u64,
    measured: Duration,
    until: Instant,
    logs: PathBuf,
    /// Where servers keep what they keep; each finds its folder empty.
    scratch: PathBuf,
}

impl Session {
    /// Whether there was time for all of it.
    fn run(
        &self,
        scenario: Scenario,
        peers: &[Contender],
        repeats: usize,
        report: &mut Report,
    ) -> bool {
        println!("\n{scenario}");
        let repeats = match scenario.once_is_enough() {
            true => 1,
            false => repeats,
        };
        let mut refused: Vec<&str> = Vec::new();
        for repeat in 1..=repeats {
            for peer in peers.iter().filter(|peer| peer.takes_part(scenario)) {
                if refused.contains(&peer.name()) {
                    continue;
                }
                if Instant::now() >= self.until {
                    return false;
                }
                let outcome = match self.once(scenario, peer) {
                    Ok(figures) => Outcome::Done(figures),
                    Err(reason) => Outcome::Failed(reason),
                };
                println!("  {:<18}{outcome}", peer.name());
                if matches!(outcome, Outcome::Failed(_)) {
                    refused.push(peer.name()); // it would only fail again
                }
                report.add(Run {
                    scenario,
                    peer: peer.name().to_owned(),
                    repeat,
                    outcome,
                });
            }
        }
        true
    }

    fn once(&self, scenario: Scenario, peer: &Contender) -> Result<Figures, String> {
        if scenario.connections() as u64 + DESCRIPTORS_SPARE > self.descriptors {
            let limit = self.descriptors;
            return Err(format!("only {limit} descriptors may be open here"));
        }
        let server = self.start(scenario, peer)?;
        let target = Target {
            address: server.address,
            process: server.pid(),
            protocol: peer.protocol,
        };
        let figures = self.measure(scenario, peer, target);
        figures.map_err(|reason| format!("{reason}{}", server.last_words()))
    }

    fn start(&self, scenario: Scenario, peer: &Contender) -> Result<Server, String> {
        let scratch = self.scratch.join(peer.name());
        let _ = fs::remove_dir_all(&scratch); // of the run before, if there is one
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let place = match scenario {
            Scenario::Shards { .. } => Place::Anywhere,
            _ => Place::Server,
        };
        Server::start(
            peer.name(),
            |port| peer.command(port, &scratch),
            place,
            &self.logs,
        )
    }

    fn measure(
        &self,
        scenario: Scenario,
        peer: &Contender,
        target: Target<'_>,
    ) -> Result<Figures, String> {
        let measured = match scenario {
            Scenario::Fanout {
                pace: load::Pace::Hertz(_),
                ..
            }
            | Scenario::Latency { .. } => self.measured * PACED,
            _ => self.measured,
        };
        let window = Window {
            warm_up: match peer.compiles_late() {
                true => LATE_WARM_UP,
                false => WARM_UP,
            },
            measured,
        };
        Ok(match scenario {
            Scenario::Fanout { followers, pace } | Scenario::Shards { followers, pace } => {
                Figures::of_fanout(&load::fanout(
                    target,
                    followers,
                    FANOUT_BYTES,
                    pace,
                    window,
                )?)
            }
            Scenario::Latency { hertz } => {
                let pace = load::Pace::Hertz(hertz);
                Figures::of_fanout(&load::fanout(target, 1, FANOUT_BYTES, pace, window)?)
            }
            Scenario::Publish { publishers } => {
                Figures::of_publish(&load::publish(target, publishers, PUBLISH_BYTES, window)?)
            }
            Scenario::Accept { followers } => {
                Figures::of_accept(followers, &load::accept(target, followers)?)
            }
            Scenario::Resume { followers } => Figures::of_resume(&load::resume(target, followers)?),
            Scenario::Memory { followers, door } => {
                Figures::of_memory(load::memory(target, followers, door)?)
            }
            Scenario::Idle { followers } => {
                Figures::of_idle(followers, &load::idle(target, followers, IDLE_FOR)?)
            }
        })
    }
}
