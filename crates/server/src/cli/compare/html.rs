//! The comparison as one page that needs nothing else: it can be sent, kept and printed.

mod bars;

use tidings_wire::Format;

use super::figures::{CellFigures, Figures, StreamFigures};
use super::finding::findings;
use super::pattern::Pattern;
use super::table::{Table, headline, notes, tables};
use super::way::Way;
use crate::cli::load::plot::{Axis, Line, Plot};
use crate::cli::load::{STYLE, escape};
use crate::cli::units::{bytes, count, time};
use bars::{Bar, Bars};

/// What the tables need beside the common look.
const OWN_STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub(super) fn page(figures: &Figures) -> String {
    let (class, verdict) = match figures.cells.iter().all(CellFigures::kept_its_word) {
        true => (
            "good",
            "Every message came once and in order, wherever that is promised.",
        ),
        false => ("bad", "Not every message came once and in order."),
    };
    let items = |texts: Vec<String>| -> String {
        let item = |text: &String| format!("<li>{}</li>\n", escape(text));
        texts.iter().map(item).collect()
    };
    let notes = match notes(figures) {
        notes if notes.is_empty() => String::new(),
        notes => format!("<h2>To know</h2>\n<ul>\n{}</ul>\n", items(notes)),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>tidings compare</title>\n\
         <style>\n{STYLE}{OWN_STYLE}</style>\n<h1>What each way costs</h1>\n<p class=\"quiet\">{headline}; {headers}</p>\n\
         <p class=\"verdict {class}\">{verdict}</p>\n{notes}\
         <h2>What this says</h2>\n<ul>\n{findings}</ul>\n{pictures}\
         <h2>All figures</h2>\n{tables}\
         <p class=\"quiet\">Bytes are counted at the socket, heads and frames included; what TCP, UDP and IP add is not. \
         Latency counts from the moment at which a message should have been sent. Measured on {processors} processors, with \
         clients, publisher and server on the same machine: compare the ratios. tidings {version}.</p>\n</html>\n",
        headline = escape(&headline(figures)),
        headers = match figures.has_browser_headers {
            true => "requests have the headers that a browser sends",
            false => "requests have no more headers than they need",
        },
        findings = items(findings(figures)),
        pictures = pictures(figures)
            .iter()
            .map(Picture::section)
            .collect::<String>(),
        tables = tables(figures).iter().map(table).collect::<String>(),
        processors = figures.processors,
        version = escape(figures.tidings_version),
    )
}

fn table(table: &Table) -> String {
    let heads = table.columns.iter().map(|column| {
        let [above, below] = column.head;
        format!(
            "<th scope=\"col\">{}<br>{}</th>",
            escape(above),
            escape(below)
        )
    });
    let heads: String = heads.collect();
    let row = |(name, values): &(String, Vec<String>)| {
        let values = values
            .iter()
            .map(|value| format!("<td>{}</td>", escape(value)));
        let values: String = values.collect();
        format!("<tr><th scope=\"row\">{}</th>{values}</tr>\n", escape(name))
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table><caption>{}</caption>\n<thead><tr><td></td>{heads}</tr></thead>\n{rows}</table></div>\n\
         <p class=\"quiet\">{}</p>\n",
        escape(&table.title),
        escape(&table.words)
    )
}

/// The format that the pictures show: JSON, if that was measured.
fn shown_format(figures: &Figures) -> Format {
    let has_json = |cell: &CellFigures| cell.format == Format::Json;
    match figures.cells.iter().any(has_json) {
        true => Format::Json,
        false => Format::Cbor,
    }
}

/// The cells with the most clients, which are what the pictures show.
fn shown(figures: &Figures) -> Vec<&CellFigures> {
    let most = figures.cells.iter().map(|cell| cell.clients).max();
    let format = shown_format(figures);
    let of = |cell: &&CellFigures| Some(cell.clients) == most && cell.format == format;
    figures.cells.iter().filter(of).collect()
}

/// A picture with its title.
pub(super) struct Picture {
    /// What a file of it is called, less the ending.
    pub(super) name: String,
    title: String,
    svg: String,
    /// How to read it.
    words: &'static str,
}

impl Picture {
    /// As a file of its own.
    pub(super) fn file(&self) -> String {
        let svg = self
            .svg
            .replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
        let style = format!("<style>\n{STYLE}{OWN_STYLE}</style>\n");
        // Behind the element's own line.
        svg.replacen(">\n", &format!(">\n{style}"), 1)
    }

    fn section(&self) -> String {
        let words = match self.words {
            "" => String::new(),
            words => format!("<p class=\"quiet\">{words}</p>\n"),
        };
        format!("<h2>{}</h2>\n{}{words}", escape(&self.title), self.svg)
    }
}

/// All of them, those of the largest number of clients first, then how the figures grow.
pub(super) fn pictures(figures: &Figures) -> Vec<Picture> {
    let cells = shown(figures);
    let mut pictures = Vec::new();
    let mut draw = |name: String, title: String, bars: Vec<Bar<'_>>| {
        if !bars.is_empty() {
            let svg = Bars {
                title: &title,
                bars,
            }
            .svg();
            let words = "Lengths are logarithms.";
            pictures.push(Picture {
                name,
                title,
                svg,
                words,
            });
        }
    };
    for pattern in [Pattern::Steady, Pattern::Bursty, Pattern::Quiet] {
        let bars = |value: fn(&StreamFigures) -> Option<f64>, tell: fn(f64) -> String| {
            bars(&cells, |cell| value(cell.stream(pattern)?), tell)
        };
        let named = |name: &str, title: &str| {
            let pattern = pattern.name();
            (format!("{name}-{pattern}"), format!("{title}, {pattern}"))
        };
        let (name, title) = named("latency", "Latency of half of the messages");
        let latency = |stream: &StreamFigures| Some(stream.latency_us.p50 as f64);
        draw(name, title, bars(latency, |us| time(us as u64)));
        let (name, title) = named("bytes", "Bytes for each message, both ways");
        draw(
            name,
            title,
            bars(|it| Some(it.up_bytes + it.down_bytes), bytes),
        );
        let (name, title) = named("cpu", "The server's CPU time for each message");
        draw(
            name,
            title,
            bars(|it| it.server_cpu_us, |us| format!("{us:.1} µs")),
        );
    }
    draw(
        "memory".to_owned(),
        "The server's memory for each client".to_owned(),
        bars(&cells, |cell| Some(cell.memory_bytes?.max(0.0)), bytes),
    );
    pictures.extend(growth(figures));
    pictures
}

/// A bar for each of the cells that has a value.
fn bars<'a>(
    cells: &[&'a CellFigures],
    value: impl Fn(&CellFigures) -> Option<f64>,
    tell: fn(f64) -> String,
) -> Vec<Bar<'a>> {
    let bar = |cell: &&'a CellFigures| {
        let value = value(cell)?;
        Some(Bar {
            name: cell.way.name(),
            value,
            label: tell(value),
        })
    };
    cells.iter().filter_map(bar).collect()
}

/// How the figures grow with the number of clients, where there are several.
fn growth(figures: &Figures) -> Vec<Picture> {
    let steady = |cell: &CellFigures| cell.stream(Pattern::Steady).copied();
    let cpu = lines(figures, &|cell| steady(cell)?.server_cpu_us);
    let latency = lines(figures, &|cell| Some(steady(cell)?.latency_us.p99 as f64));
    let memory = lines(figures, &|cell| cell.memory_bytes);
    let pictures = [
        (
            "growth-cpu",
            "The server's CPU time for each message, by clients",
            grown(&cpu, |us| format!("{us} µs")),
        ),
        (
            "growth-latency",
            "Latency of all but one message in a hundred, by clients",
            grown(&latency, |us| time(us as u64)),
        ),
        (
            "growth-memory",
            "The server's memory for each client, by clients",
            grown(&memory, bytes),
        ),
    ];
    let picture = |(name, title, plot): (&str, &'static str, Option<Plot<'_>>)| {
        let svg = Plot { title, ..plot? }.svg();
        Some(Picture {
            name: name.to_owned(),
            title: title.to_owned(),
            svg,
            words: "",
        })
    };
    pictures.into_iter().filter_map(picture).collect()
}

/// A way, and what was measured at which number of clients.
type Growth = (Way, Vec<(f64, f64)>);

/// Those that have a line: more would not be told apart.
const GROWING: [Way; 3] = [Way::LongPoll, Way::Sse, Way::Websocket];

fn lines(figures: &Figures, value: &dyn Fn(&CellFigures) -> Option<f64>) -> Vec<Growth> {
    let format = shown_format(figures);
    let line = |way: &Way| {
        let of = |cell: &&CellFigures| cell.way == *way && cell.format == format;
        let points = figures.cells.iter().filter(of).filter_map(|cell| {
            // What is below one is drawn as one: the axes are logarithms.
            Some((
                f64::from(cell.clients).log10(),
                value(cell)?.max(1.0).log10(),
            ))
        });
        (*way, points.collect::<Vec<_>>())
    };
    GROWING.iter().map(line).collect()
}

fn grown(lines: &[Growth], tell: fn(f64) -> String) -> Option<Plot<'_>> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let most = |pick: fn(&(f64, f64)) -> f64| points().map(pick).reduce(f64::max);
    let least = |pick: fn(&(f64, f64)) -> f64| points().map(pick).reduce(f64::min);
    let (from, to) = (least(|it| it.0)?, most(|it| it.0)?);
    let axis = |from: f64, to: f64, tell: fn(f64) -> String| {
        Axis::logarithmic(10f64.powf(from), 10f64.powf(to), tell)
    };
    (from < to).then_some(())?;
    Some(Plot {
        title: "",
        x: axis(from, to, |clients| count(clients as u64)),
        y: axis(least(|it| it.1)?, most(|it| it.1)?, tell),
        lines: lines
            .iter()
            .map(|(way, points)| Line {
                name: way.name(),
                points: points.clone(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn the_page_needs_nothing_else_and_holds_every_figure() {
        let figures = figures();
        let page = page(&figures);
        for outside in ["src=", "href=", "@import", "url(", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 3 * 3 + 1);
        for value in tables(&figures).iter().flat_map(|table| &table.rows) {
            assert!(value.1.iter().all(|value| page.contains(&escape(value))));
        }
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn growth_is_drawn_where_there_is_some() {
        let mut figures = figures();
        let mut fewer = super::super::figures::tests::figures();
        for cell in &mut fewer.cells {
            cell.clients = 10;
        }
        figures.cells.extend(fewer.cells);
        let page = page(&figures);
        assert_eq!(page.matches("<svg").count(), 3 * 3 + 1 + 3);
        assert_eq!(page.matches("<polyline").count(), 3 * GROWING.len());
    }

    #[test]
    fn a_picture_is_a_file_of_its_own() {
        let pictures = pictures(&figures());
        let file = pictures[0].file();
        assert!(file.starts_with("<svg xmlns="), "{file}");
        assert!(file.contains(">\n<style>") && file.ends_with("</svg>\n"));
        let mut names: Vec<_> = pictures.iter().map(|picture| &picture.name).collect();
        names.dedup();
        assert_eq!(names.len(), pictures.len());
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let mut figures = figures();
        figures.cells[0].troubles.push("<b>".to_owned());
        assert!(!page(&figures).contains("<b>"));
    }
}
