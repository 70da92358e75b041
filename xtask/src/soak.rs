//! `cargo xtask soak`: thousands of real clients in bad weather, and a server that is killed every minute.
//!
//! What the words after it mean is for `interop/soak/main.mjs` to say, which gets them as they are.

use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Verdict};
use crate::tools::{Tool, Tools, nats_server};

/// A soak is bounded by its own `--minutes`, at most a day; this is for the build before it, and for what hangs.
const LIMIT: Duration = Duration::from_secs(26 * 60 * 60);

/// Runs the task with the words after its name.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let shell = Shell::with_limit(LIMIT);
    Ok(shell::exit_code(soak(&shell, words.collect())))
}

fn soak(shell: &Shell, words: Vec<String>) -> Verdict {
    Tools::default().provide(&[Tool::Node, Tool::NodePackages, Tool::NatsServer], shell)?;
    let programs = "build --release --package tidings --package tidings-middlebox --bins";
    shell.cargo(programs).run()?;
    let release = shell.target().join("release");
    shell
        .call("node")
        .words("interop/soak/main.mjs")
        .option("--out", shell.target().join("soak"))
        .args(words)
        .env("TIDINGS_BIN", release.join("tidings"))
        .env("TIDINGS_MIDDLEBOX", release.join("middlebox"))
        .env("TIDINGS_NATS_SERVER", nats_server(shell))
        .run()
}
