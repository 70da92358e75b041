//! Prometheus' text format, read as strictly as anybody might: what `promtool check metrics` asks for, and
//! what the format's description does.

use std::collections::{BTreeMap, BTreeSet};

/// All families by name.
pub(crate) struct Exposition(BTreeMap<String, Family>);

/// One family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// By the whole of name and labels, as they are written.
    samples: BTreeMap<String, f64>,
    labels: Vec<String>,
}

/// A line that is a sample.
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Exposition {
    /// Reads `text`, or fails.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut families = BTreeMap::new();
        let mut lines = text.lines().peekable();
        while let Some(help) = lines.next() {
            let (name, help) = directive(help, "# HELP ");
            assert!(help.ends_with('.') && !help.contains('\\'), "{help}");
            let (typed, kind) = directive(lines.next().unwrap(), "# TYPE ");
            assert_eq!(typed, name, "TYPE comes after HELP, of the same family");
            check_name(name, kind);
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(Sample::parse(line));
            }
            assert!(!samples.is_empty(), "{name} has no samples");
            let family = Family::of(name, kind, &samples);
            let before = families.insert(name.to_owned(), family);
            assert!(before.is_none(), "{name} is there twice");
        }
        Self(families)
    }

    /// The names of the families.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The value of a sample, such as `tidings_connections{shard="0"}`.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let name = sample.split('{').next().unwrap();
        let suffixes = ["", "_bucket", "_sum", "_count"];
        let bases = suffixes
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix));
        let family = bases.filter_map(|base| self.0.get(base)).next();
        let family = family.unwrap_or_else(|| panic!("there is no family of {sample}"));
        *family
            .samples
            .get(sample)
            .unwrap_or_else(|| panic!("there is no {sample} in {family:?}"))
    }

    /// All values of a family, added up.
    pub(crate) fn sum(&self, family: &str) -> f64 {
        self.0[family].samples.values().sum()
    }

    /// All families.
    pub(crate) fn families(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.0.iter().map(|(name, family)| (name.as_str(), family))
    }
}

fn directive<'a>(line: &'a str, keyword: &str) -> (&'a str, &'a str) {
    let rest = line.strip_prefix(keyword);
    let rest = rest.unwrap_or_else(|| panic!("{keyword:?} was to come: {line}"));
    rest.split_once(' ')
        .unwrap_or_else(|| panic!("{line} says nothing"))
}

/// Conventions: a legal name, its prefix, its unit, and the suffix that belongs to its kind.
fn check_name(name: &str, kind: &str) {
    assert!(is_identifier(name), "{name}");
    let ours = name.starts_with("tidings_") || name.starts_with("process_");
    assert!(ours, "{name} is of nobody");
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name} {kind}");
    assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{kind}");
    for reserved in ["_bucket", "_sum", "_count", "_created"] {
        assert!(!name.ends_with(reserved), "{name}");
    }
    for unit in [
        "milliseconds",
        "_ms",
        "_us",
        "_ns",
        "kib",
        "minutes",
        "_percent",
    ] {
        assert!(!name.contains(unit), "{name} is not in a base unit");
    }
}

fn is_identifier(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    name.chars().all(legal) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (key, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match key.split_once('{') {
            None => (key, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        };
        assert!(is_identifier(name), "{line}");
        let pairs = labels.split(',').filter(|pair| !pair.is_empty());
        let labels: Vec<_> = pairs
            .map(|pair| {
                let (label, text) = pair.split_once('=').unwrap();
                let text = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
                let text = text.unwrap_or_else(|| panic!("{line}"));
                assert!(is_identifier(label) && !label.starts_with("__"), "{line}");
                assert!(
                    !text.is_empty() && !text.contains(['"', '\\', '\n']),
                    "{line}"
                );
                (label.to_owned(), text.to_owned())
            })
            .collect();
        let distinct: BTreeSet<_> = labels.iter().map(|(label, _)| label).collect();
        assert_eq!(distinct.len(), labels.len(), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        Self {
            name: name.to_owned(),
            labels,
            value,
        }
    }

    fn key(&self) -> String {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{text}\""))
            .collect();
        match labels.is_empty() {
            true => self.name.clone(),
            false => format!("{}{{{}}}", self.name, labels.join(",")),
        }
    }
}

impl Family {
    fn of(name: &str, kind: &str, samples: &[Sample]) -> Self {
        for sample in samples {
            assert!(sample.value.is_finite(), "{name}");
            assert!(kind == "gauge" || sample.value >= 0.0, "{name}");
        }
        if kind == "histogram" {
            check_histogram(name, samples);
        } else {
            assert!(samples.iter().all(|sample| sample.name == name), "{name}");
        }
        let keyed = samples.iter().map(|sample| (sample.key(), sample.value));
        let keyed: BTreeMap<_, _> = keyed.collect();
        assert_eq!(keyed.len(), samples.len(), "{name} has a sample twice");
        let labels = |sample: &Sample| {
            let labels = sample.labels.iter().map(|(label, _)| label.clone());
            labels.filter(|label| label != "le").collect::<Vec<_>>()
        };
        let own = labels(&samples[0]);
        let same = samples.iter().all(|sample| labels(sample) == own);
        assert!(same, "{name} has labels that some samples do not have");
        Self {
            kind: kind.to_owned(),
            samples: keyed,
            labels: own,
        }
    }

    /// The names of the labels that all samples have, but for a bucket's bound.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// Each histogram has its buckets in the order of their bounds, which never count less than those before,
/// up to `+Inf`, then its sum, and its count, which is that of `+Inf`.
fn check_histogram(name: &str, samples: &[Sample]) {
    let mut rest = samples.iter().peekable();
    while let Some(first) = rest.peek() {
        let is_le = |(label, _): &&(String, String)| label == "le";
        let own: Vec<_> = first
            .labels
            .iter()
            .filter(|it| !is_le(it))
            .cloned()
            .collect();
        let (mut bound, mut below) = (f64::NEG_INFINITY, 0.0);
        while let Some(bucket) = rest.next_if(|it| it.name == format!("{name}_bucket")) {
            let (le, others): (Vec<_>, Vec<_>) = bucket.labels.iter().partition(is_le);
            assert!(others.into_iter().eq(&own), "{name}: {}", bucket.key());
            let le: f64 = le[0].1.parse().unwrap();
            assert!(le > bound && bucket.value >= below, "{}", bucket.key());
            (bound, below) = (le, bucket.value);
        }
        assert_eq!(bound, f64::INFINITY, "{name} ends with +Inf");
        let (sum, count) = (rest.next().unwrap(), rest.next().unwrap());
        assert_eq!((&sum.name, &sum.labels), (&format!("{name}_sum"), &own));
        assert_eq!(
            (&count.name, &count.labels),
            (&format!("{name}_count"), &own)
        );
        assert_eq!(count.value, below, "{name}");
    }
}
