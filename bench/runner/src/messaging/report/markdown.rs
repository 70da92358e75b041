//! The report as a page: who was measured, all at a glance, and a table for each scenario.

use std::fmt::Write;

use super::{Figure, Report, columns, plot};
use crate::messaging::scenario::Scenario;
use crate::statistics::{in_order, short};

/// How to read what follows.
const LEGEND: &str = "\
Server and generator have a core each, every run a fresh server, peers take turns (A B C A B C). A figure is
the median of the repeats, with the smallest and the largest in brackets where it may move (in the plots: a bar and a line). **Trust the ratios**:
they are taken within each repeat, at the same hour on the same machine. Throughput and latency tell of
the machine as well.

| column | what it is |
|---|---|
| k per CPU second | thousands of deliveries, messages or connections per second of the server's CPU time: the scheduler's count in nanoseconds, all threads, kernel included |
| ratio | to the peer that is named, of the first column; where the first column is a time or a size, less is better |
| k a second | throughput. Where *generator* is near 1.00, the generator was the limit and a server had time to spare |
| p50, p99, p99.9 | in a closed loop from the publish, at a fixed rate from when it was to happen, until a delivery or an acknowledgement was read |
| CPU, user, kernel | the server's CPU time for one of them. The sum is exact; its shares are as fine as the kernel's ticks, and mean little where a server has little to do |
| server, generator, others | cores that each of them used |
| RSS | resident memory of the server's process |

Every server here keeps the order and loses nothing while connections last, which is checked. What they are
asked to do is not the same: `raw-epoll` is the ceiling, a loop without any rule; `node-ws`, `bun` and
`uwebsockets` are libraries that write what came to a list of sockets. None of these has
subscriptions, acknowledgements, history or recovery, which come with the others, and only Tidings has
stored a message before it delivers it.
";

impl Report {
    /// The whole page.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Messaging, measured\n\n\
             Made by `{}`: {}, commit {}, {}; {} repeats, {} s measured each.\n\n",
            self.command, self.date, self.commit, self.machine, self.repeats, self.measured_seconds,
        );
        if self.is_cut_short {
            text += "**The time was up before the end:** some figures are missing.\n\n";
        }
        text += "## Who\n\n| | version | speaks | keeps of messages |\n|---|---|---|---|\n";
        for peer in &self.peers {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                peer.name, peer.version, peer.speaks, peer.keeps
            );
        }
        if !self.left_out.is_empty() {
            text += "\nNot here, and left out:\n\n";
            for line in &self.left_out {
                let _ = writeln!(text, "- {line}");
            }
        }
        let _ = write!(text, "\n## How to read it\n\n{LEGEND}\n## At a glance\n\n");
        text += &self.summary();
        for scenario in self.scenarios() {
            let _ = write!(
                text,
                "\n## {}\n\n{}\n\n![{}]({})\n\n",
                scenario.title(),
                scenario.meaning(),
                scenario.title(),
                plot::name(scenario),
            );
            text += &self.details(scenario);
        }
        text
    }

    /// One row a scenario, one column a peer: the figure that it is about, and the ratio.
    pub(crate) fn summary(&self) -> String {
        let peers = in_order(self.runs.iter().map(|run| run.peer.as_str()));
        let mut text = format!("| | unit | {} |\n", peers.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(peers.len()));
        for scenario in self.scenarios() {
            let [main, ..] = columns(scenario) else {
                continue;
            };
            let _ = write!(text, "| {scenario} | {} |", main.heading());
            for peer in &peers {
                let spread = self.spread(scenario, peer, *main);
                let cell = match (spread, self.ratio(scenario, peer)) {
                    (Some(spread), Some(ratio)) => {
                        format!("{} ({ratio:.2})", short(spread.median()))
                    }
                    (Some(spread), None) => short(spread.median()),
                    (None, _) if self.failure(scenario, peer).is_some() => "failed".to_owned(),
                    (None, _) => String::new(),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }

    fn details(&self, scenario: Scenario) -> String {
        let columns = columns(scenario);
        let reference = self.reference_in(scenario);
        let mut heads: Vec<String> = columns
            .iter()
            .map(|figure| figure.heading().to_owned())
            .collect();
        heads.insert(1, format!("× {reference}"));
        let mut text = format!("| {scenario} | {} |\n", heads.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(heads.len()));
        for peer in self.peers_in(scenario) {
            let mut cells: Vec<String> = columns
                .iter()
                .map(|figure| self.cell(scenario, peer, *figure))
                .collect();
            let ratio = self.ratio(scenario, peer);
            cells.insert(
                1,
                ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            );
            let _ = writeln!(text, "| {peer} | {} |", cells.join(" | "));
        }
        for peer in self.peers_in(scenario) {
            if let Some(reason) = self.failure(scenario, peer) {
                let _ = writeln!(text, "\n**{peer} failed:** {reason}");
            }
        }
        text
    }

    fn cell(&self, scenario: Scenario, peer: &str, figure: Figure) -> String {
        match self.spread(scenario, peer, figure) {
            Some(spread) if figure.has_range() => spread.whole(),
            Some(spread) => short(spread.median()),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, runs};
    use super::super::{Outcome, Run};

    #[test]
    fn a_table_has_medians_ranges_and_ratios() {
        let mut all = runs("raw", &[100.0, 50.0, 100.0]);
        all.extend(runs("other", &[90.0, 45.0, 20.0]));
        let text = report(all).markdown();
        assert!(text.contains("| memory-10 | B a follower | 100 (1.00) | 45.0 (0.90) |"));
        assert!(text.contains("| memory-10 | B a follower | × raw |"));
        assert!(
            text.contains("| other | 45.0 (20.0..90.0) | 0.90 |"),
            "{text}"
        );
        assert!(text.contains("](memory-10.svg)"));
    }

    #[test]
    fn who_failed_is_named_with_the_reason() {
        let mut all = runs("raw", &[100.0]);
        all.push(Run {
            scenario: "memory-10".parse().unwrap(),
            peer: "other".to_owned(),
            repeat: 1,
            outcome: Outcome::Failed("WRONG: 3 messages were skipped".to_owned()),
        });
        let text = report(all).markdown();
        assert!(text.contains("**other failed:** WRONG: 3 messages were skipped"));
        assert!(text.contains("| 100 (1.00) | failed |"), "{text}");
    }
}
