//! `cargo xtask autobahn`: the whole Autobahn suite against the WebSocket crate's examples. The
//! step of `cargo xtask test` is a quicker run of the same cases.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Verdict};
use crate::tools::{Tool, Tools};

/// What `--role` chooses of: who of ours meets the suite, plainly and over TLS. The server loop has
/// no TLS of its own: there the comfortable server is the server.
const ROLES: &[(&str, &str, &str)] = &[
    ("server", "server", "wss-server"),
    ("comfortable", "comfortable", "wss-server"),
    ("client", "client", "wss-client"),
];

/// All roles of `run`.
pub(crate) const EVERYBODY: &str = "server,comfortable,client,wss-server,wss-client";

/// When to take it for hung: the whole suite takes half an hour on two busy cores.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// Runs the task with the words after its name. An error is a sentence for the user.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let wanted = Wanted::parse(words)?;
    let shell = Shell::with_limit(LIMIT);
    let verdict = Tools::default()
        .provide(&[Tool::Python], &shell)
        .and_then(|()| build(&shell))
        .and_then(|()| {
            let examples = shell.target().join("release/examples");
            examine(&shell, &examples, &wanted.cases, &wanted.roles.join(","))
        });
    Ok(shell::exit_code(verdict))
}

/// The programs that the suite meets, as users run them: sections 9, 12 and 13 are about much data.
pub(crate) fn build(shell: &Shell) -> Verdict {
    shell
        .cargo("build --release -p tidings-websocket --all-features")
        .words("--example echo --example autobahn_client")
        .run()
}

/// Lets the suite meet the programs in `examples`.
pub(crate) fn examine(shell: &Shell, examples: &Path, cases: &str, roles: &str) -> Verdict {
    shell
        .call(shell.path("interop/autobahn/run"))
        .option("--server", examples.join("echo"))
        .option("--client", examples.join("autobahn_client"))
        .option("--cases", cases)
        .option("--roles", roles)
        .option("--out", shell.target().join("autobahn"))
        .skipped_on(3)
        .run()
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    /// A profile's name, or patterns of cases: `run` knows them.
    cases: String,
    /// What `run` calls roles.
    roles: Vec<&'static str>,
}

impl Wanted {
    fn parse(words: &mut dyn Iterator<Item = String>) -> Result<Self, String> {
        let mut cases = "full".to_owned();
        let mut chosen = Vec::new();
        let mut wss = false;
        while let Some(word) = words.next() {
            let (flag, mut inline) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || {
                inline
                    .take()
                    .or_else(|| words.next())
                    .ok_or_else(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--cases" => cases = value()?,
                "--role" => {
                    for name in value()?.split(',') {
                        let known = ROLES.iter().find(|role| role.0 == name);
                        chosen.push(known.ok_or_else(|| format!("there is no role '{name}'"))?);
                    }
                }
                "--wss" => wss = true,
                _ => return Err(format!("`autobahn` has no option '{flag}'")),
            }
            if inline.is_some() {
                return Err(format!("{flag} takes no value"));
            }
        }
        let all = chosen.is_empty();
        let mut roles = Vec::new();
        for (_, plain, over_tls) in ROLES.iter().filter(|role| all || chosen.contains(role)) {
            if !wss {
                roles.push(*plain);
            }
            if wss || all {
                roles.push(*over_tls);
            }
        }
        roles.sort_by_key(|role| role.starts_with("wss-"));
        roles.dedup();
        Ok(Self { cases, roles })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(String, String), String> {
        let wanted = Wanted::parse(&mut line.split_whitespace().map(str::to_owned))?;
        Ok((wanted.cases, wanted.roles.join(" ")))
    }

    fn wanted(cases: &str, roles: &str) -> Result<(String, String), String> {
        Ok((cases.to_owned(), roles.to_owned()))
    }

    #[test]
    fn without_options_the_whole_suite_meets_everybody() {
        assert_eq!(parse(""), wanted("full", &EVERYBODY.replace(',', " ")));
    }

    #[test]
    fn a_role_alone_is_met_without_tls() {
        assert_eq!(parse("--role client"), wanted("full", "client"));
        assert_eq!(
            parse("--role client,server --cases=6.*"),
            wanted("6.*", "server client")
        );
    }

    #[test]
    fn wss_means_tls_alone() {
        assert_eq!(parse("--wss"), wanted("full", "wss-server wss-client"));
        assert_eq!(
            parse("--wss --role server --role comfortable"),
            wanted("full", "wss-server")
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("--role proxy").unwrap_err().contains("'proxy'"));
        assert!(parse("--cases").unwrap_err().contains("needs a value"));
        assert!(parse("--quickly").unwrap_err().contains("'--quickly'"));
        assert!(parse("--wss=no").unwrap_err().contains("takes no value"));
    }
}
