//! Medians of what was measured: Markdown and plots for people, JSON for programs.

mod figure;
mod markdown;
mod plot;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Serialize, Serializer};

pub(crate) use figure::Figures;
use figure::{Figure, columns};

use super::options::Options;
use super::peer::Contender;
use super::scenario::Scenario;
use crate::machine;
use crate::statistics::{Spread, in_order, median};

/// One server under one scenario, once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    #[serde(serialize_with = "as_text")]
    pub(crate) scenario: Scenario,
    pub(crate) peer: String,
    /// From 1.
    pub(crate) repeat: usize,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done(Figures),
    Failed(String),
}

fn as_text<S: Serializer>(scenario: &Scenario, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(scenario)
}

/// Says how it went while it goes on.
impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(figures) => write!(out, "{figures}"),
            Self::Failed(reason) => write!(out, "FAILED: {reason}"),
        }
    }
}

/// All runs, and what they were made on.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    commit: String,
    machine: String,
    command: String,
    reference: String,
    measured_seconds: f64,
    repeats: usize,
    is_cut_short: bool,
    peers: Vec<About>,
    left_out: Vec<String>,
    runs: Vec<Run>,
}

/// A peer, as the report tells of it.
#[derive(Debug, Serialize)]
struct About {
    name: String,
    version: String,
    speaks: &'static str,
    keeps: &'static str,
}

impl Report {
    pub(crate) fn new(
        options: &Options,
        reference: &str,
        peers: &[Contender],
        missing: &[String],
    ) -> Self {
        Self {
            date: machine::date(),
            commit: machine::commit(),
            machine: machine::describe(),
            command: format!("cargo xtask bench messaging{}", options.words),
            reference: reference.to_owned(),
            measured_seconds: options.common.measured.as_secs_f64(),
            repeats: options.common.repeats,
            is_cut_short: false,
            peers: peers
                .iter()
                .map(|peer| About {
                    name: peer.name().to_owned(),
                    version: peer.version(),
                    speaks: peer.about.speaks,
                    keeps: peer.about.keeps,
                })
                .collect(),
            left_out: missing.to_vec(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Notes that there was no time for all.
    pub(crate) fn cut_short(&mut self) {
        self.is_cut_short = true;
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// Writes `messaging.json` into `folder`.
    pub(crate) fn write_json(&self, folder: &Path) -> Result<(), String> {
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        write(folder, "messaging.json", &json)
    }

    /// Writes `messaging.md` and a plot for each scenario into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for scenario in self.scenarios() {
            write(folder, &plot::name(scenario), &self.plot(scenario))?;
        }
        write(folder, "messaging.md", &self.markdown())
    }

    fn scenarios(&self) -> Vec<Scenario> {
        in_order(self.runs.iter().map(|run| run.scenario))
    }

    /// Those who took part in a scenario.
    fn peers_in(&self, scenario: Scenario) -> Vec<&str> {
        let runs = self.runs.iter().filter(|run| run.scenario == scenario);
        in_order(runs.map(|run| run.peer.as_str()))
    }

    /// Whom ratios compare with in a scenario: who was asked for where it takes part, else the first.
    fn reference_in(&self, scenario: Scenario) -> &str {
        let peers = self.peers_in(scenario);
        match peers.contains(&self.reference.as_str()) {
            true => &self.reference,
            false => peers.first().copied().unwrap_or_default(),
        }
    }

    /// By repeat.
    fn values(&self, scenario: Scenario, peer: &str, figure: Figure) -> Vec<(usize, f64)> {
        self.runs
            .iter()
            .filter(|run| run.scenario == scenario && run.peer == peer)
            .filter_map(|run| match &run.outcome {
                Outcome::Done(figures) => Some((run.repeat, figures.value(figure)?)),
                Outcome::Failed(_) => None,
            })
            .collect()
    }

    fn spread(&self, scenario: Scenario, peer: &str, figure: Figure) -> Option<Spread> {
        let values = self.values(scenario, peer, figure);
        let values: Vec<f64> = values
            .iter()
            .map(|(_, value)| figure.shown(*value))
            .collect();
        (!values.is_empty()).then_some(Spread(values))
    }

    /// The median of the ratios within each repeat: what disturbed one repeat disturbed both.
    fn ratio(&self, scenario: Scenario, peer: &str) -> Option<f64> {
        let [main, ..] = columns(scenario) else {
            return None;
        };
        let reference = self.values(scenario, self.reference_in(scenario), *main);
        let ratios: Vec<f64> = self
            .values(scenario, peer, *main)
            .iter()
            .filter_map(|(repeat, value)| {
                let (_, other) = reference.iter().find(|(other, _)| other == repeat)?;
                Some(value / other)
            })
            .collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// Why there is no figure.
    fn failure(&self, scenario: Scenario, peer: &str) -> Option<&str> {
        self.runs
            .iter()
            .filter(|run| run.scenario == scenario && run.peer == peer)
            .find_map(|run| match &run.outcome {
                Outcome::Failed(reason) => Some(reason.as_str()),
                Outcome::Done(_) => None,
            })
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn report(runs: Vec<Run>) -> Report {
        Report {
            date: String::new(),
            commit: String::new(),
            machine: String::new(),
            command: String::new(),
            reference: "raw".to_owned(),
            measured_seconds: 1.0,
            repeats: 3,
            is_cut_short: false,
            peers: Vec::new(),
            left_out: Vec::new(),
            runs,
        }
    }

    /// `peer`'s values in the repeats of a scenario about memory.
    pub(super) fn runs(peer: &str, values: &[f64]) -> Vec<Run> {
        let runs = values.iter().enumerate().map(|(index, value)| Run {
            scenario: "memory-10".parse().unwrap(),
            peer: peer.to_owned(),
            repeat: index + 1,
            outcome: Outcome::Done(Figures::of_memory(*value)),
        });
        runs.collect()
    }

    #[test]
    fn ratios_are_taken_within_a_repeat() {
        // The machine was half as fast in the second repeat, for both.
        let mut all = runs("raw", &[100.0, 50.0, 100.0]);
        all.extend(runs("other", &[90.0, 45.0, 20.0]));
        let report = report(all);
        let scenario = report.scenarios()[0];
        assert_eq!(report.ratio(scenario, "other"), Some(0.9));
        assert_eq!(report.ratio(scenario, "nobody"), None);
    }

    #[test]
    fn where_the_reference_does_not_take_part_the_first_is_one() {
        let mut all = runs("tidings", &[100.0]);
        all.extend(runs("other", &[50.0]));
        let report = report(all);
        let scenario = report.scenarios()[0];
        assert_eq!(report.reference_in(scenario), "tidings");
        assert_eq!(report.ratio(scenario, "other"), Some(0.5));
    }
}
