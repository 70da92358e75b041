//! Who can be measured, and the commands that start them.

use std::env;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::scenario::Compression;

/// A server that echoes.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Program and arguments, with placeholders; see `--help`.
    command: Vec<String>,
    /// A just-in-time compiler wants a longer warm-up.
    pub(crate) compiles_late: bool,
}

impl Peer {
    fn new(name: &str, program: impl AsRef<Path>, arguments: &str) -> Self {
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
        let mut peer = Self::new(name, program, "");
        peer.command.extend(words.map(str::to_owned));
        peer.compiles_late = true;
        Ok(peer)
    }

    /// The command with its placeholders filled in.
    pub(crate) fn command(&self, port: u16, compression: Compression) -> Vec<String> {
        let mode = match compression {
            Compression::None => "plain",
            Compression::Deflate => "deflate",
            Compression::Takeover => "takeover",
        };
        let flag = |wanted: bool, flag: &str| {
            if wanted {
                flag.to_owned()
            } else {
                String::new()
            }
        };
        self.command
            .iter()
            .map(|word| {
                word.replace("{port}", &port.to_string())
                    .replace("{address}", &format!("127.0.0.1:{port}"))
                    .replace("{mode}", mode)
                    .replace(
                        "{deflate}",
                        &flag(compression != Compression::None, "--deflate"),
                    )
                    .replace(
                        "{takeover}",
                        &flag(compression == Compression::Takeover, "--takeover"),
                    )
            })
            .filter(|word| !word.is_empty())
            .collect()
    }

    fn program(&self) -> &Path {
        Path::new(&self.command[0])
    }
}

/// All peers that are here, and a line on each that is not.
pub(crate) fn known(options: &Options) -> (Vec<Peer>, Vec<String>) {
    let beside = env::current_exe().unwrap_or_default();
    let peers = beside.with_file_name("peers");
    let tidings = beside.with_file_name("bench-tidings");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let mut all = Vec::new();
    if let Some(echo) = &options.echo {
        all.push(Peer::new("tidings", echo, "{address} {deflate} {takeover}"));
    }
    for mode in ["batch", "recv", "stream"] {
        let arguments = format!("{mode} {{address}} {{mode}}");
        all.push(Peer::new(&format!("tidings-{mode}"), &tidings, &arguments));
    }
    for name in [
        "raw-epoll",
        "bare-tokio",
        "fastwebsockets",
        "tokio-tungstenite",
        "tokio-tungstenite-tuned",
        "tokio-websockets",
        "yawc",
        "yawc-tuned",
    ] {
        all.push(Peer::new(
            name,
            &peers,
            &format!("{name} {{address}} {{mode}}"),
        ));
    }
    for (name, program, script) in [("node-ws", "node", "ws.mjs"), ("bun", "bun", "bun.mjs")] {
        let mut peer = Peer::new(name, program, "");
        peer.command
            .push(scripts.join(script).to_string_lossy().into_owned());
        peer.command
            .extend(["{port}".to_owned(), "{mode}".to_owned()]);
        peer.compiles_late = true;
        all.push(peer);
    }
    all.extend(options.added.iter().cloned());

    let mut missing = Vec::new();
    all.retain(|peer| {
        let reason = why_absent(peer);
        if let Some(reason) = &reason {
            missing.push(format!("{}: {reason}", peer.name));
        }
        reason.is_none()
    });
    (all, missing)
}

fn why_absent(peer: &Peer) -> Option<String> {
    let program = peer.program();
    if find(program).is_none() {
        return Some(format!("there is no {}", program.display()));
    }
    let ws = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/node_modules/ws");
    if peer.name == "node-ws" && !ws.is_dir() {
        return Some("run `npm ci` in interop/ first".to_owned());
    }
    None
}

/// A program by its path, or by its name in `PATH`.
pub(crate) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_empty_words_dropped() {
        let peer =
            Peer::external("mine=./server --on {address} {mode} {deflate} {takeover}").unwrap();
        assert_eq!(
            peer.command(90, Compression::None),
            ["./server", "--on", "127.0.0.1:90", "plain"]
        );
        assert_eq!(
            peer.command(90, Compression::Takeover)[3..],
            ["takeover", "--deflate", "--takeover"]
        );
    }

    #[test]
    fn a_command_without_a_port_is_refused() {
        assert!(Peer::external("mine=./server 9001").is_err());
        assert!(Peer::external("=./server {port}").is_err());
    }
}
