//! What the two command lines have in common.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::peer::Peer;

/// What either bench can be asked for; `S` is a scenario.
pub(crate) struct Common<S> {
    pub(crate) help: bool,
    pub(crate) list: bool,
    pub(crate) realtime: bool,
    pub(crate) scenarios: Vec<S>,
    /// Empty for all.
    pub(crate) peers: Vec<String>,
    pub(crate) added: Vec<Peer>,
    pub(crate) reference: Option<String>,
    pub(crate) repeats: usize,
    pub(crate) measured: Duration,
    pub(crate) within: Duration,
    pub(crate) out: Option<PathBuf>,
    /// Whether this is the whole table with all peers at full length.
    pub(crate) is_full: bool,
}

/// What holds where nothing else is said.
pub(crate) struct Usual {
    pub(crate) scenarios: &'static [&'static str],
    pub(crate) repeats: usize,
    pub(crate) seconds: f64,
    pub(crate) minutes: f64,
}

impl<S: fmt::Display> Common<S> {
    /// Tells what could be run, and what could not.
    pub(crate) fn list<'n>(&self, peers: impl Iterator<Item = &'n str>, missing: &[String]) {
        let scenarios: Vec<String> = self.scenarios.iter().map(S::to_string).collect();
        let peers: Vec<&str> = peers.collect();
        println!(
            "scenarios: {}\npeers: {}",
            scenarios.join(" "),
            peers.join(" ")
        );
        for line in missing {
            println!("not here: {line}");
        }
    }
}

impl<S: FromStr<Err = String>> Common<S> {
    /// Reads the words behind the bench's name. `own` takes a flag that only one bench has, with what asks
    /// for its value, and says whether it knows it. An error is a sentence for the user.
    pub(crate) fn parse(
        words: impl IntoIterator<Item = String>,
        full: &Usual,
        quick: &Usual,
        mut own: impl FnMut(&str, &mut dyn FnMut() -> Result<String, String>) -> Result<bool, String>,
    ) -> Result<Self, String> {
        let mut words = Words::new(words);
        let (mut help, mut list, mut is_quick, mut realtime) = (false, false, false, false);
        let (mut only, mut peers, mut added) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reference, mut out) = (None, None);
        let (mut repeats, mut seconds, mut minutes) = (None, None, None);
        while let Some(flag) = words.flag() {
            let mut value = || words.value(&flag);
            match flag.as_str() {
                "--help" | "-h" => help = true,
                "--list" => list = true,
                "--quick" => is_quick = true,
                "--realtime" => realtime = true,
                "--only" => only.extend(names(&value()?)),
                "--peers" => peers.extend(names(&value()?)),
                "--peer" => added.push(Peer::external(&value()?)?),
                "--reference" => reference = Some(value()?),
                "--repeats" => repeats = Some(number(&flag, &value()?)?),
                "--seconds" => seconds = Some(number(&flag, &value()?)?),
                "--minutes" => minutes = Some(number(&flag, &value()?)?),
                "--out" => out = Some(PathBuf::from(value()?)),
                flag if own(flag, &mut value)? => {}
                _ => return Err(format!("there is no option '{flag}'; see --help")),
            }
        }
        let is_usual = !is_quick && repeats.is_none() && seconds.is_none();
        let is_full = is_usual && only.is_empty() && peers.is_empty();
        let usual = if is_quick { quick } else { full };
        if only.is_empty() {
            only.extend(usual.scenarios.iter().map(|name| (*name).to_owned()));
        }
        let scenarios = only.iter().map(|name| name.parse());
        Ok(Self {
            help,
            list,
            realtime,
            scenarios: scenarios.collect::<Result<_, _>>()?,
            peers,
            added,
            reference,
            repeats: repeats.unwrap_or(usual.repeats).max(1),
            measured: duration("--seconds", seconds.unwrap_or(usual.seconds))?,
            within: duration("--minutes", minutes.unwrap_or(usual.minutes) * 60.0)?,
            out,
            is_full,
        })
    }
}

/// Words as `--flag value` or `--flag=value`.
struct Words<I> {
    rest: I,
    inline: Option<String>,
}

impl<I: Iterator<Item = String>> Words<I> {
    fn new(words: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            rest: words.into_iter(),
            inline: None,
        }
    }

    /// The next flag; `None` at the end.
    fn flag(&mut self) -> Option<String> {
        let word = self.rest.next()?;
        let (flag, inline) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        self.inline = inline;
        Some(flag)
    }

    /// What belongs to the flag that was given last.
    fn value(&mut self, flag: &str) -> Result<String, String> {
        self.inline
            .take()
            .or_else(|| self.rest.next())
            .ok_or_else(|| format!("{flag} needs a value; see --help"))
    }
}

/// Names with commas between them.
fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

fn number<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag}: '{value}' is not a number"))
}

fn duration(flag: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{flag}: not a length of time"))
}
