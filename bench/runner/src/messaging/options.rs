//! The command line of `cargo xtask bench messaging`.

use std::path::PathBuf;
use std::time::Duration;

use super::scenario::{FULL, QUICK, Scenario};
use crate::command_line::{Words, duration, names, number};
use crate::peer::Peer;

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
    pub(crate) help: bool,
    pub(crate) list: bool,
    pub(crate) realtime: bool,
    pub(crate) scenarios: Vec<Scenario>,
    /// Empty for all.
    pub(crate) peers: Vec<String>,
    pub(crate) added: Vec<Peer>,
    pub(crate) reference: Option<String>,
    pub(crate) repeats: usize,
    pub(crate) measured: Duration,
    pub(crate) within: Duration,
    pub(crate) out: Option<PathBuf>,
    /// The server of the main workspace, where xtask built it.
    pub(crate) tidings: Option<PathBuf>,
    /// Whether this is the whole table with all peers at full length, as the report in docs/ has it.
    pub(crate) is_full: bool,
    /// The words, to tell them in the report.
    pub(crate) words: String,
}

impl Options {
    /// Reads the words after `bench messaging`. An error is a sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.into_iter().collect();
        let told = told(&words);
        let mut words = Words::new(words);
        let (mut help, mut list, mut quick, mut realtime) = (false, false, false, false);
        let (mut only, mut peers, mut added) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reference, mut out, mut tidings) = (None, None, None);
        let (mut repeats, mut seconds, mut minutes) = (None, None, None);
        while let Some(flag) = words.flag() {
            let mut value = || words.value(&flag);
            match flag.as_str() {
                "--help" | "-h" => help = true,
                "--list" => list = true,
                "--quick" => quick = true,
                "--realtime" => realtime = true,
                "--only" => only.extend(names(&value()?)),
                "--peers" => peers.extend(names(&value()?)),
                "--peer" => added.push(Peer::external(&value()?)?),
                "--reference" => reference = Some(value()?),
                "--repeats" => repeats = Some(number(&flag, &value()?)?),
                "--seconds" => seconds = Some(number(&flag, &value()?)?),
                "--minutes" => minutes = Some(number(&flag, &value()?)?),
                "--out" => out = Some(PathBuf::from(value()?)),
                "--tidings" => tidings = Some(PathBuf::from(value()?)),
                "--install" => {} // is for xtask
                _ => return Err(format!("there is no option '{flag}'; see --help")),
            }
        }
        let is_usual = !quick && repeats.is_none() && seconds.is_none();
        let is_full = is_usual && only.is_empty() && peers.is_empty();
        if only.is_empty() {
            let table = if quick { QUICK } else { FULL };
            only.extend(table.iter().map(|name| (*name).to_owned()));
        }
        let usual = if quick { (1, 0.7, 4.0) } else { (3, 1.0, 25.0) };
        Ok(Self {
            help,
            list,
            realtime,
            scenarios: only
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()?,
            peers,
            added,
            reference,
            repeats: repeats.unwrap_or(usual.0).max(1),
            measured: duration("--seconds", seconds.unwrap_or(usual.1))?,
            within: duration("--minutes", minutes.unwrap_or(usual.2) * 60.0)?,
            out,
            tidings,
            is_full,
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
        assert_eq!(options.scenarios.len(), FULL.len());
        assert_eq!(options.repeats, 3);
        assert!(options.is_full);
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
            assert!(!options.is_full, "{line}");
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
