//! The families: each name, its kind, its help and where its samples come from.
//!
//! Names follow Prometheus' conventions: base units (seconds, bytes), `_total` on counters, and labels with
//! few values: a transport, a shard, a code, never a channel, a user or an address.

use tidings_log::Statistics;
use tidings_wire::Code;

use super::counts::{Counts, Handshake};
use super::exposition::{Exposition, Kind};
use super::look::Look;
use super::process::Process;
use crate::engine::EngineStatistics;
use crate::transport::Transport;

/// What a scrape found.
pub(super) struct Seen<'a> {
    /// By shard: what it counts, and what it said if it did.
    pub(super) shards: Vec<(&'a Counts, Option<Look>)>,
    /// `None` when it has ended.
    pub(super) engine: Option<EngineStatistics>,
    pub(super) process: Option<Process>,
    pub(super) connections_max: usize,
}

/// How many nanoseconds a second has.
const NANOSECONDS: f64 = 1e9;

impl Seen<'_> {
    /// All families.
    pub(super) fn text(&self) -> String {
        let mut out = Exposition::default();
        self.build(&mut out);
        self.connections(&mut out);
        self.traffic(&mut out);
        self.refusals(&mut out);
        self.shards(&mut out);
        match &self.engine {
            Some(EngineStatistics::Log(log)) => {
                let counts = Messages {
                    stored: log.commit_messages.sum(),
                    stored_bytes: log.stored_bytes,
                    repeated: log.repeated,
                    signals: log.signals,
                };
                messages(&counts, &mut out);
                commits(log, &mut out);
                storage(log, &mut out);
            }
            Some(EngineStatistics::Nats(nats)) => {
                let counts = Messages {
                    stored: nats.stored,
                    stored_bytes: nats.stored_bytes,
                    repeated: nats.repeated,
                    signals: nats.signals,
                };
                messages(&counts, &mut out);
                cluster(nats, &mut out);
            }
            None => {}
        }
        if let Some(process) = &self.process {
            machine(process, &mut out);
        }
        out.into_text()
    }

    fn build(&self, out: &mut Exposition) {
        let help = "The version that runs; always 1.";
        let mut family = out.family("tidings_build_info", Kind::Gauge, help);
        family.sample(&[("version", &env!("CARGO_PKG_VERSION"))], 1);
    }

    fn connections(&self, out: &mut Exposition) {
        let help = "Open connections, of TCP and of QUIC, whatever they carry.";
        let mut family = out.family("tidings_connections", Kind::Gauge, help);
        for (shard, (counts, _)) in self.shards.iter().enumerate() {
            family.sample(&[("shard", &shard)], counts.connections.now());
        }
        let opened = self.sum(|counts| counts.connections.begun());
        let moved = self.sum(|counts| counts.connections_moved.get());
        out.counter(
            "tidings_connections_opened_total",
            "Connections that were accepted, those over the limit among them.",
            opened.saturating_sub(moved),
        );
        out.counter(
            "tidings_connections_refused_total",
            "Connections turned away for being more than the limit, or let in where another made room.",
            self.sum(|counts| counts.connections_refused.get()),
        );
        out.gauge(
            "tidings_connections_max",
            "The limit of open connections.",
            self.connections_max,
        );
        let help = "WebSockets that came to the shard from a busier one.";
        let mut family = out.family("tidings_connections_moved_total", Kind::Counter, help);
        for (shard, (counts, _)) in self.shards.iter().enumerate() {
            family.sample(&[("shard", &shard)], counts.connections_moved.get());
        }
        let help = "TLS handshakes, by how they ended.";
        let mut family = out.family("tidings_tls_handshakes_total", Kind::Counter, help);
        for outcome in Handshake::ALL {
            let handshakes = self.sum(|counts| counts.tls_handshakes.of(outcome).get());
            family.sample(&[("outcome", &outcome.name())], handshakes);
        }
        let help = "Clients that wait for events now.";
        let mut family = out.family("tidings_links", Kind::Gauge, help);
        for transport in Transport::ALL {
            for (shard, (counts, _)) in self.shards.iter().enumerate() {
                let links = counts.links.of(transport).now();
                family.sample(&[("transport", &transport), ("shard", &shard)], links);
            }
        }
    }

    fn traffic(&self, out: &mut Exposition) {
        let help = "Events given to clients.";
        let mut family = out.family("tidings_deliveries_total", Kind::Counter, help);
        for transport in Transport::ALL {
            let events = self.sum(|counts| counts.deliveries.of(transport).get());
            family.sample(&[("transport", &transport)], events);
        }
        let help = "Bytes given to clients: frames, event streams, and bodies of answers.";
        let mut family = out.family("tidings_sent_bytes_total", Kind::Counter, help);
        for transport in Transport::ALL {
            let bytes = self.sum(|counts| counts.sent_bytes.of(transport).get());
            family.sample(&[("transport", &transport)], bytes);
        }
        let bytes = self.sum(|counts| counts.http_sent_bytes.get());
        family.sample(&[("transport", &HTTP)], bytes);
        let help = "Bytes that came from clients: in frames, and in bodies of requests.";
        let mut family = out.family("tidings_received_bytes_total", Kind::Counter, help);
        for transport in [Transport::WebSocket, Transport::WebTransport] {
            let bytes = self.sum(|counts| counts.received_bytes.of(transport).get());
            family.sample(&[("transport", &transport)], bytes);
        }
        let bytes = self.sum(|counts| counts.http_received_bytes.get());
        family.sample(&[("transport", &HTTP)], bytes);
    }

    fn refusals(&self, out: &mut Exposition) {
        out.per_code(
            "tidings_refusals_total",
            "Requests and commands that were answered by an error, by its code.",
            |code| self.sum(|counts| counts.refusals.of(code).get()),
        );
        out.per_code(
            "tidings_closes_total",
            "Connections with frames, and event streams, that the server ended for a reason, by its code.",
            |code| self.sum(|counts| counts.closes.of(code).get()),
        );
    }

    /// What shards have said when they were asked.
    fn shards(&self, out: &mut Exposition) {
        let help =
            "Whether the shard answered this scrape in time; what it did not say is left out.";
        let mut family = out.family("tidings_shard_up", Kind::Gauge, help);
        for (shard, (_, look)) in self.shards.iter().enumerate() {
            family.sample(&[("shard", &shard)], u8::from(look.is_some()));
        }
        let help = "How long the shard's thread was at work and did not wait.";
        let mut family = out.family("tidings_shard_busy_seconds_total", Kind::Counter, help);
        for (shard, look) in self.looks() {
            family.sample(&[("shard", &shard)], look.busy.as_secs_f64());
        }
        let help = "From the commit of a batch until its followers on the shard were given it.";
        let mut family = out.family("tidings_delivery_lag_seconds", Kind::Histogram, help);
        for (shard, look) in self.looks() {
            family.histogram(&[("shard", &shard)], &look.census.lags, NANOSECONDS);
        }
        self.of_shards(
            out,
            "tidings_followers_behind",
            "Sessions for which there is something that they have not been given.",
            |look| look.census.followers_behind,
        );
        self.of_shards(
            out,
            "tidings_sessions",
            "Sessions, leases of pollers among them.",
            |look| look.census.sessions,
        );
        self.of_shards(
            out,
            "tidings_subscriptions",
            "Subscriptions of all sessions.",
            |look| look.census.subscriptions,
        );
        self.of_shards(
            out,
            "tidings_channels",
            "Channels that somebody on the shard follows.",
            |look| look.census.channels,
        );
        self.of_shards(
            out,
            "tidings_tail_bytes",
            "Memory of the newest events of followed channels, about.",
            |look| look.census.tail_bytes,
        );
        self.of_shards(
            out,
            "tidings_unsent_bytes",
            "Memory of what WebSockets were given and have not taken.",
            |look| look.unsent_bytes,
        );
        let help = "How often the shard was too slow to hear of every batch.";
        let mut family = out.family("tidings_shard_missed_total", Kind::Counter, help);
        for (shard, look) in self.looks() {
            family.sample(&[("shard", &shard)], look.census.missed);
        }
    }

    fn of_shards(
        &self,
        out: &mut Exposition,
        name: &'static str,
        help: &str,
        value: impl Fn(&Look) -> usize,
    ) {
        let mut family = out.family(name, Kind::Gauge, help);
        for (shard, look) in self.looks() {
            family.sample(&[("shard", &shard)], value(look));
        }
    }

    fn looks(&self) -> impl Iterator<Item = (usize, &Look)> {
        let shards = self.shards.iter().enumerate();
        shards.filter_map(|(shard, (_, look))| Some((shard, look.as_ref()?)))
    }

    /// Over all shards.
    fn sum(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        self.shards.iter().map(|(counts, _)| count(counts)).sum()
    }
}

/// What comes and goes over plain HTTP by nobody who waits for events.
const HTTP: &str = "http";

impl Exposition {
    /// A family of counters, with a sample for each code from the start on.
    fn per_code(&mut self, name: &'static str, help: &str, count: impl Fn(Code) -> u64) {
        let mut family = self.family(name, Kind::Counter, help);
        for code in Code::ALL {
            family.sample(&[("code", &code)], count(code));
        }
    }
}

/// What every engine counts.
struct Messages {
    stored: u64,
    stored_bytes: u64,
    repeated: u64,
    signals: u64,
}

fn messages(counts: &Messages, out: &mut Exposition) {
    out.counter(
        "tidings_messages_published_total",
        "Messages that were stored, over all doors.",
        counts.stored,
    );
    out.counter(
        "tidings_messages_published_bytes_total",
        "Bytes of data in the messages that were stored.",
        counts.stored_bytes,
    );
    out.counter(
        "tidings_messages_repeated_total",
        "Publishes with an id that was stored already, answered with its place.",
        counts.repeated,
    );
    out.counter(
        "tidings_signals_published_total",
        "Signals, which are not stored, over all doors.",
        counts.signals,
    );
}

fn commits(log: &Statistics, out: &mut Exposition) {
    let help = "Messages that each commit stored.";
    let mut family = out.family("tidings_commit_messages", Kind::Histogram, help);
    family.histogram(&[], &log.commit_messages, 1.0);
    let help = "How long each commit took.";
    let mut family = out.family("tidings_commit_seconds", Kind::Histogram, help);
    family.histogram(&[], &log.commit_durations, NANOSECONDS);
    out.counter(
        "tidings_commits_failed_total",
        "Commits that failed, so that their publishers were refused.",
        log.commits_failed,
    );
    out.gauge(
        "tidings_log_waiting_bytes",
        "Bytes of data that wait to be stored.",
        log.waiting_bytes,
    );
}

fn storage(log: &Statistics, out: &mut Exposition) {
    out.counter(
        "tidings_messages_deleted_total",
        "Messages that retention has deleted.",
        log.deleted,
    );
    out.gauge(
        "tidings_log_head",
        "Sequence number of the newest message.",
        log.head,
    );
    out.gauge(
        "tidings_log_oldest",
        "Sequence number of the oldest message that is kept; 0: none is.",
        log.oldest,
    );
    out.gauge(
        "tidings_log_kept_bytes",
        "Bytes of data in the messages that are kept.",
        log.kept_bytes,
    );
    let help = "Sizes of the log's files.";
    let mut family = out.family("tidings_log_file_bytes", Kind::Gauge, help);
    family.sample(&[("file", &"database")], log.database_bytes);
    family.sample(&[("file", &"wal")], log.wal_bytes);
    let help = "How long each read of the log took, for history and for those who catch up.";
    let mut family = out.family("tidings_log_read_seconds", Kind::Histogram, help);
    family.histogram(&[], &log.read_durations, NANOSECONDS);
}

fn cluster(nats: &tidings_nats::Statistics, out: &mut Exposition) {
    out.gauge(
        "tidings_nats_up",
        "Whether NATS and its streams answer, or have been away only for a moment.",
        u8::from(nats.is_well),
    );
    out.gauge(
        "tidings_nats_nodes",
        "Servers of the cluster that are heard of, this one included.",
        nats.nodes,
    );
    let help = "How long each publish took until its stream had it.";
    let mut family = out.family("tidings_nats_publish_seconds", Kind::Histogram, help);
    family.histogram(&[], &nats.publish_durations, NANOSECONDS);
    out.counter(
        "tidings_nats_publish_retries_total",
        "Requests to publish that were made again.",
        nats.tries_again,
    );
    out.gauge(
        "tidings_nats_waiting_bytes",
        "Bytes of data that wait to be stored.",
        nats.waiting_bytes,
    );
    let help = "Messages that came from the streams, by the way that they came.";
    let mut family = out.family("tidings_nats_messages_total", Kind::Counter, help);
    family.sample(&[("way", &"live")], nats.heard);
    family.sample(&[("way", &"filled")], nats.filled);
    let help = "Gaps found in what came live, by what was done.";
    let mut family = out.family("tidings_nats_gaps_total", Kind::Counter, help);
    family.sample(&[("way", &"filled")], nats.gaps.saturating_sub(nats.jumps));
    family.sample(&[("way", &"jumped")], nats.jumps);
    let help = "How long each read of a stream took, for history and for those who catch up.";
    let mut family = out.family("tidings_nats_read_seconds", Kind::Histogram, help);
    family.histogram(&[], &nats.read_durations, NANOSECONDS);
    out.counter(
        "tidings_nats_stale_answers_total",
        "Answers of a server that was late, which its leader was asked for again.",
        nats.stale,
    );
    let help = "Sequence number of the newest message known, by stream.";
    let mut family = out.family("tidings_nats_stream_head", Kind::Gauge, help);
    for (stream, head) in &nats.heads {
        family.sample(&[("stream", stream)], head);
    }
}

fn machine(process: &Process, out: &mut Exposition) {
    out.counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        process.cpu_seconds,
    );
    out.gauge(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        process.resident_bytes,
    );
    out.gauge(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        process.virtual_bytes,
    );
    out.gauge(
        "process_open_fds",
        "Number of open file descriptors.",
        process.open_fds,
    );
    out.gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        process.max_fds,
    );
    out.gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        process.start_seconds,
    );
}
