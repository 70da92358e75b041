//! `cargo xtask bench`: builds `bench/`, a workspace of its own, and runs what it measures.
//!
//! What the words after `bench websocket` mean is for `bench/runner` to say, which gets them as
//! they are.

use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{Call, Shell, Stop, Verdict};

/// A run is bounded by its own `--minutes`; this is for the builds before it, and for what hangs.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Runs what the words after `bench` ask for.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let shell = Shell::with_limit(LIMIT);
    let verdict = match words.next().as_deref() {
        Some("websocket") => websocket(&shell, words.collect()),
        Some("micro") => micro(&shell, words),
        _ => return Err("`bench` needs to know what: websocket or micro".to_owned()),
    };
    Ok(match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(reason) | Stop::Skipped(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    })
}

/// What cannot be built is left out of the run by name, be it a peer or we ourselves.
fn websocket(shell: &Shell, words: Vec<String>) -> Verdict {
    let only_tells = ["--help", "-h", "--list"];
    if !words.iter().any(|word| only_tells.contains(&word.as_str())) {
        let example = "build --release --package tidings-websocket --example echo --all-features";
        let builds = [
            shell.cargo(example),
            in_bench(shell, "build --release", "bench-peers"),
            in_bench(shell, "build --release", "bench-tidings"),
        ];
        for build in builds {
            if let Err(Stop::Failed(reason)) = build.run() {
                println!("Going on without it: {reason}");
            }
        }
    }
    in_bench(shell, "run --quiet --release", "bench-runner")
        .args(["--", "websocket", "--echo"])
        .args([shell.target().join("release/examples/echo")])
        .args(words)
        .run()
}

fn micro(shell: &Shell, words: &mut dyn Iterator<Item = String>) -> Verdict {
    in_bench(shell, "bench", "bench-micro")
        .words("--")
        .args(words)
        .run()
}

/// cargo on one package of `bench/`, which builds into a folder of its own below ours.
fn in_bench<'shell>(shell: &'shell Shell, verb: &str, package: &str) -> Call<'shell> {
    shell
        .cargo(verb)
        .option("--manifest-path", shell.path("bench/Cargo.toml"))
        .option("--package", package)
        .env("CARGO_TARGET_DIR", shell.target().join("bench"))
}
