//! What is measured in a scenario, and how a figure is written.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::messaging::load::{Fanned, Published, Resumed, Used};
use crate::messaging::scenario::Scenario;
use crate::statistics::short;

/// A column of a table; a key in the JSON, where times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    PerServerCpuSecond,
    PerSecond,
    P50Seconds,
    P99Seconds,
    P999Seconds,
    /// For each delivery, message or connection; then its two parts.
    ServerSeconds,
    ServerUserSeconds,
    ServerKernelSeconds,
    /// Cores that the server used.
    ServerBusy,
    /// Cores that the generator, and everybody else, used.
    GeneratorBusy,
    OthersBusy,
    ResidentBytes,
    BytesEach,
    /// CPU seconds a second for each connection.
    CpuEach,
    Seconds,
    ServerCpuSeconds,
    PeakResidentBytes,
    LiveP99Seconds,
}

/// The columns of a scenario's table. The first is what it is about: what is compared and plotted.
pub(super) fn columns(scenario: Scenario) -> &'static [Figure] {
    use Figure::*;
    match scenario {
        Scenario::Fanout { .. } => &[
            PerServerCpuSecond,
            PerSecond,
            P50Seconds,
            P99Seconds,
            P999Seconds,
            ServerUserSeconds,
            ServerKernelSeconds,
            ServerBusy,
            GeneratorBusy,
            OthersBusy,
            ResidentBytes,
        ],
        Scenario::Shards { .. } => &[
            PerSecond,
            PerServerCpuSecond,
            P50Seconds,
            P99Seconds,
            ServerBusy,
            GeneratorBusy,
            OthersBusy,
        ],
        Scenario::Latency { .. } => &[
            P50Seconds,
            P99Seconds,
            P999Seconds,
            ServerSeconds,
            OthersBusy,
        ],
        Scenario::Publish { .. } => &[
            PerServerCpuSecond,
            PerSecond,
            P50Seconds,
            P99Seconds,
            ServerBusy,
            GeneratorBusy,
            OthersBusy,
        ],
        Scenario::Accept { .. } => &[
            PerServerCpuSecond,
            PerSecond,
            ServerBusy,
            GeneratorBusy,
            OthersBusy,
        ],
        Scenario::Resume { .. } => &[
            Seconds,
            ServerCpuSeconds,
            PeakResidentBytes,
            LiveP99Seconds,
            GeneratorBusy,
            OthersBusy,
        ],
        Scenario::Memory { .. } => &[BytesEach],
        Scenario::Idle { .. } => &[CpuEach],
    }
}

impl Figure {
    /// At the head of its column, with its unit.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::PerServerCpuSecond => "k per CPU second",
            Self::PerSecond => "k a second",
            Self::P50Seconds => "p50 ms",
            Self::P99Seconds => "p99 ms",
            Self::P999Seconds => "p99.9 ms",
            Self::ServerSeconds => "CPU µs",
            Self::ServerUserSeconds => "user µs",
            Self::ServerKernelSeconds => "kernel µs",
            Self::ServerBusy => "server",
            Self::GeneratorBusy => "generator",
            Self::OthersBusy => "others",
            Self::ResidentBytes => "RSS MB",
            Self::BytesEach => "B a follower",
            Self::CpuEach => "µs a second",
            Self::Seconds => "s until all are current",
            Self::ServerCpuSeconds => "CPU s",
            Self::PeakResidentBytes => "peak RSS MB",
            Self::LiveP99Seconds => "live p99 ms",
        }
    }

    /// What stands behind a value by itself, thousands included.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::PerServerCpuSecond | Self::PerSecond => "k",
            Self::P50Seconds | Self::P99Seconds | Self::P999Seconds | Self::LiveP99Seconds => "ms",
            Self::ServerSeconds
            | Self::ServerUserSeconds
            | Self::ServerKernelSeconds
            | Self::CpuEach => "µs",
            Self::ResidentBytes | Self::PeakResidentBytes => "MB",
            Self::ServerBusy | Self::GeneratorBusy | Self::OthersBusy => "cores",
            Self::BytesEach => "B",
            Self::Seconds | Self::ServerCpuSeconds => "s",
        }
    }

    /// In the unit of its heading.
    pub(super) fn shown(self, value: f64) -> f64 {
        match self {
            Self::PerServerCpuSecond | Self::PerSecond => value / 1e3,
            Self::P50Seconds | Self::P99Seconds | Self::P999Seconds | Self::LiveP99Seconds => {
                value * 1e3
            }
            Self::ServerSeconds
            | Self::ServerUserSeconds
            | Self::ServerKernelSeconds
            | Self::CpuEach => value * 1e6,
            Self::ResidentBytes | Self::PeakResidentBytes => value / 1e6,
            Self::ServerBusy
            | Self::GeneratorBusy
            | Self::OthersBusy
            | Self::BytesEach
            | Self::Seconds
            | Self::ServerCpuSeconds => value,
        }
    }

    /// Whether who has more of it does better.
    pub(super) fn more_is_better(self) -> bool {
        matches!(self, Self::PerServerCpuSecond | Self::PerSecond)
    }

    /// Whether it moves enough from repeat to repeat for its range to be told.
    pub(super) fn has_range(self) -> bool {
        matches!(
            self,
            Self::PerServerCpuSecond
                | Self::PerSecond
                | Self::P50Seconds
                | Self::P99Seconds
                | Self::BytesEach
                | Self::CpuEach
                | Self::Seconds
                | Self::LiveP99Seconds
        )
    }
}

/// What one run found.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Figures(BTreeMap<Figure, f64>);

impl Figures {
    pub(super) fn value(&self, figure: Figure) -> Option<f64> {
        self.0.get(&figure).copied()
    }

    pub(crate) fn of_fanout(fanned: &Fanned) -> Self {
        let count = fanned.deliveries as f64;
        let mut all = latencies(&fanned.latency);
        all.extend(busy(&fanned.used));
        all.extend(costs(count, &fanned.used));
        all.insert(Figure::PerSecond, count / fanned.seconds);
        all.insert(Figure::ResidentBytes, fanned.resident_bytes as f64);
        Self(all)
    }

    pub(crate) fn of_publish(published: &Published) -> Self {
        let count = published.acknowledged as f64;
        let mut all = latencies(&published.latency);
        all.extend(busy(&published.used));
        all.extend(costs(count, &published.used));
        Self(all)
    }

    pub(crate) fn of_accept(count: usize, used: &Used) -> Self {
        let mut all = busy(used);
        all.extend(costs(count as f64, used));
        Self(all)
    }

    pub(crate) fn of_resume(resumed: &Resumed) -> Self {
        let mut all = busy(&resumed.used);
        all.insert(Figure::Seconds, resumed.seconds);
        all.insert(Figure::ServerCpuSeconds, resumed.used.server.total);
        all.insert(Figure::PeakResidentBytes, resumed.peak_bytes as f64);
        all.insert(Figure::LiveP99Seconds, quantile(&resumed.live, 0.99));
        Self(all)
    }

    pub(crate) fn of_memory(bytes_each: f64) -> Self {
        Self(BTreeMap::from([(Figure::BytesEach, bytes_each)]))
    }

    pub(crate) fn of_idle(count: usize, used: &Used) -> Self {
        let each = used.server.total / used.seconds / count as f64;
        let mut all = busy(used);
        all.insert(Figure::CpuEach, each);
        Self(all)
    }
}

fn quantile(latency: &Histogram<u64>, share: f64) -> f64 {
    latency.value_at_quantile(share) as f64 / 1e9
}

fn latencies(latency: &Histogram<u64>) -> BTreeMap<Figure, f64> {
    BTreeMap::from([
        (Figure::P50Seconds, quantile(latency, 0.5)),
        (Figure::P99Seconds, quantile(latency, 0.99)),
        (Figure::P999Seconds, quantile(latency, 0.999)),
    ])
}

fn busy(used: &Used) -> BTreeMap<Figure, f64> {
    BTreeMap::from([
        (Figure::ServerBusy, used.server.total / used.seconds),
        (Figure::GeneratorBusy, used.generator / used.seconds),
        (Figure::OthersBusy, used.others / used.seconds),
    ])
}

/// What `count` things cost.
fn costs(count: f64, used: &Used) -> BTreeMap<Figure, f64> {
    // Ticks tell the shares of user and kernel; the scheduler tells their sum.
    let user = used.server.user.min(used.server.total);
    BTreeMap::from([
        (Figure::PerServerCpuSecond, count / used.server.total),
        (Figure::PerSecond, count / used.seconds),
        (Figure::ServerSeconds, used.server.total / count),
        (Figure::ServerUserSeconds, user / count),
        (
            Figure::ServerKernelSeconds,
            (used.server.total - user) / count,
        ),
    ])
}

/// What matters most, in a line.
impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            Figure::Seconds,
            Figure::PerServerCpuSecond,
            Figure::PerSecond,
            Figure::P50Seconds,
            Figure::P99Seconds,
            Figure::LiveP99Seconds,
            Figure::BytesEach,
            Figure::CpuEach,
            Figure::PeakResidentBytes,
            Figure::GeneratorBusy,
        ];
        let mut separator = "";
        for figure in told {
            if let Some(value) = self.value(figure) {
                let value = short(figure.shown(value));
                write!(out, "{separator}{value} {}", figure.heading())?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Cpu;

    const USED: Used = Used {
        seconds: 2.0,
        server: Cpu {
            total: 1.0,
            user: 0.25,
        },
        generator: 0.5,
        others: 0.0,
    };

    #[test]
    fn costs_are_shares_of_the_servers_time() {
        let figures = Figures::of_accept(1000, &USED);
        assert_eq!(figures.value(Figure::PerServerCpuSecond), Some(1000.0));
        assert_eq!(figures.value(Figure::PerSecond), Some(500.0));
        assert_eq!(figures.value(Figure::ServerKernelSeconds), Some(0.00075));
        assert_eq!(figures.value(Figure::GeneratorBusy), Some(0.25));
    }

    #[test]
    fn units_are_those_of_the_headings() {
        let figures = Figures::of_idle(1000, &USED);
        assert_eq!(figures.to_string(), "500 µs a second, 0.250 generator");
    }

    #[test]
    fn every_column_is_measured() {
        let measured = |scenario: &str, figures: &Figures| {
            for figure in columns(scenario.parse().unwrap()) {
                assert!(figures.value(*figure).is_some(), "{scenario}: {figure:?}");
            }
        };
        let latency = Histogram::new(3).unwrap();
        let fanned = Figures::of_fanout(&Fanned {
            deliveries: 1,
            seconds: 1.0,
            used: USED,
            latency: latency.clone(),
            resident_bytes: 1,
        });
        measured("fanout-1-1", &fanned);
        measured("shards-1-1", &fanned);
        measured("latency-1hz", &fanned);
        measured("accept-1", &Figures::of_accept(1, &USED));
        measured("memory-1", &Figures::of_memory(1.0));
        measured("idle-1", &Figures::of_idle(1, &USED));
        let published = Published {
            acknowledged: 1,
            used: USED,
            latency: latency.clone(),
        };
        measured("publish-1", &Figures::of_publish(&published));
        let resumed = Resumed {
            seconds: 1.0,
            used: USED,
            peak_bytes: 1,
            live: latency,
        };
        measured("resume-1", &Figures::of_resume(&resumed));
    }
}
