//! A broken configuration, told by line, with the key that was probably meant.

/// What is wrong with a file, and what to do.
#[derive(Debug)]
pub(crate) struct ConfigError {
    /// Begins with the line.
    pub(crate) message: String,
    /// What to do.
    pub(crate) advice: String,
}

impl ConfigError {
    pub(super) fn new(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text[..at.min(text.len())].matches('\n').count();
        let (problem, advice) = match unknown_key(error.message()) {
            Some((key, known)) => (
                format!("there is no setting `{key}` here"),
                match likely(key, &known) {
                    Some(meant) => format!("Did you mean `{meant}`?"),
                    None if known.is_empty() => ALL_SETTINGS.to_owned(),
                    None => format!("There are {}. {ALL_SETTINGS}", known.join(", ")),
                },
            ),
            None => (error.message().to_owned(), ALL_SETTINGS.to_owned()),
        };
        Self {
            message: format!("line {line}: {problem}"),
            advice,
        }
    }
}

const ALL_SETTINGS: &str = "`tidings config` prints every setting with its explanation.";

/// serde says: unknown field `lisen`, expected one of `listen`, `data`.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut quoted = rest.split('`');
    let key = quoted.next()?;
    // From here on every second piece stands between backticks.
    let known = quoted.skip(1).step_by(2).collect();
    Some((key, known))
}

/// The known key that is nearest, if any is near.
fn likely<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
