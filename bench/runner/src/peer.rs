//! A server that can be measured, the command that starts it, and the choice among them.

use std::path::Path;

use crate::program;

/// A server by its name.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Program and arguments, with placeholders; see `--help`.
    command: Vec<String>,
    /// A just-in-time compiler wants a longer warm-up.
    pub(crate) compiles_late: bool,
}

impl Peer {
    /// `arguments` are words, so that none of them holds a space; [`with`](Self::with) adds others.
    pub(crate) fn new(name: &str, program: impl AsRef<Path>, arguments: &str) -> Self {
        let program = program.as_ref().to_string_lossy().into_owned();
        let arguments = arguments.split_whitespace().map(str::to_owned);
        Self {
            name: name.to_owned(),
            command: std::iter::once(program).chain(arguments).collect(),
            compiles_late: false,
        }
    }

    /// Reads `NAME=COMMAND`. The command must be the server itself, since its CPU time and memory
    /// are measured by its process id: a script that wraps it ends with `exec`.
    pub(crate) fn external(text: &str) -> Result<Self, String> {
        let wrong = || format!("--peer: '{text}' is not NAME=COMMAND");
        let (name, command) = text.split_once('=').ok_or_else(wrong)?;
        let mut words = command.split_whitespace();
        let program = words
            .next()
            .filter(|_| !name.is_empty())
            .ok_or_else(wrong)?;
        if !command.contains("{port}") && !command.contains("{address}") {
            return Err(format!(
                "--peer: '{command}' has neither {{port}} nor {{address}}"
            ));
        }
        let mut peer = Self::new(name, program, "").compiling_late();
        peer.command.extend(words.map(str::to_owned));
        Ok(peer)
    }

    pub(crate) fn compiling_late(mut self) -> Self {
        self.compiles_late = true;
        self
    }

    /// Adds one argument, whatever is in it.
    pub(crate) fn with(mut self, argument: impl AsRef<Path>) -> Self {
        let argument = argument.as_ref().to_string_lossy().into_owned();
        self.command.push(argument);
        self
    }

    /// The command for a port; `fill` gives what stands for the placeholders that are not about it.
    /// Words that are empty then are left out.
    pub(crate) fn command(&self, port: u16, fill: &[(&str, &str)]) -> Vec<String> {
        self.command
            .iter()
            .map(|word| {
                let word = word
                    .replace("{port}", &port.to_string())
                    .replace("{address}", &format!("127.0.0.1:{port}"));
                fill.iter()
                    .fold(word, |word, (place, value)| word.replace(place, value))
            })
            .filter(|word| !word.is_empty())
            .collect()
    }

    pub(crate) fn program(&self) -> &Path {
        Path::new(&self.command[0])
    }

    /// Why it cannot be started here, if it cannot.
    pub(crate) fn why_absent(&self) -> Option<String> {
        let program = self.program();
        match program::find(program) {
            Some(_) => None,
            None => Some(format!("there is no {}", program.display())),
        }
    }
}

impl AsRef<Peer> for Peer {
    fn as_ref(&self) -> &Peer {
        self
    }
}

/// Those of `known` that were asked for, in its order: all where `wanted` names none. What was
/// `added` on the command line is always among them. `missing` has a line on each that is absent.
pub(crate) fn chosen<P: AsRef<Peer> + Clone>(
    known: &[P],
    missing: &[String],
    wanted: &[String],
    added: &[Peer],
) -> Result<Vec<P>, String> {
    for name in wanted {
        let absent = missing
            .iter()
            .find(|line| line.split(':').next() == Some(name.as_str()));
        match absent {
            Some(line) => println!("Left out: {line}"),
            None if known.iter().any(|peer| peer.as_ref().name == *name) => {}
            None => return Err(format!("there is no peer '{name}'; see --list")),
        }
    }
    let is_wanted = |peer: &&P| {
        let name = &peer.as_ref().name;
        wanted.is_empty() || wanted.contains(name) || added.iter().any(|added| added.name == *name)
    };
    let peers: Vec<P> = known.iter().filter(is_wanted).cloned().collect();
    if peers.is_empty() {
        return Err("no peer is left to measure".to_owned());
    }
    Ok(peers)
}

/// Whom ratios compare with: who was asked for, else the ceiling that is here.
pub(crate) fn reference<P: AsRef<Peer>>(
    peers: &[P],
    wanted: Option<&str>,
) -> Result<String, String> {
    let is_here = |name: &str| peers.iter().any(|peer| peer.as_ref().name == name);
    match wanted {
        Some(name) if is_here(name) => Ok(name.to_owned()),
        Some(name) => Err(format!(
            "--reference: '{name}' is not among the peers measured"
        )),
        None => Ok(["uwebsockets", "raw-epoll"]
            .into_iter()
            .find(|name| is_here(name))
            .unwrap_or(&peers[0].as_ref().name)
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_empty_words_dropped() {
        let peer = Peer::external("mine=./server --on {address} {mode} {flag}").unwrap();
        assert_eq!(
            peer.command(90, &[("{mode}", "plain"), ("{flag}", "")]),
            ["./server", "--on", "127.0.0.1:90", "plain"]
        );
        assert_eq!(
            peer.command(90, &[("{flag}", "--deflate")])[3..],
            ["{mode}", "--deflate"]
        );
    }

    #[test]
    fn a_command_without_a_port_is_refused() {
        assert!(Peer::external("mine=./server 9001").is_err());
        assert!(Peer::external("=./server {port}").is_err());
    }

    #[test]
    fn who_was_asked_for_is_chosen_and_who_is_unknown_is_named() {
        let known = ["one", "two"].map(|name| Peer::new(name, "program", ""));
        let names = |wanted: &[&str], added: &[Peer]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let peers = chosen(&known, &["three: gone".to_owned()], &wanted, added)?;
            Ok::<_, String>(peers.into_iter().map(|peer| peer.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[], &[]).unwrap(), ["one", "two"]);
        assert_eq!(names(&["two", "three"], &[]).unwrap(), ["two"]);
        assert_eq!(names(&["two"], &known[..1]).unwrap(), ["one", "two"]);
        assert!(names(&["four"], &[]).unwrap_err().contains("'four'"));
        assert!(names(&["three"], &[]).unwrap_err().contains("no peer"));
    }
}
