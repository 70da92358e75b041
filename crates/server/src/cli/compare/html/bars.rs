//! Bars beside each other as SVG: their lengths are logarithms, for a poll's figures are a thousand times another's.

use std::fmt::Write;

use crate::cli::load::escape;

/// A picture with a bar for each way.
#[derive(Debug)]
pub(super) struct Bars<'a> {
    /// What it shows, for those who do not see it as well.
    pub(super) title: &'a str,
    pub(super) bars: Vec<Bar<'a>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Bar<'a> {
    pub(super) name: &'a str,
    /// At least 0.
    pub(super) value: f64,
    pub(super) label: String,
}

// The picture in its own units, which the page stretches to its width.
const WIDTH: f64 = 720.0;
const ROW: f64 = 22.0;
const THICKNESS: f64 = 12.0;
/// Room for the names, and for the label behind the longest bar.
const LEFT: f64 = 180.0;
const RIGHT: f64 = 80.0;
/// The longest bar of the shortest value, as a part of all.
const LEAST: f64 = 0.04;

impl Bars<'_> {
    /// The picture.
    pub(in super::super) fn svg(&self) -> String {
        let height = ROW * self.bars.len() as f64 + ROW / 2.0;
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        for (row, (bar, length)) in self.bars.iter().zip(self.lengths()).enumerate() {
            let top = ROW * row as f64 + ROW / 2.0;
            let (middle, width) = (top + THICKNESS - 2.0, length * (WIDTH - LEFT - RIGHT));
            // To write into a String does not fail.
            let _ = writeln!(
                out,
                "<text class=\"bar-name\" x=\"{}\" y=\"{middle}\">{}</text>\
                 <rect class=\"bar\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{THICKNESS}\"/>\
                 <text class=\"bar-label\" x=\"{:.1}\" y=\"{middle}\">{}</text>",
                LEFT - 8.0,
                escape(bar.name),
                LEFT + width + 6.0,
                escape(&bar.label)
            );
        }
        out + "</svg>\n"
    }

    /// How long each bar is, as a part of the longest.
    fn lengths(&self) -> impl Iterator<Item = f64> {
        // What is next to nothing is next to no length.
        let logarithm = |bar: &Bar<'_>| bar.value.max(VALUE_MIN).log10();
        let least = self.bars.iter().map(logarithm).fold(f64::MAX, f64::min);
        let most = self.bars.iter().map(logarithm).fold(f64::MIN, f64::max);
        let range = (most - least).max(f64::EPSILON);
        self.bars
            .iter()
            .map(move |bar| LEAST + (1.0 - LEAST) * (logarithm(bar) - least) / range)
    }
}

/// The least value that is told apart from others.
const VALUE_MIN: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(values: &[f64]) -> Vec<f64> {
        let bar = |value: &f64| Bar {
            name: "a",
            value: *value,
            label: String::new(),
        };
        let bars = Bars {
            title: "",
            bars: values.iter().map(bar).collect(),
        };
        bars.lengths().collect()
    }

    #[test]
    fn lengths_are_logarithms() {
        let lengths = lengths(&[1.0, 10.0, 100.0]);
        assert_eq!((lengths[0], lengths[2]), (LEAST, 1.0));
        assert!((lengths[1] - f64::midpoint(LEAST, 1.0)).abs() < 1e-9);
    }

    #[test]
    fn nothing_and_equals_have_lengths_as_well() {
        assert!(lengths(&[0.0, 0.0]).iter().all(|length| length.is_finite()));
        assert!(
            lengths(&[5.0])
                .iter()
                .all(|length| (0.0..=1.0).contains(length))
        );
    }
}
