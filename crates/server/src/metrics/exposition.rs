//! Prometheus' text format, version 0.0.4: families of samples, one line each.

use std::fmt::{Display, Write as _};

use tidings_engine::Histogram;

/// The media type of what is written here.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that is being written.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// They only ever grow.
    Counter,
    /// They go up and down.
    Gauge,
    /// How values are spread.
    Histogram,
}

/// Names and values. Neither holds anything that would have to be escaped.
pub(super) type Labels<'a> = &'a [(&'a str, &'a dyn Display)];

/// The samples of one family.
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family, whose name says its unit, and `_total` for a counter.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let out = &mut self.0;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        write(out, format_args!("# HELP {name} {help}\n"));
        write(out, format_args!("# TYPE {name} {kind}\n"));
        Family { out, name }
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    /// A family of one gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// One more sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// All samples of a histogram, so many of whose values (`scale`) are one of the family's unit.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram, scale: f64) {
        for (bound, count) in histogram.cumulative() {
            let bound = bound as f64 / scale;
            self.line("_bucket", labels, Some(&bound), count);
        }
        let count = histogram.count();
        self.line("_bucket", labels, Some(&"+Inf"), count);
        self.line("_sum", labels, None, histogram.sum() as f64 / scale);
        self.line("_count", labels, None, count);
    }

    /// `le` is the upper bound of a bucket.
    fn line(
        &mut self,
        suffix: &str,
        labels: Labels<'_>,
        le: Option<&dyn Display>,
        value: impl Display,
    ) {
        let Self { out, name } = self;
        write(out, format_args!("{name}{suffix}"));
        let le = le.map(|le| ("le", le));
        let mut separator = '{';
        for (label, text) in labels.iter().copied().chain(le) {
            write(out, format_args!("{separator}{label}=\"{text}\""));
            separator = ',';
        }
        let end = if separator == ',' { "}" } else { "" };
        write(out, format_args!("{end} {value}\n"));
    }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_its_samples() {
        let mut exposition = Exposition::default();
        exposition.gauge("tidings_a_bytes", "What a takes.", 7);
        let mut family = exposition.family("tidings_b_total", Kind::Counter, "How many b.");
        family.sample(&[("shard", &0), ("code", &"busy")], 1);
        family.sample(&[("shard", &1), ("code", &"busy")], 2.5);
        assert_eq!(
            exposition.into_text(),
            "# HELP tidings_a_bytes What a takes.\n\
             # TYPE tidings_a_bytes gauge\n\
             tidings_a_bytes 7\n\
             # HELP tidings_b_total How many b.\n\
             # TYPE tidings_b_total counter\n\
             tidings_b_total{shard=\"0\",code=\"busy\"} 1\n\
             tidings_b_total{shard=\"1\",code=\"busy\"} 2.5\n"
        );
    }

    #[test]
    fn a_histogram_has_a_bucket_for_each_bound_and_one_for_all() {
        let mut histogram = Histogram::new(&[2_500_000, 1_000_000_000]);
        for value in [1_000_000, 2_500_000, 500_000_000, 2_000_000_000] {
            histogram.observe(value);
        }
        let mut exposition = Exposition::default();
        let mut family = exposition.family("tidings_c_seconds", Kind::Histogram, "How long.");
        family.histogram(&[("shard", &0)], &histogram, 1e9);
        let text = exposition.into_text();
        let samples: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "tidings_c_seconds_bucket{shard=\"0\",le=\"0.0025\"} 2",
                "tidings_c_seconds_bucket{shard=\"0\",le=\"1\"} 3",
                "tidings_c_seconds_bucket{shard=\"0\",le=\"+Inf\"} 4",
                "tidings_c_seconds_sum{shard=\"0\"} 2.5035",
                "tidings_c_seconds_count{shard=\"0\"} 4",
            ]
        );
    }
}
