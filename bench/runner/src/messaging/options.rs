//! The command line of `cargo xtask bench messaging`.

use std::path::PathBuf;

use super::scenario::{FULL, QUICK, Scenario};
use crate::command_line::{Common, Usual};

pub(crate) const HELP: &str = "\
cargo xtask bench [messaging] [options]    one publishes, many follow: against other servers

  --quick                  fewer scenarios and connections, once: some four minutes
  --only NAME,NAME         these scenarios alone; names are made of parts:
                             fanout-FOLLOWERS-BURST     the next burst when all have the last
                             fanout-FOLLOWERS-RATEhz    so many a second
                             latency-RATEhz publish-PUBLISHERS accept-FOLLOWERS
                             resume-FOLLOWERS memory-FOLLOWERS[-sse|-poll] idle-FOLLOWERS
                             shards-FOLLOWERS-BURST
                           such as fanout-1000-16, fanout-10000-5hz, memory-2000-sse
  --peers NAME,NAME        these peers alone
  --peer 'NAME=COMMAND'    one more peer, which broadcasts what comes over /pub to all at /sub,
                           such as --peer 'uwebsockets=/path/to/uws_broadcast {port}'
                             {address}  127.0.0.1:PORT
                             {port}     the port
                             {mode}     always plain: nothing is compressed here
  --reference NAME         whom ratios compare with; uwebsockets where that is given, else raw-epoll
  --repeats N              default 3, with --quick 1
  --seconds S              measured per run; default 1, with --quick 0.7
  --minutes N              begin no run later than this; default 25, with --quick 4
  --realtime               let server and generator go before all others, by `chrt` and as root:
                           for a machine that is not idle; everything else on it stands still
  --out FOLDER             where messaging.md, messaging.json and the plots go; by default
                           docs/benchmarks when all was measured at full length, else target/bench
  --install                before it begins, build Sockudo from crates.io, which takes long
  --list                   tell scenarios and peers, run nothing
";

/// What was asked for.
pub(crate) struct Options {
    pub(crate) common: Common<Scenario>,
    /// The server of the main workspace, where xtask built it.
    pub(crate) tidings: Option<PathBuf>,
    /// The words, to tell them in the report.
    pub(crate) words: String,
}

const WHOLE: Usual = Usual {
    scenarios: FULL,
    repeats: 3,
    seconds: 1.0,
    minutes: 25.0,
};

const SHORT: Usual = Usual {
    scenarios: QUICK,
    repeats: 1,
    seconds: 0.7,
    minutes: 4.0,
};

impl Options {
    /// Reads the words after `bench messaging`. An error is a sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.into_iter().collect();
        let told = told(&words);
        let mut tidings = None;
        let common = Common::parse(words, &WHOLE, &SHORT, |flag, value| {
            match flag {
                "--tidings" => tidings = Some(PathBuf::from(value()?)),
                "--install" => {} // is for xtask
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            common,
            tidings,
            words: told,
        })
    }
}

/// The words as somebody would type them again; what xtask added is not among them.
fn told(words: &[String]) -> String {
    let mut told = String::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--tidings" {
            words.next();
            continue;
        }
        told.push(' ');
        match word.contains(' ') {
            true => told += &format!("'{word}'"),
            false => told += word,
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_options_all_scenarios_run_three_times() {
        let options = parse("--tidings target/release/tidings").unwrap();
        assert_eq!(options.common.scenarios.len(), FULL.len());
        assert_eq!(options.common.repeats, 3);
        assert!(options.common.is_full);
        assert_eq!(options.words, "");
    }

    #[test]
    fn a_part_of_it_is_not_the_report_for_all() {
        for line in [
            "--quick",
            "--only publish-256",
            "--peers tidings,bun",
            "--repeats 1",
            "--seconds 0.1",
        ] {
            let options = parse(line).unwrap();
            assert!(!options.common.is_full, "{line}");
            assert_eq!(options.words, format!(" {line}"));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("--fast", "'--fast'"),
            ("--only", "needs a value"),
            ("--only echo-1-1", "'echo-1-1'"),
            ("--repeats many", "'many'"),
            ("--peer nameless", "NAME=COMMAND"),
            ("--minutes=-1", "--minutes"),
        ] {
            let problem = parse(line).err().unwrap_or_default();
            assert!(problem.contains(part), "{line}: {problem}");
        }
    }
}
