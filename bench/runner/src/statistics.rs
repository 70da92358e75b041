//! Medians and ranges, and how they are written.

/// The values of one figure over the repeats.
pub(crate) struct Spread(pub(crate) Vec<f64>);

impl Spread {
    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        median(&self.0)
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The middle one, and the smallest and largest where there are several.
    pub(crate) fn whole(&self) -> String {
        let median = short(self.median());
        match self.0.len() {
            1 => median,
            _ => format!("{median} ({}..{})", short(self.least()), short(self.most())),
        }
    }
}

/// Three digits that matter.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

pub(crate) fn show(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

/// The middle one; of an even number the lower of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

/// Each once, as they first came.
pub(crate) fn in_order<T: PartialEq>(names: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_told_with_its_ends() {
        assert_eq!(Spread(vec![3.0, 100.4, 20.0]).whole(), "20.0 (3.00..100)");
        assert_eq!(Spread(vec![0.0725]).whole(), "0.072");
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
    }

    #[test]
    fn names_are_told_once_and_in_order() {
        assert_eq!(in_order(["b", "a", "b"].into_iter()), ["b", "a"]);
    }
}
