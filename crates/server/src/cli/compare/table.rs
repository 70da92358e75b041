//! The comparison as tables: the same rows for a terminal of 80 columns and for the page.

use tidings_wire::Format;

use super::figures::{CellFigures, Figures, StreamFigures};
use super::finding::findings;
use super::pattern::Pattern;
use crate::cli::units::{bytes, count, time};

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// How many of them the first column has: the longest name of a way.
pub(super) const NAME_CHARS: usize = 25;

/// The order in which streams are told.
const PATTERNS: [Pattern; 3] = [Pattern::Steady, Pattern::Bursty, Pattern::Quiet];

/// A table, whose cells are text.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: String,
    /// How to read it.
    pub(super) words: String,
    pub(super) columns: Vec<Column>,
    /// The name, then as many as there are columns.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// What stands above a column, in two lines, and how wide it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: [&'static str; 2],
    width: usize,
}

const fn column(above: &'static str, below: &'static str, width: usize) -> Column {
    Column {
        head: [above, below],
        width,
    }
}

/// Everything, as text.
pub(super) fn text(figures: &Figures) -> String {
    let mut out = headline(figures) + "\n";
    for table in tables(figures) {
        out += &format!("\n{}\n{}", table.title, drawn(&table));
        out += &wrapped(&table.words, "  ");
    }
    out += "\nWhat this says\n";
    for finding in findings(figures) {
        out += &wrapped(&finding, "- ");
    }
    for note in notes(figures) {
        out += &wrapped(&note, "! ");
    }
    out
}

/// What was compared, in a few words.
pub(super) fn headline(figures: &Figures) -> String {
    let mut clients: Vec<String> = Vec::new();
    for cell in &figures.cells {
        let number = count(cell.clients.into());
        if !clients.contains(&number) {
            clients.push(number);
        }
    }
    format!(
        "tidings compare: {} clients each way, messages of {} bytes, {} a second",
        clients.join(", "),
        count(figures.data_bytes as u64),
        figures.rate_per_s,
    )
}

/// All tables: for each number of clients and format one of what it takes to be there, and one for each stream.
pub(super) fn tables(figures: &Figures) -> Vec<Table> {
    let mut groups: Vec<(u32, Format)> = Vec::new();
    for cell in &figures.cells {
        if !groups.contains(&(cell.clients, cell.format)) {
            groups.push((cell.clients, cell.format));
        }
    }
    let mut tables = Vec::new();
    for (clients, format) in groups {
        let of = |cell: &&CellFigures| (cell.clients, cell.format) == (clients, format);
        let cells: Vec<&CellFigures> = figures.cells.iter().filter(of).collect();
        let whom = format!("{} clients, {}", count(clients.into()), name(format));
        tables.push(being_there(&cells, &whom, figures.idle_s));
        for pattern in PATTERNS {
            if cells.iter().any(|cell| cell.stream(pattern).is_some()) {
                tables.push(coming(&cells, pattern, &whom));
            }
        }
    }
    tables
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Json => "JSON",
        Format::Cbor => "CBOR",
    }
}

fn being_there(cells: &[&CellFigures], whom: &str, idle_s: f64) -> Table {
    let rows = cells.iter().map(|cell| {
        let (opening, idle) = (&cell.opening, &cell.idle);
        let values = vec![
            time(opening.latency_us.p50),
            bytes(opening.up_bytes + opening.down_bytes),
            cpu(opening.server_cpu_us),
            known(cell.memory_bytes, |memory| bytes(memory.max(0.0))),
            number(idle.requests),
            bytes(idle.up_bytes + idle.down_bytes),
            cpu(idle.server_cpu_us),
        ];
        (cell.way.name().to_owned(), values)
    });
    Table {
        title: format!("To be there: one client ({whom})"),
        words: format!(
            "Opened until the next message would come; then a minute in which nothing is said (measured for {idle_s} s): \
             requests, bytes both ways and the server's CPU time. Memory is the server's, without the kernel's.",
        ),
        columns: vec![
            column("to open", "p50", 8),
            column("", "bytes", 8),
            column("", "CPU", 8),
            column("", "memory", 8),
            column("/min", "req.", 5),
            column("", "bytes", 9),
            column("", "CPU", 9),
        ],
        rows: rows.collect(),
    }
}

fn coming(cells: &[&CellFigures], pattern: Pattern, whom: &str) -> Table {
    let rows = cells.iter().filter_map(|cell| {
        let stream = cell.stream(pattern)?;
        let values = vec![
            time(stream.latency_us.p50),
            time(stream.latency_us.p99),
            number(stream.minute.requests),
            number(stream.minute.connections),
            bytes(stream.down_bytes),
            bytes(stream.up_bytes),
            cpu(stream.server_cpu_us),
        ];
        Some((cell.way.name().to_owned(), values))
    });
    let what = match pattern {
        Pattern::Steady => "A steady stream",
        Pattern::Bursty => "Bursts of ten",
        Pattern::Quiet => "A quiet room: a message every 5 s",
    };
    Table {
        title: format!("{what} ({whom})"),
        words: "How long a message takes; requests and connections of a client in a minute; for each message that came, the \
                bytes at the socket, everything included, and the server's CPU time (?: lost in what publishing takes)."
            .to_owned(),
        columns: vec![
            column("latency", "p50", 8),
            column("", "p99", 8),
            column("/min", "req.", 7),
            column("", "conn.", 7),
            column("a message", "down", 9),
            column("", "up", 8),
            column("", "CPU", 8),
        ],
        rows: rows.collect(),
    }
}

/// What has to be told besides: what was lost, and what went wrong.
pub(super) fn notes(figures: &Figures) -> Vec<String> {
    let mut notes: Vec<String> = figures
        .left_out
        .iter()
        .map(|words| format!("{words}."))
        .collect();
    for cell in &figures.cells {
        let whose = format!("{}, {} clients", cell.name(), count(cell.clients.into()));
        for stream in &cell.streams {
            if let Some(fault) = fault(stream) {
                notes.push(format!("{whose}, {}: {fault}.", stream.pattern.name()));
            }
        }
        notes.extend(
            cell.troubles
                .iter()
                .map(|words| format!("{whose}: {words}.")),
        );
    }
    if figures.url.is_some() {
        notes.push(
            "The server was there before: its memory and CPU time may be others' as well."
                .to_owned(),
        );
    }
    notes
}

fn fault(stream: &StreamFigures) -> Option<String> {
    let counts = [
        (stream.lost, "lost"),
        (stream.duplicated, "came twice"),
        (stream.out_of_order, "came out of order"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    (!words.is_empty()).then(|| {
        format!(
            "{} of {} delivered",
            words.join(", "),
            count(stream.latency_us.count)
        )
    })
}

fn known(value: Option<f64>, tell: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "?".to_owned(), tell)
}

/// CPU time in microseconds.
pub(super) fn cpu(us: Option<f64>) -> String {
    known(us, |us| match us {
        ..0.95 => format!("{us:.1} µs"),
        // Neither negative nor beyond a count.
        _ => time(us.round() as u64),
    })
}

/// A number of something a minute.
fn number(value: f64) -> String {
    match value {
        ..9.95 => format!("{value:.1}"),
        _ => count(value.round() as u64),
    }
}

fn drawn(table: &Table) -> String {
    let mut out = String::new();
    for line in 0..2 {
        out += &format!("{:NAME_CHARS$}", "");
        for column in &table.columns {
            out += &format!("{:>1$}", column.head[line], column.width);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    for (name, values) in &table.rows {
        out += &format!("{name:NAME_CHARS$}");
        for (value, column) in values.iter().zip(&table.columns) {
            out += &format!("{value:>0$}", column.width);
        }
        out.push('\n');
    }
    out
}

/// Words in lines that fit, the first behind `mark` and the others below it.
fn wrapped(words: &str, mark: &str) -> String {
    let mut out = mark.to_owned();
    let mut length = mark.chars().count();
    for (at, word) in words.split_whitespace().enumerate() {
        let chars = word.chars().count();
        if at > 0 && length + 1 + chars > COLUMNS {
            out.push('\n');
            out += &" ".repeat(mark.chars().count());
            length = mark.chars().count();
        } else if at > 0 {
            out.push(' ');
            length += 1;
        }
        out += word;
        length += chars;
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn everything_fits_a_terminal() {
        let text = text(&figures());
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn each_way_has_its_row_in_each_table() {
        let figures = figures();
        let tables = tables(&figures);
        assert_eq!(tables.len(), 2 * (1 + 3), "two formats");
        let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
        assert_eq!(rows, figures.cells.len() * 4);
    }

    #[test]
    fn what_was_lost_is_told() {
        let mut figures = figures();
        figures.cells[0].streams[0].lost = 3;
        figures.cells[0].troubles.push("it rained".to_owned());
        figures.left_out.push("SSE was left out".to_owned());
        let text = text(&figures);
        assert!(text.contains("3 lost of"), "{text}");
        assert!(text.contains("it rained"), "{text}");
        assert!(text.contains("SSE was left out"), "{text}");
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_small() {
        assert_eq!([0.0, 2.44, 60.2].map(number), ["0.0", "2.4", "60"]);
        assert_eq!(cpu(Some(0.31)), "0.3 µs");
        assert_eq!(cpu(Some(3.6)), "4 µs");
        assert_eq!(cpu(None), "?");
    }
}
