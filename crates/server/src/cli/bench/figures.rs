//! What a run found, with units in the names: `--json` prints it as it is, the reports tell it to people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::follower::Transport;
use super::ledger::Balance;
use super::recorder::TimePoint;
use crate::cli::load::latency::{CurvePoint, Quantiles};

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) tidings_version: &'static str,
    pub(super) load: Load,
    pub(super) throughput: Throughput,
    /// From when a message should have been sent until a client had it.
    pub(super) delivery_us: Quantiles,
    /// From when a message should have been sent until its publisher heard that it is stored.
    pub(super) acknowledgement_us: Quantiles,
    pub(super) connecting: Connecting,
    pub(super) correctness: Correctness,
    pub(super) bytes: Bytes,
    pub(super) generator: Generator,
    /// Where the server's process is known.
    pub(super) server: Option<Server>,
    pub(super) timeline: Vec<TimePoint>,
    pub(super) delivery_curve: Vec<CurvePoint>,
    /// What to know before trusting the rest, in words.
    pub(super) notes: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Load {
    pub(super) url: String,
    pub(super) transport: Transport,
    pub(super) clients: u32,
    pub(super) publishers: u32,
    pub(super) channels: u32,
    /// The names of the channels: a prefix and a `*`.
    pub(super) channel_names: String,
    pub(super) rate_per_s: u32,
    pub(super) data_bytes: usize,
    pub(super) warmup_s: u32,
    /// What was to be measured.
    pub(super) planned_s: u32,
    /// What was.
    pub(super) measured_s: f64,
    pub(super) interrupted: bool,
}

/// Within the measured time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Throughput {
    /// Acknowledged messages.
    pub(super) published: u64,
    pub(super) published_per_s: f64,
    pub(super) delivered: u64,
    pub(super) delivered_per_s: f64,
}

/// From the first byte of a connection until the client was subscribed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Connecting {
    pub(super) each_us: Quantiles,
    pub(super) all_s: f64,
}

/// Of all messages, those of the warm-up as well.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Correctness {
    #[serde(flatten)]
    pub(super) balance: Balance,
    /// Messages that were sent.
    pub(super) sent: u64,
    /// Messages that were acknowledged.
    pub(super) acknowledged: u64,
    /// Messages that should have been sent in the time that there was, and were not.
    pub(super) unsent: u64,
    /// Messages that were sent and never answered.
    pub(super) unanswered: u64,
    /// Messages that the server refused, by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Connections that ended before the run did.
    pub(super) broken_connections: u64,
    /// Polls that failed and were tried again.
    pub(super) repeated_polls: u64,
}

/// Within the measured time, counted at the sockets: heads and frames included, TCP and IP not.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Bytes {
    pub(super) clients_received: u64,
    pub(super) clients_sent: u64,
    pub(super) publishers_received: u64,
    pub(super) publishers_sent: u64,
    /// Received by the clients; `null` where nothing was delivered.
    pub(super) received_per_delivery: Option<f64>,
}

/// How near this tool was to its own limit, within the measured time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Generator {
    pub(super) cpu_s: f64,
    /// Of the one core that it can use, 0 to 1.
    pub(super) cpu_share: f64,
    /// How long it could have run and had no CPU, as a share of the measured time.
    pub(super) cpu_wait_share: f64,
    /// How much later than it should have been a message was sent.
    pub(super) late_us: Quantiles,
}

/// The server's process.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Server {
    pub(super) pid: u32,
    pub(super) name: String,
    /// Within the measured time, all threads.
    pub(super) cpu_s: f64,
    /// How long its threads could have run and had no CPU, added up.
    pub(super) cpu_wait_s: f64,
    /// `null` where nothing was delivered.
    pub(super) cpu_us_per_delivery: Option<f64>,
    /// Resident memory before the first connection …
    pub(super) rss_before_bytes: u64,
    /// … when all were open …
    pub(super) rss_connected_bytes: u64,
    /// … and after the last message.
    pub(super) rss_after_bytes: u64,
    /// What the connections added; negative where memory was given back meanwhile.
    pub(super) rss_bytes_per_connection: f64,
}

/// `value` for each of `count`, where there is any.
pub(super) fn per(value: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| value / count as f64)
}

/// From which share of its core this tool is taken for the limit: above it, what waits in line here
/// is seen as the server's latency.
const BUSY_SHARE: f64 = 0.9;

/// Which share of the rate is as good as all of it: at the edges of the measured time some messages fall
/// out, of a few hundred one in a hundred.
const REACHED_SHARE: f64 = 0.95;

/// From which share of the time without a CPU the machine is called busy: a twentieth moves p99, and much
/// less than that happens on any machine.
const WAIT_SHARE: f64 = 0.05;

/// What to know before trusting the figures; `troubles` are what happened, in words.
pub(super) fn notes(figures: &Figures, troubles: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    let correctness = &figures.correctness;
    if figures.load.interrupted {
        notes.push("It was ended early.".to_owned());
    }
    let (rate, published_per_s) = (figures.load.rate_per_s, figures.throughput.published_per_s);
    if published_per_s < f64::from(rate) * REACHED_SHARE {
        notes.push(format!(
            "The rate was not reached: {published_per_s:.1} of {rate} messages a second were acknowledged within \
             the time. At such a rate latency grows for as long as the run lasts."
        ));
    }
    if figures.generator.cpu_share > BUSY_SHARE {
        notes.push(format!(
            "This tool was the limit: it used {:.0} % of its core. Latencies are partly its own; use fewer \
             clients or a lower rate, or run several at a time.",
            figures.generator.cpu_share * 100.0
        ));
    }
    if figures.generator.cpu_wait_share > WAIT_SHARE {
        notes.push(format!(
            "The machine was busy: this tool waited for a CPU for {:.0} % of the time. Latencies tell of the \
             machine more than of the server.",
            figures.generator.cpu_wait_share * 100.0
        ));
    }
    if figures.generator.late_us.p99 > figures.acknowledgement_us.p50.max(LATE_US) {
        notes.push(
            "Messages were sent late, and the wait counts as latency: the machine was busy, or answers come too \
             slowly for so few --publishers (one that POSTs has one request under way)."
                .to_owned(),
        );
    }
    if correctness.unsent > 0 {
        notes.push(format!(
            "{} messages could not be sent in time: the rate was not reached.",
            correctness.unsent
        ));
    }
    if correctness.unanswered > 0 {
        notes.push(format!(
            "{} messages were never answered; whether they were delivered is not judged.",
            correctness.unanswered
        ));
    }
    if correctness.broken_connections > 0 {
        notes.push(format!(
            "{} connections ended before the run did; what their clients missed counts as lost.",
            correctness.broken_connections
        ));
    }
    notes.extend(
        troubles
            .iter()
            .map(|words| format!("It happened that {words}")),
    );
    notes
}

/// A message that is sent so little late is not worth a word, in microseconds: two ticks of the
/// scheduler on a busy machine.
const LATE_US: u64 = 2_000;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run in which everything went well.
    pub(in super::super) fn figures() -> Figures {
        let quantiles = |p50| Quantiles {
            count: 100_000,
            p50,
            p90: p50 * 2,
            p99: p50 * 4,
            p99_9: p50 * 10,
            max: p50 * 20,
        };
        Figures {
            tidings_version: "0.1.0",
            load: Load {
                url: "http://127.0.0.1:7007".to_owned(),
                transport: Transport::LongPoll,
                clients: 1000,
                publishers: 4,
                channels: 10,
                channel_names: "bench:00ff:*".to_owned(),
                rate_per_s: 100,
                data_bytes: 128,
                warmup_s: 2,
                planned_s: 10,
                measured_s: 10.0,
                interrupted: false,
            },
            throughput: Throughput {
                published: 1000,
                published_per_s: 100.0,
                delivered: 100_000,
                delivered_per_s: 10_000.0,
            },
            delivery_us: quantiles(180),
            acknowledgement_us: quantiles(90),
            connecting: Connecting {
                each_us: quantiles(900),
                all_s: 0.25,
            },
            correctness: Correctness {
                balance: Balance {
                    promised: 120_000,
                    delivered: 120_000,
                    lost: 0,
                    duplicated: 0,
                    out_of_order: 0,
                },
                sent: 1200,
                acknowledged: 1200,
                unsent: 0,
                unanswered: 0,
                refused: BTreeMap::new(),
                broken_connections: 0,
                repeated_polls: 0,
            },
            bytes: Bytes {
                clients_received: 30_000_000,
                clients_sent: 10_000,
                publishers_received: 90_000,
                publishers_sent: 200_000,
                received_per_delivery: Some(300.0),
            },
            generator: Generator {
                cpu_s: 1.0,
                cpu_share: 0.1,
                cpu_wait_share: 0.01,
                late_us: quantiles(20),
            },
            server: Some(Server {
                pid: 77,
                name: "tidings".to_owned(),
                cpu_s: 0.5,
                cpu_wait_s: 0.01,
                cpu_us_per_delivery: Some(5.0),
                rss_before_bytes: 10 << 20,
                rss_connected_bytes: 20 << 20,
                rss_after_bytes: 21 << 20,
                rss_bytes_per_connection: 10443.5,
            }),
            timeline: (1..=10)
                .map(|second| TimePoint {
                    at_s: f64::from(second),
                    published_per_s: 100.0,
                    delivered_per_s: 10_000.0,
                    p50_us: 180,
                    p99_us: 700,
                    max_us: 3600,
                })
                .collect(),
            delivery_curve: [(0.0, 100), (0.5, 180), (0.9, 360), (0.99, 720), (1.0, 3600)]
                .map(|(quantile, us)| CurvePoint { quantile, us })
                .to_vec(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_went_well_needs_no_notes() {
        assert!(notes(&figures(), &[]).is_empty());
    }

    #[test]
    fn what_makes_figures_doubtful_is_said() {
        let mut doubtful = figures();
        doubtful.load.interrupted = true;
        doubtful.throughput.published_per_s = 73.0;
        doubtful.generator.cpu_share = 0.95;
        doubtful.generator.cpu_wait_share = 0.31;
        doubtful.generator.late_us.p99 = 10_000;
        doubtful.correctness.unsent = 5;
        doubtful.correctness.unanswered = 3;
        doubtful.correctness.broken_connections = 2;
        let notes = notes(&doubtful, &["a connection ended: why".to_owned()]);
        for (note, word) in notes.iter().zip([
            "early",
            "73.0 of 100",
            "95 %",
            "31 %",
            "late",
            "5 m",
            "3 m",
            "2 c",
            "why",
        ]) {
            assert!(note.contains(word), "{word}: {note}");
        }
        assert_eq!(notes.len(), 9);
    }

    #[test]
    fn json_is_one_object_with_units_in_its_names() {
        let json = serde_json::to_value(figures()).unwrap();
        assert_eq!(json["delivery_us"]["p99_9"], 1800);
        assert_eq!(json["load"]["transport"], "long-poll");
        assert_eq!(json["correctness"]["lost"], 0);
        assert_eq!(json["server"]["cpu_us_per_delivery"], 5.0);
    }

    #[test]
    fn nothing_for_each_of_none_is_not_a_number() {
        assert_eq!(per(1.0, 0), None);
        assert_eq!(per(1.0, 4), Some(0.25));
    }
}
