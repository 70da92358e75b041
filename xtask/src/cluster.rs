//! `cargo xtask cluster`: what servers on NATS cost beside one with its own log, for `docs/operating.md`.
//!
//! What the words after it mean is for `interop/cluster/bench.mjs` to say, which gets them as they are.

use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Verdict};
use crate::tools::{Tool, Tools, nats_server};

/// What it needs beyond Rust.
const NEEDS: &[Tool] = &[Tool::Node, Tool::NodePackages, Tool::NatsServer];

/// When to take it for hung: a compilation from nothing, and several times the eight minutes of a run.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs the task with the words after its name.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let shell = Shell::with_limit(LIMIT);
    let verdict = Tools::default()
        .provide(NEEDS, &shell)
        .and_then(|()| measure(&shell, words.collect()));
    Ok(shell::exit_code(verdict))
}

fn measure(shell: &Shell, words: Vec<String>) -> Verdict {
    shell
        .cargo("build --release --package tidings --bins")
        .run()?;
    shell
        .call("node")
        .words("interop/cluster/bench.mjs")
        .option("--out", shell.target().join("cluster-bench"))
        .args(words)
        .env("TIDINGS_BIN", shell.target().join("release/tidings"))
        .env("TIDINGS_NATS_SERVER", nats_server(shell))
        .run()
}
