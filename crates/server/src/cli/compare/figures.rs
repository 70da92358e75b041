//! What a comparison found, as `--json` has it: the table and the page tell the same.

use serde::Serialize;
use tidings_wire::Format;

use super::pattern::Pattern;
use super::way::Way;
use crate::cli::load::latency::Quantiles;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) tidings_version: &'static str,
    /// The server that was named; `None`: one of our own for each cell.
    pub(super) url: Option<String>,
    /// Processors of this machine.
    pub(super) processors: usize,
    /// Bytes of a message's data, as JSON.
    pub(super) data_bytes: usize,
    /// Messages a second, steady or in bursts.
    pub(super) rate_per_s: f64,
    /// Whether requests have the headers that a browser sends.
    pub(super) has_browser_headers: bool,
    /// How long nothing was said, in seconds.
    pub(super) idle_s: f64,
    /// Cells that could not be opened, and why, in words.
    pub(super) left_out: Vec<String>,
    pub(super) cells: Vec<CellFigures>,
}

/// One way in one format with so many clients.
#[derive(Debug, Serialize)]
pub(super) struct CellFigures {
    pub(super) way: Way,
    #[serde(serialize_with = "format_name")]
    pub(super) format: Format,
    pub(super) clients: u32,
    pub(super) opening: Opening,
    /// Memory that a client takes in the server, in bytes; `None` where it is not known.
    pub(super) memory_bytes: Option<f64>,
    pub(super) idle: Minute,
    pub(super) streams: Vec<StreamFigures>,
    pub(super) total: Total,
    /// What went wrong without ending the run, in words.
    pub(super) troubles: Vec<String>,
}

/// What it takes until messages would come, for one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Opening {
    pub(super) latency_us: Quantiles,
    pub(super) requests: f64,
    pub(super) connections: f64,
    /// Bytes towards the server, and from it.
    pub(super) up_bytes: f64,
    pub(super) down_bytes: f64,
    pub(super) server_cpu_us: Option<f64>,
}

/// What one client takes in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Minute {
    pub(super) requests: f64,
    pub(super) connections: f64,
    pub(super) up_bytes: f64,
    pub(super) down_bytes: f64,
    /// The server's CPU time, less what it takes without clients.
    pub(super) server_cpu_us: Option<f64>,
}

/// How one stream of messages came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct StreamFigures {
    pub(super) pattern: Pattern,
    /// How long it was measured, in seconds.
    pub(super) seconds: f64,
    /// From when a message should have been sent until it was there.
    pub(super) latency_us: Quantiles,
    /// What it took a client, in all, in a minute.
    pub(super) minute: Minute,
    /// Messages that came in that time, each counted once for each client.
    pub(super) delivered: u64,
    /// Bytes for each of them, everything included: towards the server, and from it.
    pub(super) up_bytes: f64,
    pub(super) down_bytes: f64,
    /// The server's CPU time for each of them, less what publishing takes without anybody who follows; `None` where it is
    /// not known, or lost in that.
    pub(super) server_cpu_us: Option<f64>,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
}

/// Everything from the first connection to the last byte, to be held against what somebody else counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Total {
    /// The server's port.
    pub(super) port: u16,
    /// By the clients; the publisher's are below.
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) up_bytes: u64,
    pub(super) down_bytes: u64,
    /// By who publishes, and who asks the server how it is.
    pub(super) publisher_connections: u64,
    pub(super) publisher_up_bytes: u64,
    pub(super) publisher_down_bytes: u64,
}

impl CellFigures {
    /// Whether every message came once and in order, where it is promised.
    pub(super) fn kept_its_word(&self) -> bool {
        let kept = |stream: &StreamFigures| {
            stream.lost == 0 && stream.duplicated == 0 && stream.out_of_order == 0
        };
        !self.way.is_reliable() || self.streams.iter().all(kept)
    }

    /// How it is called in a table.
    pub(super) fn name(&self) -> String {
        match self.format {
            Format::Json => self.way.name().to_owned(),
            Format::Cbor => format!("{}, CBOR", self.way.name()),
        }
    }

    /// A stream's figures.
    pub(super) fn stream(&self, pattern: Pattern) -> Option<&StreamFigures> {
        self.streams.iter().find(|stream| stream.pattern == pattern)
    }
}

/// How a format is called in JSON.
fn format_name<S: serde::Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match format {
        Format::Json => "json",
        Format::Cbor => "cbor",
    })
}

#[cfg(test)]
pub(super) mod tests {
    use clap::ValueEnum;

    use super::*;

    /// Something of everything.
    pub(in super::super) fn figures() -> Figures {
        let latency_us = Quantiles {
            count: 2000,
            p50: 800,
            p90: 900,
            p99: 1_234_567,
            p99_9: 2_000_000,
            max: 2_000_000,
        };
        let cell = |way: Way, format: Format| {
            let minute = Minute {
                requests: 60.0,
                connections: 60.0,
                up_bytes: 123_456.0,
                down_bytes: 234_567.0,
                server_cpu_us: Some(4567.8),
            };
            let stream = |pattern: &Pattern| StreamFigures {
                pattern: *pattern,
                seconds: 10.0,
                latency_us,
                minute,
                delivered: 2000,
                up_bytes: if way.every().is_some() { 700.0 } else { 800.0 },
                down_bytes: 300.0,
                server_cpu_us: Some(12.3),
                lost: 0,
                duplicated: 0,
                out_of_order: 0,
            };
            CellFigures {
                way,
                format,
                clients: 1000,
                opening: Opening {
                    latency_us,
                    requests: 1.0,
                    connections: 1.0,
                    up_bytes: 700.0,
                    down_bytes: 2000.0,
                    server_cpu_us: Some(99.0),
                },
                memory_bytes: Some(1234.0),
                idle: minute,
                streams: Pattern::value_variants().iter().map(stream).collect(),
                total: Total::default(),
                troubles: Vec::new(),
            }
        };
        let cells = [Format::Json, Format::Cbor].into_iter().flat_map(|format| {
            let ways = Way::value_variants().iter();
            let ways = ways.filter(move |way| way.speaks(format));
            ways.map(move |way| cell(*way, format))
        });
        Figures {
            tidings_version: "0.0.0",
            url: None,
            processors: 2,
            data_bytes: 100,
            rate_per_s: 2.0,
            has_browser_headers: true,
            idle_s: 60.0,
            left_out: Vec::new(),
            cells: cells.collect(),
        }
    }

    #[test]
    fn only_what_is_promised_is_a_promise() {
        let mut figures = figures();
        for cell in &mut figures.cells {
            cell.streams[0].lost = 1;
        }
        let kept: Vec<Way> = figures
            .cells
            .iter()
            .filter(|cell| cell.kept_its_word())
            .map(|cell| cell.way)
            .collect();
        assert_eq!(kept, [Way::WebtransportDatagram; 2]);
    }
}
