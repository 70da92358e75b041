//! Lines over axes as SVG, with the page's own colours.

use std::fmt::Write;

use super::escape;

/// A picture with one or more lines.
#[derive(Debug)]
pub(in crate::cli) struct Plot<'a> {
    /// What it shows, for those who do not see it as well.
    pub(in crate::cli) title: &'a str,
    pub(in crate::cli) x: Axis,
    pub(in crate::cli) y: Axis,
    pub(in crate::cli) lines: Vec<Line<'a>>,
}

/// From where to where, and what is written along it; in the units of the points.
#[derive(Debug)]
pub(in crate::cli) struct Axis {
    pub(in crate::cli) from: f64,
    pub(in crate::cli) to: f64,
    pub(in crate::cli) ticks: Vec<(f64, String)>,
}

/// One line.
#[derive(Debug)]
pub(in crate::cli) struct Line<'a> {
    /// What it is; empty where it is the only one.
    pub(in crate::cli) name: &'a str,
    pub(in crate::cli) points: Vec<(f64, f64)>,
}

// The picture in its own units, which the page stretches to its width: room to the left for times
// and counts, below for a row of numbers, above for the names of the lines.
const WIDTH: f64 = 728.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 28.0;

/// Between the names of two lines.
const NAME_WIDTH: f64 = 90.0;

impl Axis {
    /// An axis from 0 on in round steps, some five of them.
    pub(in crate::cli) fn linear(max: f64, label: impl Fn(f64) -> String) -> Self {
        let step = round_step(max / 5.0);
        let steps = (max / step).ceil().max(1.0);
        Self {
            from: 0.0,
            to: steps * step,
            // A few steps: a small number.
            ticks: (0..=steps as u32)
                .map(|number| f64::from(number) * step)
                .map(|at| (at, label(at)))
                .collect(),
        }
    }

    /// A logarithmic axis for values from `min` to `max`, with ticks at 1, 2 and 5 of each decade. Its
    /// points are logarithms to the base 10.
    pub(in crate::cli) fn logarithmic(min: f64, max: f64, label: impl Fn(f64) -> String) -> Self {
        let (min, max) = (min.max(1.0), max.max(min).max(1.0));
        let steps: Vec<f64> = (0..DECADES_MAX)
            .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)))
            .collect();
        let from = steps
            .iter()
            .rev()
            .find(|step| **step <= min)
            .copied()
            .unwrap_or(1.0);
        let to = steps.iter().find(|step| **step >= max && **step > from);
        let to = to.copied().unwrap_or(max.max(from * 10.0));
        let ticks = steps.iter().filter(|step| (from..=to).contains(*step));
        Self {
            from: from.log10(),
            to: to.log10(),
            ticks: ticks.map(|step| (step.log10(), label(*step))).collect(),
        }
    }

    /// Where `value` is, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// More decades of microseconds than an hour has.
const DECADES_MAX: i32 = 11;

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    if !step.is_finite() || step <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf(step.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|round| round * decade);
    steps
        .into_iter()
        .find(|round| *round >= step * (1.0 - 1e-9))
        .unwrap_or(step)
}

impl Plot<'_> {
    /// The picture.
    pub(in crate::cli) fn svg(&self) -> String {
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        let x = |value| LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value| HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, label) in &self.y.ticks {
            let at = y(*at);
            put(
                &mut out,
                format_args!(
                    "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
                 <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    LEFT - 8.0,
                    at + 4.0,
                    escape(label)
                ),
            );
        }
        for (at, label) in &self.x.ticks {
            let at = x(*at);
            put(
                &mut out,
                format_args!(
                    "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
                 <text class=\"x\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>\n",
                    bottom + 18.0,
                    escape(label)
                ),
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let points: Vec<_> = line
                .points
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
                .collect();
            put(
                &mut out,
                format_args!(
                    "<polyline class=\"line line{number}\" points=\"{}\"/>\n",
                    points.join(" ")
                ),
            );
            if !line.name.is_empty() {
                put(
                    &mut out,
                    format_args!(
                        "<text class=\"name name{number}\" x=\"{:.1}\" y=\"16\">{}</text>\n",
                        LEFT + number as f64 * NAME_WIDTH,
                        escape(line.name)
                    ),
                );
            }
        }
        out.push_str("</svg>\n");
        out
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_ends_at_a_round_step() {
        let axis = Axis::linear(9_730.0, |at| at.to_string());
        assert_eq!(axis.to, 10_000.0);
        assert_eq!(axis.ticks.len(), 6);
        assert_eq!(axis.ticks[1], (2000.0, "2000".to_owned()));
        for max in [0.0, f64::NAN, 1e-9, 1e12] {
            let axis = Axis::linear(max, |_| String::new());
            assert!(axis.to > 0.0 && axis.ticks.len() <= 12, "{max}: {axis:?}");
        }
    }

    #[test]
    fn a_logarithmic_axis_holds_all_values_between_round_ones() {
        let axis = Axis::logarithmic(130.0, 4_100.0, |at| at.to_string());
        let labels: Vec<_> = axis.ticks.iter().map(|(_, label)| &**label).collect();
        assert_eq!(labels, ["100", "200", "500", "1000", "2000", "5000"]);
        for (min, max) in [(0.0, 0.0), (7.0, 7.0), (10.0, 1.0), (1.0, 1e30)] {
            let axis = Axis::logarithmic(min, max, |_| String::new());
            assert!(axis.from < axis.to, "{min} to {max}: {axis:?}");
        }
    }

    #[test]
    fn what_lies_beyond_an_axis_stays_in_the_picture() {
        let plot = Plot {
            title: "a < b",
            x: Axis::linear(1.0, |at| at.to_string()),
            y: Axis::linear(1.0, |at| at.to_string()),
            lines: vec![Line {
                name: "p50",
                points: vec![(0.0, 0.0), (99.0, 99.0), (-1.0, 1.0)],
            }],
        };
        let svg = plot.svg();
        assert!(
            svg.contains("points=\"72.0,232.0 704.0,26.0 72.0,26.0\""),
            "{svg}"
        );
        assert!(svg.contains("a &lt; b"), "{svg}");
    }
}
