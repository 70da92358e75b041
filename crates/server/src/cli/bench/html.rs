//! The report as one page that needs nothing else: it can be sent, kept and printed.

use super::figures::Figures;
use super::report::{headline, sections};
use crate::cli::load::plot::{Axis, Line, Plot};
use crate::cli::load::{STYLE, escape};
use crate::cli::units::{count, time};

/// The whole page.
pub(super) fn page(figures: &Figures) -> String {
    let notes: String = figures
        .notes
        .iter()
        .map(|note| format!("<li>{}</li>\n", escape(note)))
        .collect();
    let notes = match notes.is_empty() {
        true => notes,
        false => format!("<h2>To know</h2>\n<ul>\n{notes}</ul>\n"),
    };
    let (class, verdict) = match figures.correctness.balance.is_even() {
        true => (
            "good",
            "Everything that was acknowledged came, once and in order.",
        ),
        false => (
            "bad",
            "Not everything that was acknowledged came once and in order.",
        ),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>tidings bench: {url}</title>\n\
         <style>\n{STYLE}</style>\n<h1>tidings bench</h1>\n<p>{url}</p>\n<p class=\"quiet\">{headline}</p>\n\
         <p class=\"verdict {class}\">{verdict}</p>\n{notes}\
         <h2>Delivery latency by percentile</h2>\n{curve}\
         <h2>Throughput over time</h2>\n{throughput}\
         <h2>Delivery latency over time</h2>\n{latency}\
         <h2>Figures</h2>\n<div class=\"sections\">\n{tables}</div>\n\
         <p class=\"quiet\">Latency counts from the moment at which a message should have been sent. \
         tidings {version}.</p>\n</html>\n",
        url = escape(&figures.load.url),
        headline = escape(&headline(figures)),
        curve = curve(figures),
        throughput = throughput(figures),
        latency = latency(figures),
        tables = tables(figures),
        version = escape(figures.tidings_version),
    )
}

fn tables(figures: &Figures) -> String {
    let table = |section: super::report::Section| {
        let lines = section.lines.iter().map(|(name, value)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
                escape(name),
                escape(value)
            )
        });
        let lines: String = lines.collect();
        format!(
            "<table><caption>{}</caption>\n{lines}</table>\n",
            section.title
        )
    };
    sections(figures).into_iter().map(table).collect()
}

/// Each step to the right is a tenth of what was left: so the slowest one in a thousand has as much room as all
/// the rest.
fn curve(figures: &Figures) -> String {
    let points = &figures.delivery_curve;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return nothing();
    };
    // The last one is the slowest of all.
    let to = (figures.delivery_us.count.max(10) as f64).log10();
    let steps = |quantile: f64| (1.0 - quantile).recip().log10();
    let place = |quantile| steps(quantile).min(to);
    let ticks = [0.0_f64, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
    let label = |quantile: f64| {
        let percent = format!("{:.4}", quantile * 100.0);
        format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
    };
    Plot {
        title: "Delivery latency by percentile",
        x: Axis {
            from: 0.0,
            to,
            ticks: ticks
                .into_iter()
                .filter(|quantile| steps(*quantile) <= to + ROUNDING)
                .map(|quantile| (place(quantile), label(quantile)))
                .collect(),
        },
        y: Axis::logarithmic(first.us as f64, last.us as f64, microseconds),
        lines: vec![Line {
            name: "",
            points: points
                .iter()
                .map(|point| (place(point.quantile), logarithm(point.us)))
                .collect(),
        }],
    }
    .svg()
}

/// What a logarithm may be wrong by.
const ROUNDING: f64 = 1e-6;

fn throughput(figures: &Figures) -> String {
    let points = &figures.timeline;
    if points.is_empty() {
        return nothing();
    }
    let rates = points.iter().map(|point| point.delivered_per_s);
    Plot {
        title: "Deliveries a second over time",
        x: seconds(figures),
        y: Axis::linear(rates.fold(0.0, f64::max), a_second),
        lines: vec![Line {
            name: "deliveries a second",
            points: points
                .iter()
                .map(|point| (point.at_s, point.delivered_per_s))
                .collect(),
        }],
    }
    .svg()
}

fn latency(figures: &Figures) -> String {
    let points: Vec<_> = figures
        .timeline
        .iter()
        .filter(|point| point.max_us > 0)
        .collect();
    let least = points.iter().map(|point| point.p50_us).min();
    let most = points.iter().map(|point| point.max_us).max();
    let (Some(least), Some(most)) = (least, most) else {
        return nothing();
    };
    let line = |name, pick: fn(&super::recorder::TimePoint) -> u64| Line {
        name,
        points: points
            .iter()
            .map(|point| (point.at_s, logarithm(pick(point))))
            .collect(),
    };
    Plot {
        title: "Delivery latency over time",
        x: seconds(figures),
        y: Axis::logarithmic(least as f64, most as f64, microseconds),
        lines: vec![
            line("p50", |point| point.p50_us),
            line("p99", |point| point.p99_us),
            line("max", |point| point.max_us),
        ],
    }
    .svg()
}

fn seconds(figures: &Figures) -> Axis {
    let end = figures.timeline.last().map_or(1.0, |point| point.at_s);
    let mut axis = Axis::linear(end, |at| format!("{at} s"));
    // The lines go to the very end.
    axis.to = end;
    axis.ticks.retain(|(at, _)| *at <= end);
    axis
}

fn a_second(number: f64) -> String {
    match number.fract() == 0.0 {
        // A tick: a round number of deliveries, not negative.
        true => count(number as u64),
        false => number.to_string(),
    }
}

fn microseconds(us: f64) -> String {
    // A tick: whole microseconds, up to an hour and some. It is round, so zeros behind its point say nothing.
    let text = time(us as u64);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!(
                "{} {unit}",
                number.trim_end_matches('0').trim_end_matches('.')
            )
        }
        _ => text,
    }
}

fn logarithm(us: u64) -> f64 {
    (us.max(1) as f64).log10()
}

fn nothing() -> String {
    "<p class=\"quiet\">Nothing was measured.</p>\n".to_owned()
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
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<polyline").count(), 5);
        for (_, value) in sections(&figures).iter().flat_map(|section| &section.lines) {
            assert!(page.contains(&escape(value)), "{value}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn the_percentiles_that_were_measured_have_a_tick() {
        let page = page(&figures());
        for tick in ["0 %", "50 %", "90 %", "99.9 %", "99.999 %"] {
            assert!(page.contains(&format!(">{tick}</text>")), "{tick}");
        }
        assert!(!page.contains("99.9999 %"), "there are 100,000 values");
    }

    #[test]
    fn ticks_are_as_short_as_they_are_round() {
        for (us, text) in [
            (1.0, "1 µs"),
            (500.0, "500 µs"),
            (2e3, "2 ms"),
            (5e6, "5 s"),
            (6e7, "60 s"),
        ] {
            assert_eq!(microseconds(us), text);
        }
        assert_eq!([0.5, 20_000.0].map(a_second), ["0.5", "20,000"]);
    }

    #[test]
    fn a_run_without_measurements_has_a_page_as_well() {
        let mut figures = figures();
        figures.timeline.clear();
        figures.delivery_curve.clear();
        assert_eq!(page(&figures).matches("Nothing was measured").count(), 3);
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let mut figures = figures();
        figures.load.url = "http://a/<script>\"&".to_owned();
        figures.notes.push("<b>".to_owned());
        let page = page(&figures);
        assert!(page.contains("http://a/&lt;script&gt;&quot;&amp;"));
        assert!(!page.contains("<b>"));
    }
}
