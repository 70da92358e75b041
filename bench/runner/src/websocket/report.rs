//! Medians of what was measured: a Markdown file for people, a JSON file for programs.

mod table;

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::load::{Echo, Idle};
use super::options::Options;
use crate::machine;

/// One server under one scenario, once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) scenario: String,
    pub(crate) peer: String,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done(Figures),
    /// The peer does not negotiate the compression that the scenario is about.
    NotOffered,
    Failed(String),
}

/// What was measured; times in microseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figures {
    Echo {
        /// Messages per second of the server's CPU time.
        per_cpu_second: f64,
        per_second: f64,
        user_per_message: f64,
        kernel_per_message: f64,
        p50: f64,
        p99: f64,
        p999: f64,
        slowest: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        calls_per_message: Option<f64>,
        /// Payload bytes of an answer, and frame bytes of a message.
        answer_bytes: f64,
        message_bytes: f64,
        /// How busy generator and strangers kept the machine, in cores.
        generator_busy: f64,
        others_busy: f64,
        /// Answers that were not what had been asked.
        wrong: u64,
    },
    /// Resident bytes per connection.
    Idle {
        opened_bytes: f64,
        touched_bytes: f64,
        opened_per_cpu_second: f64,
        wrong: u64,
    },
}

impl Figures {
    pub(crate) fn of_echo(echo: &Echo, calls_per_message: Option<f64>) -> Self {
        let quantile = |share| echo.latency.value_at_quantile(share) as f64 / 1e3;
        let (server, messages) = (echo.server, echo.messages);
        // Ticks tell the shares of user and kernel; the scheduler tells their sum.
        let user = server.user.min(server.total);
        Self::Echo {
            per_cpu_second: messages / server.total,
            per_second: messages / echo.seconds,
            user_per_message: user * 1e6 / messages,
            kernel_per_message: (server.total - user) * 1e6 / messages,
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
            slowest: echo.latency.max() as f64 / 1e3,
            calls_per_message,
            answer_bytes: echo.answer_bytes,
            message_bytes: echo.message_bytes,
            generator_busy: echo.generator / echo.seconds,
            others_busy: echo.others / echo.seconds,
            wrong: echo.wrong,
        }
    }

    pub(crate) fn of_idle(idle: Idle) -> Self {
        Self::Idle {
            opened_bytes: idle.opened_bytes,
            touched_bytes: idle.touched_bytes,
            opened_per_cpu_second: idle.opened_per_cpu_second,
            wrong: idle.wrong,
        }
    }

    fn wrong(&self) -> u64 {
        match self {
            Self::Echo { wrong, .. } | Self::Idle { wrong, .. } => *wrong,
        }
    }
}

/// Says how it went while it goes on.
impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => write!(out, "does not negotiate it"),
            Self::Failed(reason) => write!(out, "FAILED: {reason}"),
            Self::Done(figures) => {
                match figures {
                    Figures::Echo {
                        per_cpu_second,
                        p50,
                        p99,
                        generator_busy,
                        ..
                    } => write!(
                        out,
                        "{:>9.1} k a CPU second, p50 {p50:.0} us, p99 {p99:.0} us, \
                         generator {:.0} % busy",
                        per_cpu_second / 1e3,
                        generator_busy * 100.0,
                    )?,
                    Figures::Idle {
                        opened_bytes,
                        touched_bytes,
                        ..
                    } => write!(
                        out,
                        "{opened_bytes:>9.0} B a connection, {touched_bytes:.0} B after a message",
                    )?,
                }
                match figures.wrong() {
                    0 => Ok(()),
                    wrong => write!(out, ", {wrong} WRONG ANSWERS"),
                }
            }
        }
    }
}

/// All runs, and what they were made on.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    commit: String,
    machine: String,
    reference: String,
    measured_seconds: f64,
    repeats: usize,
    is_cut_short: bool,
    left_out: Vec<String>,
    runs: Vec<Run>,
}

impl Report {
    pub(crate) fn new(options: &Options, reference: &str, missing: &[String]) -> Self {
        Self {
            date: machine::date(),
            commit: machine::commit(),
            machine: machine::describe(),
            reference: reference.to_owned(),
            measured_seconds: options.common.measured.as_secs_f64(),
            repeats: options.common.repeats,
            is_cut_short: false,
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

    /// Writes `websocket.md` and `websocket.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        for (name, text) in [("websocket.md", self.markdown()), ("websocket.json", json)] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}
