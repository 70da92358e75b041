//! The command line of `cargo xtask bench websocket`.

use std::path::PathBuf;
use std::time::Duration;

use super::scenario::{FULL, QUICK, Scenario};
use crate::command_line::{Words, duration, names, number};
use crate::peer::Peer;

pub(crate) const HELP: &str = "\
cargo xtask bench websocket [options]      echo servers against each other

  --quick                  a few scenarios once: some two minutes
  --only NAME,NAME         these scenarios alone; names are made of parts:
                             echo-SIZE-INFLIGHT[-CONNECTIONSc][-mixed|-binary|-deflate|-takeover]
                             idle-CONNECTIONS[-deflate|-takeover]
                           such as echo-125-16, echo-16k-1-mixed, echo-125-1-1000c, idle-10000
  --peers NAME,NAME        these peers alone
  --peer 'NAME=COMMAND'    one more peer, such as --peer 'mine=./server {port} {mode}'
                             {address}  127.0.0.1:PORT
                             {port}     the port
                             {mode}     plain, deflate or takeover
                             {deflate}  --deflate, or nothing
                             {takeover} --takeover, or nothing
  --reference NAME         whom ratios compare with; uwebsockets where that is given, else raw-epoll
  --repeats N              default 3, with --quick 1
  --seconds S              measured per run; default 0.8, with --quick 0.5
  --minutes N              begin no run later than this; default 25, with --quick 3
  --realtime               let server and generator go before all others, by `chrt` and as root:
                           for a machine that is not idle; everything else on it stands still
  --out FOLDER             where websocket.md and websocket.json go; default target/bench
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
    /// Where xtask built `examples/echo` of the main workspace.
    pub(crate) echo: Option<PathBuf>,
}

impl Options {
    /// Reads the words after `bench websocket`. An error is a sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = Words::new(words);
        let (mut help, mut list, mut quick, mut realtime) = (false, false, false, false);
        let (mut only, mut peers, mut added) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reference, mut out, mut echo) = (None, None, None);
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
                "--echo" => echo = Some(PathBuf::from(value()?)),
                _ => return Err(format!("there is no option '{flag}'; see --help")),
            }
        }
        if only.is_empty() {
            let table = if quick { QUICK } else { FULL };
            only.extend(table.iter().map(|name| (*name).to_owned()));
        }
        let usual = if quick { (1, 0.5, 3.0) } else { (3, 0.8, 25.0) };
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
            echo,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_options_all_scenarios_run_three_times() {
        let options = parse("").unwrap();
        assert_eq!(options.scenarios.len(), FULL.len());
        assert_eq!(options.repeats, 3);
    }

    #[test]
    fn quick_is_short_unless_said_otherwise() {
        let options = parse("--quick --repeats 2").unwrap();
        assert_eq!(options.scenarios.len(), QUICK.len());
        assert_eq!(options.repeats, 2);
        assert_eq!(options.within, Duration::from_secs(180));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("--fast", "'--fast'"),
            ("--only", "needs a value"),
            ("--only shout-1-1", "'shout-1-1'"),
            ("--repeats many", "'many'"),
            ("--peer nameless", "NAME=COMMAND"),
            ("--seconds=-1", "--seconds"),
        ] {
            let problem = parse(line).err().unwrap_or_default();
            assert!(problem.contains(part), "{line}: {problem}");
        }
    }
}
