//! `cargo xtask lossy`: WebTransport beside WebSocket over a link that loses packets; a whole run goes
//! into `docs/webtransport.md`.
//!
//! What the words after it mean is for `interop/lossy/main.mjs` to say, which gets them as they are. It runs in a network
//! namespace of its own: nobody else's packets are lost, and nothing is left behind.

use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Verdict};
use crate::tools::{Tool, Tools, chromium};

/// What it needs beyond Rust.
const NEEDS: &[Tool] = &[Tool::Node, Tool::NodePackages, Tool::Chromium, Tool::Python];

/// When to take it for hung: a compilation from nothing, and several times the five minutes of a run.
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
    let mut measure = shell
        .call("unshare")
        .words("--net -- node interop/lossy/main.mjs")
        .option("--out", shell.target().join("lossy"))
        .env("TIDINGS_BIN", shell.target().join("release/tidings"))
        .env("CHROMIUM_BIN", chromium()?);
    if words.is_empty() {
        measure = measure.words("--docs");
    }
    measure.args(words).run()
}
