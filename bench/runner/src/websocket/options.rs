//! The command line of `cargo xtask bench websocket`.

use std::path::PathBuf;

use super::scenario::{FULL, QUICK, Scenario};
use crate::command_line::{Common, Usual};

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
    pub(crate) common: Common<Scenario>,
    /// Where xtask built `examples/echo` of the main workspace.
    pub(crate) echo: Option<PathBuf>,
}

const WHOLE: Usual = Usual {
    scenarios: FULL,
    repeats: 3,
    seconds: 0.8,
    minutes: 25.0,
};

const SHORT: Usual = Usual {
    scenarios: QUICK,
    repeats: 1,
    seconds: 0.5,
    minutes: 3.0,
};

impl Options {
    /// Reads the words after `bench websocket`. An error is a sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut echo = None;
        let common = Common::parse(words, &WHOLE, &SHORT, |flag, value| {
            if flag == "--echo" {
                echo = Some(PathBuf::from(value()?));
            }
            Ok(flag == "--echo")
        })?;
        Ok(Self { common, echo })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_options_all_scenarios_run_three_times() {
        let options = parse("").unwrap();
        assert_eq!(options.common.scenarios.len(), FULL.len());
        assert_eq!(options.common.repeats, 3);
    }

    #[test]
    fn quick_is_short_unless_said_otherwise() {
        let options = parse("--quick --repeats 2").unwrap();
        assert_eq!(options.common.scenarios.len(), QUICK.len());
        assert_eq!(options.common.repeats, 2);
        assert_eq!(options.common.within, Duration::from_secs(180));
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
