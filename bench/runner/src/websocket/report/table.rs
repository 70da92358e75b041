//! The tables: who stands where in each scenario, and all of them at a glance.

use std::fmt::Write;

use super::{Figures, Outcome, Report, Run};
use crate::statistics::{Spread, in_order, median, short, show};

impl Report {
    /// The whole as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# Echo servers against each other\n\n\
             {}, commit {}, {}. {} repeats of {} s each, peers in turn; medians, and the \
             smallest and largest in brackets.\n\n\
             Trust the messages per second of the server's CPU time, and of those the ratios to \
             {}: the rest moves with the machine.\n\n",
            self.date,
            self.commit,
            self.machine,
            self.repeats,
            self.measured_seconds,
            self.reference,
        );
        if self.is_cut_short {
            text += "**The time was up before the end:** some figures are missing.\n\n";
        }
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "Left out: {}.\n", self.left_out.join("; "));
        }
        text += &self.summary();
        for scenario in self.scenarios() {
            let _ = writeln!(text, "\n## {scenario}\n");
            text += &self.details(scenario);
        }
        text
    }

    /// One row a scenario, one column a peer: thousands of messages per CPU second, or bytes per
    /// connection, and the ratio to the reference.
    pub(crate) fn summary(&self) -> String {
        let peers = self.peers();
        let mut text = format!(
            "Thousands of messages per CPU second (idle: bytes per connection), and times {}:\n\n",
            self.reference
        );
        let _ = writeln!(text, "| | {} |", peers.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(peers.len()));
        for scenario in self.scenarios() {
            let _ = write!(text, "| {scenario} |");
            for peer in &peers {
                let cell = match (self.spread(scenario, peer), self.ratio(scenario, peer)) {
                    (Some(spread), Some(ratio)) => {
                        format!("{} ({ratio:.2})", short(spread.median()))
                    }
                    (Some(spread), None) => short(spread.median()),
                    (None, _) => self.absence(scenario, peer).to_owned(),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }

    fn details(&self, scenario: &str) -> String {
        let mut text = String::new();
        let is_idle = scenario.starts_with("idle");
        text += if is_idle {
            "| | B a connection | ratio | B after a message of 16 KiB | opened per CPU second |\n\
             |---|---|---|---|---|\n"
        } else {
            "| | k messages per CPU second | ratio | k a second | p50 µs | p99 µs | p99.9 µs \
             | user µs | kernel µs | calls | bytes out, back | generator |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n"
        };
        for peer in self.peers() {
            let _ = write!(text, "| {peer} |");
            match self.spread(scenario, peer) {
                None => {
                    let _ = writeln!(text, " {} |", self.why(scenario, peer));
                    continue;
                }
                Some(spread) => {
                    let ratio = self.ratio(scenario, peer);
                    let ratio = ratio.map_or("".to_owned(), |ratio| format!("{ratio:.2}"));
                    let _ = write!(text, " {} | {ratio} |", spread.whole());
                }
            }
            let of = |figure: Figure| self.values(scenario, peer, figure).map(|all| median(&all));
            let cells: Vec<String> = if is_idle {
                vec![
                    show(of(Figure::TouchedBytes), 0),
                    show(of(Figure::OpenedPerCpuSecond), 0),
                ]
            } else {
                vec![
                    show(of(Figure::PerSecond), 1),
                    show(of(Figure::P50), 0),
                    show(of(Figure::P99), 0),
                    show(of(Figure::P999), 0),
                    show(of(Figure::User), 2),
                    show(of(Figure::Kernel), 2),
                    show(of(Figure::Calls), 2),
                    format!(
                        "{}, {}",
                        show(of(Figure::MessageBytes), 0),
                        show(of(Figure::AnswerBytes), 0)
                    ),
                    show(of(Figure::Generator), 2),
                ]
            };
            let wrong: u64 = self.figures(scenario, peer).map(Figures::wrong).sum();
            let wrong = match wrong {
                0 => String::new(),
                wrong => format!(" **{wrong} wrong answers** |"),
            };
            let _ = writeln!(text, " {} |{wrong}", cells.join(" | "));
        }
        text
    }

    fn scenarios(&self) -> Vec<&str> {
        in_order(self.runs.iter().map(|run| run.scenario.as_str()))
    }

    fn peers(&self) -> Vec<&str> {
        in_order(self.runs.iter().map(|run| run.peer.as_str()))
    }

    fn runs_of<'a>(&'a self, scenario: &'a str, peer: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs
            .iter()
            .filter(move |run| run.scenario == scenario && run.peer == peer)
    }

    fn figures<'a>(
        &'a self,
        scenario: &'a str,
        peer: &'a str,
    ) -> impl Iterator<Item = &'a Figures> {
        self.runs_of(scenario, peer)
            .filter_map(|run| match &run.outcome {
                Outcome::Done(figures) => Some(figures),
                _ => None,
            })
    }

    fn values(&self, scenario: &str, peer: &str, figure: Figure) -> Option<Vec<f64>> {
        let all: Vec<f64> = self
            .figures(scenario, peer)
            .filter_map(|figures| figure.of(figures))
            .collect();
        (!all.is_empty()).then_some(all)
    }

    fn spread(&self, scenario: &str, peer: &str) -> Option<Spread> {
        self.values(scenario, peer, Figure::Main).map(Spread)
    }

    /// The median of the ratios within each repeat: what disturbed one repeat disturbed both.
    fn ratio(&self, scenario: &str, peer: &str) -> Option<f64> {
        let own = self.values(scenario, peer, Figure::Main)?;
        let reference = self.values(scenario, &self.reference, Figure::Main)?;
        let ratios: Vec<f64> = own
            .iter()
            .zip(&reference)
            .map(|(own, other)| own / other)
            .collect();
        Some(median(&ratios))
    }

    fn absence(&self, scenario: &str, peer: &str) -> &'static str {
        match self.runs_of(scenario, peer).last().map(|run| &run.outcome) {
            Some(Outcome::Failed(_)) => "failed",
            Some(Outcome::NotOffered) => "–",
            _ => "",
        }
    }

    fn why(&self, scenario: &str, peer: &str) -> String {
        match self.runs_of(scenario, peer).last().map(|run| &run.outcome) {
            Some(Outcome::Failed(reason)) => format!("failed: {}", reason.replace('|', "/")),
            Some(Outcome::NotOffered) => "does not negotiate it".to_owned(),
            _ => "did not run".to_owned(),
        }
    }
}

/// A column.
#[derive(Clone, Copy)]
enum Figure {
    /// What a scenario is about.
    Main,
    PerSecond,
    P50,
    P99,
    P999,
    User,
    Kernel,
    Calls,
    MessageBytes,
    AnswerBytes,
    Generator,
    TouchedBytes,
    OpenedPerCpuSecond,
}

impl Figure {
    fn of(self, figures: &Figures) -> Option<f64> {
        match figures {
            Figures::Echo {
                per_cpu_second,
                per_second,
                user_per_message,
                kernel_per_message,
                p50,
                p99,
                p999,
                calls_per_message,
                answer_bytes,
                message_bytes,
                generator_busy,
                ..
            } => Some(match self {
                Self::Main => per_cpu_second / 1e3,
                Self::PerSecond => per_second / 1e3,
                Self::P50 => *p50,
                Self::P99 => *p99,
                Self::P999 => *p999,
                Self::User => *user_per_message,
                Self::Kernel => *kernel_per_message,
                Self::Calls => return *calls_per_message,
                Self::MessageBytes => *message_bytes,
                Self::AnswerBytes => *answer_bytes,
                Self::Generator => *generator_busy,
                Self::TouchedBytes | Self::OpenedPerCpuSecond => return None,
            }),
            Figures::Idle {
                opened_bytes,
                touched_bytes,
                opened_per_cpu_second,
                ..
            } => match self {
                Self::Main => Some(*opened_bytes),
                Self::TouchedBytes => Some(*touched_bytes),
                Self::OpenedPerCpuSecond => Some(*opened_per_cpu_second),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(runs: Vec<Run>) -> Report {
        Report {
            date: String::new(),
            commit: String::new(),
            machine: String::new(),
            reference: "raw".to_owned(),
            measured_seconds: 1.0,
            repeats: 3,
            is_cut_short: false,
            left_out: Vec::new(),
            runs,
        }
    }

    fn idle(peer: &str, opened_bytes: f64) -> Run {
        Run {
            scenario: "idle-10".to_owned(),
            peer: peer.to_owned(),
            outcome: Outcome::Done(Figures::Idle {
                opened_bytes,
                touched_bytes: 1.0,
                opened_per_cpu_second: 2.0,
                wrong: 0,
            }),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_repeat() {
        // The machine was half as fast in the second repeat, for both.
        let report = report(vec![
            idle("raw", 100.0),
            idle("other", 90.0),
            idle("raw", 50.0),
            idle("other", 45.0),
            idle("raw", 100.0),
            idle("other", 20.0),
        ]);
        assert_eq!(report.ratio("idle-10", "other"), Some(0.9));
        assert!(report.summary().contains("| 100 (1.00) | 45.0 (0.90) |"));
        assert!(report.markdown().contains("45.0 (20.0..90.0)"));
    }

    #[test]
    fn who_is_missing_is_named() {
        let mut runs = vec![idle("raw", 100.0)];
        runs.push(Run {
            scenario: "idle-10".to_owned(),
            peer: "other".to_owned(),
            outcome: Outcome::Failed("it fell over".to_owned()),
        });
        let text = report(runs).markdown();
        assert!(text.contains("| other | failed: it fell over |"), "{text}");
    }
}
