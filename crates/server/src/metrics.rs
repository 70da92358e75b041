//! What the server counts: few numbers, each one that an operator would ask for.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::transport::Transport;

/// Counters and gauges of a node, shared by its shards.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connections that are open, over whatever they carry.
    connections: AtomicI64,
    links: PerTransport<AtomicI64>,
    deliveries: PerTransport<AtomicU64>,
    published: AtomicU64,
    refused_connections: AtomicU64,
}

/// One number for each transport, in the order of [`Transport::ALL`].
#[derive(Debug, Default)]
struct PerTransport<T>([T; Transport::ALL.len()]);

impl<T> PerTransport<T> {
    fn of(&self, transport: Transport) -> &T {
        &self.0[transport as usize]
    }
}

impl Metrics {
    /// A connection was opened, or turned away.
    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// Connections that are open now.
    pub(crate) fn connections(&self) -> usize {
        usize::try_from(self.connections.load(Relaxed)).unwrap_or(0)
    }

    /// A connection was one more than the limit.
    pub(crate) fn connection_refused(&self) {
        self.refused_connections.fetch_add(1, Relaxed);
    }

    /// A client waits for events over `transport`.
    pub(crate) fn link_opened(&self, transport: Transport) {
        self.links.of(transport).fetch_add(1, Relaxed);
    }

    /// It waits no longer.
    pub(crate) fn link_closed(&self, transport: Transport) {
        self.links.of(transport).fetch_sub(1, Relaxed);
    }

    /// So many events were given to a client.
    pub(crate) fn delivered(&self, transport: Transport, events: usize) {
        let counter = self.deliveries.of(transport);
        counter.fetch_add(events as u64, Relaxed);
    }

    /// A message was stored that came over plain HTTP.
    pub(crate) fn published(&self) {
        self.published.fetch_add(1, Relaxed);
    }

    /// All of them in Prometheus' text format; `head` is the log's newest `seq`.
    pub(crate) fn text(&self, head: u64) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, String)]| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let single = |value: String| vec![(String::new(), value)];
        let labelled = |value: &dyn Fn(Transport) -> String| -> Vec<_> {
            let sample =
                |transport: Transport| (format!("{{transport=\"{transport}\"}}"), value(transport));
            Transport::ALL.into_iter().map(sample).collect()
        };
        family(
            "tidings_connections",
            "gauge",
            "Open TCP connections.",
            &single(self.connections.load(Relaxed).to_string()),
        );
        family(
            "tidings_connections_refused_total",
            "counter",
            "Connections turned away for being one more than the limit.",
            &single(self.refused_connections.load(Relaxed).to_string()),
        );
        family(
            "tidings_links",
            "gauge",
            "Clients that wait for events now.",
            &labelled(&|transport| self.links.of(transport).load(Relaxed).to_string()),
        );
        family(
            "tidings_deliveries_total",
            "counter",
            "Events given to clients.",
            &labelled(&|transport| self.deliveries.of(transport).load(Relaxed).to_string()),
        );
        family(
            "tidings_http_publishes_total",
            "counter",
            "Messages published by POST.",
            &single(self.published.load(Relaxed).to_string()),
        );
        family(
            "tidings_log_head",
            "gauge",
            "Sequence number of the newest message, over all transports.",
            &single(head.to_string()),
        );
        out
    }
}
