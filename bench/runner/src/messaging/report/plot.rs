//! One bar chart a scenario: medians as bars, ranges as lines, the best on top.

use std::fmt::Write;

use super::{Report, columns};
use crate::messaging::scenario::Scenario;
use crate::statistics::{Spread, short};

/// The file's name.
pub(super) fn name(scenario: Scenario) -> String {
    format!("{scenario}.svg")
}

const WIDTH: f64 = 760.0;
const TOP: f64 = 64.0;
const ROW: f64 = 28.0;
const BAR: f64 = 16.0;
/// Names stand to the left of this.
const LEFT: f64 = 150.0;
/// The longest bar or line ends here; its figure stands to the right.
const RIGHT: f64 = 590.0;

/// Black on white or white on black, as the reader's page is.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}\
.title{font-size:15px;font-weight:600}.note{fill:#59636e}\
.bar{fill:#9aa7b4}.ours{fill:#2563eb}.range{stroke:#1f2328;stroke-width:1.5;fill:none}\
.axis{stroke:#d1d9e0}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.bar{fill:#59636e}\
.ours{fill:#60a5fa}.range{stroke:#f0f6fc}.axis{stroke:#3d444d}}";

impl Report {
    /// The chart as SVG.
    pub(super) fn plot(&self, scenario: Scenario) -> String {
        let [main, ..] = columns(scenario) else {
            return String::new();
        };
        let mut bars: Vec<(&str, Spread)> = self
            .peers_in(scenario)
            .into_iter()
            .filter_map(|peer| Some((peer, self.spread(scenario, peer, *main)?)))
            .collect();
        bars.sort_by(|(_, a), (_, b)| {
            let order = a.median().total_cmp(&b.median());
            match main.more_is_better() {
                true => order.reverse(),
                false => order,
            }
        });
        let most = bars
            .iter()
            .map(|(_, spread)| spread.most())
            .fold(0.0, f64::max);
        let better = match main.more_is_better() {
            true => "more is better",
            false => "less is better",
        };
        let height = TOP + ROW * bars.len() as f64 + 12.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n\
             <style>{STYLE}</style>\n\
             <text class=\"title\" x=\"8\" y=\"22\">{}</text>\n\
             <text class=\"note\" x=\"8\" y=\"44\">{}; {better}</text>\n\
             <path class=\"axis\" d=\"M{LEFT} {}V{}\"/>\n",
            scenario.title(),
            scenario.title(),
            scenario.measure(),
            TOP - 6.0,
            height - 8.0,
        );
        for (row, (peer, spread)) in bars.iter().enumerate() {
            let top = TOP + ROW * row as f64;
            let x = |value: f64| LEFT + (RIGHT - LEFT) * value / most.max(f64::MIN_POSITIVE);
            let (middle, bar_top) = (top + ROW / 2.0, top + (ROW - BAR) / 2.0);
            let baseline = middle + 4.5;
            let class = match peer.starts_with("tidings") {
                true => "bar ours",
                false => "bar",
            };
            let (median, least, most) = (spread.median(), spread.least(), spread.most());
            // Writing to a string cannot fail.
            let _ = write!(
                svg,
                "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{peer}</text>\
                 <rect class=\"{class}\" x=\"{LEFT}\" y=\"{bar_top}\" width=\"{:.1}\" \
                 height=\"{BAR}\" rx=\"2\"/>",
                LEFT - 8.0,
                (x(median) - LEFT).max(1.0),
            );
            if least < most {
                let _ = write!(
                    svg,
                    "<path class=\"range\" d=\"M{:.1} {middle}H{:.1}\"/>",
                    x(least),
                    x(most),
                );
            }
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{baseline}\">{} {}</text>",
                x(most) + 8.0,
                short(median),
                main.unit(),
            );
        }
        svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, runs};

    #[test]
    fn the_best_is_on_top_and_the_longest_fits() {
        let mut all = runs("other", &[400.0, 800.0, 500.0]);
        all.extend(runs("tidings", &[100.0]));
        let report = report(all);
        let svg = report.plot(report.scenarios()[0]);
        let at = |text: &str| {
            svg.find(text)
                .unwrap_or_else(|| panic!("no {text} in {svg}"))
        };
        assert!(at(">tidings<") < at(">other<"));
        // Half of 800 is where the other's line begins, and 800 where it ends.
        assert!(svg.contains("M370.0 106H590.0"), "{svg}");
        assert!(svg.contains("class=\"bar ours\""));
    }
}
