//! `cargo xtask matrix`: every fault of a network with every transport, and what was found into
//! `docs/resilience.md`. The step of `cargo xtask test` is the same without the page.

use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Verdict};
use crate::steps;
use crate::tools::{Tool, Tools};

/// What it needs beyond Rust.
pub(crate) const NEEDS: &[Tool] = &[
    Tool::Node,
    Tool::NodePackages,
    Tool::Chromium,
    Tool::Firefox,
];

/// When to take it for hung: a compilation from nothing, and several times the six minutes of the
/// matrix.
pub(crate) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs the task. It takes no words.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    if let Some(word) = words.next() {
        return Err(format!("`matrix` has no option '{word}'"));
    }
    let shell = Shell::with_limit(LIMIT);
    let verdict = Tools::default()
        .provide(NEEDS, &shell)
        .and_then(|()| measure(&shell));
    Ok(shell::exit_code(verdict))
}

/// A promise that was not kept is written down as well, and fails the run.
fn measure(shell: &Shell) -> Verdict {
    let findings = shell.target().join("matrix.json");
    let kept = steps::against_ours(
        shell,
        &["interop/resilience"],
        &[("TIDINGS_MATRIX", findings.clone())],
    );
    let write = shell.call("node").words("interop/resilience/write.mjs");
    write.args([findings]).run()?;
    kept
}
