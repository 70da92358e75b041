//! The command line of `cargo xtask test`: which steps run.

use crate::steps::{STEPS, Step};

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    only: Vec<String>,
    without: Vec<String>,
}

impl Options {
    /// Reads the words after `test`. An error is a sentence for the user.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let list = match flag.as_str() {
                "--only" => &mut options.only,
                "--without" => &mut options.without,
                _ => return Err(format!("`test` has no option '{flag}'")),
            };
            let names = inline.or_else(|| arguments.next()).ok_or_else(|| {
                format!("{flag} needs the names of steps, such as {flag} fmt,clippy")
            })?;
            for name in names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                if STEPS.iter().all(|step| step.name != name) {
                    return Err(format!("there is no step '{name}'"));
                }
                list.push(name.to_owned());
            }
        }
        if options.steps().next().is_none() {
            return Err("no step is left to run".to_owned());
        }
        Ok(options)
    }

    /// The steps to run, in the table's order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &'static Step> {
        let named = |list: &[String], step: &Step| list.iter().any(|name| name == step.name);
        STEPS.iter().filter(move |step| {
            (self.only.is_empty() || named(&self.only, step)) && !named(&self.without, step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Vec<&'static str>, String> {
        let options = Options::parse(line.split_whitespace().map(str::to_owned))?;
        Ok(options.steps().map(|step| step.name).collect())
    }

    #[test]
    fn without_options_every_step_runs() {
        let all: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(parse("").unwrap(), all);
    }

    #[test]
    fn only_keeps_the_order_of_the_table() {
        assert_eq!(parse("--only clippy,fmt").unwrap(), ["fmt", "clippy"]);
        assert_eq!(
            parse("--only=clippy --only fmt").unwrap(),
            ["fmt", "clippy"]
        );
    }

    #[test]
    fn without_takes_away_even_from_only() {
        assert_eq!(
            parse("--only fmt,clippy --without fmt").unwrap(),
            ["clippy"]
        );
        assert!(!parse("--without browser").unwrap().contains(&"browser"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("--only paint").unwrap_err().contains("'paint'"));
        assert!(parse("--only").unwrap_err().contains("needs the names"));
        assert!(parse("--quickly").unwrap_err().contains("'--quickly'"));
        assert!(
            parse("--only fmt --without fmt")
                .unwrap_err()
                .contains("no step")
        );
    }
}
