//! The report for people: the same lines as text and as the page's table.

use super::figures::Figures;
use super::follower::Transport;
use crate::cli::load::latency::Quantiles;
use crate::cli::units::{bytes, count, rate, time};

/// A heading and its lines.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What it is, and how much.
    pub(super) lines: Vec<(&'static str, String)>,
}

/// What the load was, in one line.
pub(super) fn headline(figures: &Figures) -> String {
    let load = &figures.load;
    let transport = match load.transport {
        Transport::Websocket => "WebSocket",
        Transport::Sse => "server-sent events",
        Transport::LongPoll => "long polling",
        Transport::ShortPoll => "short polling",
    };
    format!(
        "{} on {} over {transport}; {}, {} a second of {} bytes; {:.1} s measured after {} s of warm-up",
        some(load.clients, "client"),
        some(load.channels, "channel"),
        some(load.publishers, "publisher"),
        some(load.rate_per_s, "message"),
        count(load.data_bytes as u64),
        load.measured_s,
        load.warmup_s,
    )
}

/// `1 client`, `1,000 clients`.
fn some(number: u32, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number.into()))
}

/// All figures.
pub(super) fn sections(figures: &Figures) -> Vec<Section> {
    let section = |title, lines| Section { title, lines };
    let throughput = &figures.throughput;
    let mut sections = vec![
        section(
            "Throughput",
            vec![
                ("published", rate(throughput.published_per_s)),
                ("delivered", rate(throughput.delivered_per_s)),
            ],
        ),
        section("Delivery latency", quantiles(&figures.delivery_us)),
        section(
            "Publish acknowledgement",
            quantiles(&figures.acknowledgement_us),
        ),
        section("Correctness", correctness(figures)),
        section("Bytes on the wire", wire(figures)),
        section(
            "Connecting",
            vec![
                ("p50", time(figures.connecting.each_us.p50)),
                ("p99", time(figures.connecting.each_us.p99)),
                ("max", time(figures.connecting.each_us.max)),
                (
                    "all together",
                    time((figures.connecting.all_s * 1e6) as u64),
                ),
            ],
        ),
    ];
    if let Some(lines) = server(figures) {
        sections.push(section("Server", lines));
    }
    let generator = &figures.generator;
    sections.push(section(
        "This tool",
        vec![
            (
                "CPU of one core",
                format!("{:.0} %", generator.cpu_share * 100.0),
            ),
            (
                "waited for a CPU",
                format!("{:.0} %", generator.cpu_wait_share * 100.0),
            ),
            ("sent late, p50", time(generator.late_us.p50)),
            ("sent late, p99", time(generator.late_us.p99)),
        ],
    ));
    sections
}

fn quantiles(quantiles: &Quantiles) -> Vec<(&'static str, String)> {
    if quantiles.count == 0 {
        return vec![("nothing was measured", String::new())];
    }
    vec![
        ("p50", time(quantiles.p50)),
        ("p90", time(quantiles.p90)),
        ("p99", time(quantiles.p99)),
        ("p99.9", time(quantiles.p99_9)),
        ("max", time(quantiles.max)),
    ]
}

fn correctness(figures: &Figures) -> Vec<(&'static str, String)> {
    let correctness = &figures.correctness;
    let balance = &correctness.balance;
    let mut lines = vec![
        ("promised", count(balance.promised)),
        ("delivered", count(balance.delivered)),
        ("lost", count(balance.lost)),
        ("doubled", count(balance.duplicated)),
        ("out of order", count(balance.out_of_order)),
    ];
    let refused = correctness.refused.values().sum();
    let rare = [
        ("refused", refused),
        ("unsent", correctness.unsent),
        ("unanswered", correctness.unanswered),
        ("broken connections", correctness.broken_connections),
        ("repeated polls", correctness.repeated_polls),
    ];
    lines.extend(
        rare.into_iter()
            .filter(|(_, number)| *number > 0)
            .map(|(what, number)| (what, count(number))),
    );
    lines
}

fn wire(figures: &Figures) -> Vec<(&'static str, String)> {
    let traffic = &figures.bytes;
    let per_delivery = traffic
        .received_per_delivery
        .map(|value| ("a delivery", bytes(value)));
    let totals = [
        ("clients received", traffic.clients_received),
        ("clients sent", traffic.clients_sent),
        ("publishers sent", traffic.publishers_sent),
        ("publishers received", traffic.publishers_received),
    ];
    let totals = totals.map(|(what, value)| (what, bytes(value as f64)));
    totals.into_iter().chain(per_delivery).collect()
}

fn server(figures: &Figures) -> Option<Vec<(&'static str, String)>> {
    let server = figures.server.as_ref()?;
    let mut lines = vec![
        ("process", format!("{} ({})", server.name, server.pid)),
        ("CPU", format!("{:.2} s", server.cpu_s)),
        ("waited for a CPU", format!("{:.2} s", server.cpu_wait_s)),
    ];
    if let Some(us) = server.cpu_us_per_delivery {
        lines.push(("CPU a delivery", format!("{us:.2} µs")));
    }
    lines.extend([
        ("memory before", bytes(server.rss_before_bytes as f64)),
        ("memory connected", bytes(server.rss_connected_bytes as f64)),
        ("memory after", bytes(server.rss_after_bytes as f64)),
        ("a connection", bytes(server.rss_bytes_per_connection)),
    ]);
    Some(lines)
}

/// The whole report.
pub(super) fn text(figures: &Figures) -> String {
    let mut out = format!("{}\n{}\n", figures.load.url, headline(figures));
    let sections = sections(figures);
    let widths = |pick: fn(&(&'static str, String)) -> usize| {
        let lines = sections.iter().flat_map(|section| &section.lines);
        lines.map(pick).max().unwrap_or(0)
    };
    let (names, values) = (
        widths(|(name, _)| name.chars().count()),
        widths(|(_, value)| value.chars().count()),
    );
    for section in &sections {
        out.push_str(&format!("\n{}\n", section.title));
        for (name, value) in &section.lines {
            let line = format!("  {name:names$}  {value:>values$}");
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    if !figures.notes.is_empty() {
        out.push_str("\nTo know\n");
    }
    for note in &figures.notes {
        out.push_str(&format!("  {note}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn values_end_in_one_column() {
        let text = text(&figures());
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(lines.len() > 20, "{text}");
        let width = lines[0].chars().count();
        for line in lines {
            assert_eq!(line.chars().count(), width, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let mut figures = figures();
        assert!(text(&figures).contains("tidings (77)"));
        figures.server = None;
        figures.delivery_us = Quantiles::default();
        let text = text(&figures);
        assert!(!text.contains("\nServer\n"), "{text}");
        assert!(text.contains("nothing was measured"), "{text}");
        assert!(!text.contains("refused"), "{text}");
    }

    #[test]
    fn the_headline_says_what_the_load_was() {
        let mut figures = figures();
        figures.load.publishers = 1;
        let expected = "1,000 clients on 10 channels over long polling; 1 publisher, 100 messages a second of \
            128 bytes; 10.0 s measured after 2 s of warm-up";
        assert_eq!(headline(&figures), expected);
    }

    #[test]
    fn notes_stand_at_the_end() {
        let mut figures = figures();
        figures.notes.push("It was ended early.".to_owned());
        assert!(text(&figures).ends_with("\nTo know\n  It was ended early.\n"));
    }
}
