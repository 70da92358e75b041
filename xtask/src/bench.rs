//! `cargo xtask bench`: builds `bench/`, a workspace of its own, and runs what it measures.
//!
//! What the words after `bench messaging` and `bench websocket` mean is for `bench/runner` to say,
//! which gets them as they are.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Call, Shell, Stop, Verdict};
use crate::tools::{Tool, Tools};

/// A run is bounded by its own `--minutes`; this is for the builds before it, and for what hangs.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Runs what the words after `bench` ask for.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let shell = Shell::with_limit(LIMIT);
    let mut words = words.peekable();
    let what = match words.peek() {
        Some(word) if !word.starts_with('-') => words.next(),
        _ => None,
    };
    let verdict = match what.as_deref() {
        None | Some("messaging") => messaging(&shell, words.collect()),
        Some("websocket") => websocket(&shell, words.collect()),
        Some("micro") => micro(&shell, &mut words),
        Some(other) => {
            return Err(format!(
                "`bench` knows messaging, websocket and micro, and no '{other}'"
            ));
        }
    };
    Ok(shell::exit_code(verdict))
}

/// The server among others, each with its own protocol.
fn messaging(shell: &Shell, words: Vec<String>) -> Verdict {
    if is_to_run(&words) {
        provide(shell, &[Tool::Node, Tool::BenchPackages]);
        provide(shell, &[Tool::Nchan]);
        build(shell.cargo("build --release --package tidings"));
        build(in_bench(shell, "build --release", "bench-peers"));
        if words.iter().any(|word| word == "--install") {
            provide(shell, &[Tool::Protobuf]);
            build(sockudo(shell));
        }
    }
    in_bench(shell, "run --quiet --release", "bench-runner")
        .words("-- messaging --tidings")
        .args([shell.target().join("release/tidings")])
        .args(words)
        .run()
}

/// Echo servers.
fn websocket(shell: &Shell, words: Vec<String>) -> Verdict {
    if is_to_run(&words) {
        provide(shell, &[Tool::Node, Tool::BenchPackages]);
        let example = "build --release --package tidings-websocket --example echo --all-features";
        build(shell.cargo(example));
        build(in_bench(shell, "build --release", "bench-peers"));
        build(in_bench(shell, "build --release", "bench-tidings"));
    }
    in_bench(shell, "run --quiet --release", "bench-runner")
        .words("-- websocket --echo")
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

/// Whether more is wanted than to be told something.
fn is_to_run(words: &[String]) -> bool {
    let only_tells = ["--help", "-h", "--list"];
    !words.iter().any(|word| only_tells.contains(&word.as_str()))
}

/// What is not to be had leaves out who needs it: the runner names who that is.
fn provide(shell: &Shell, tools: &[Tool]) {
    if let Err(Stop::Failed(reason) | Stop::Skipped(reason)) =
        Tools::default().provide(tools, shell)
    {
        println!("Going on without it: {reason}");
    }
}

/// What cannot be built is left out of the run by name, be it a peer or we ourselves.
fn build(call: Call<'_>) {
    if let Err(Stop::Failed(reason) | Stop::Skipped(reason)) = call.run() {
        println!("Going on without it: {reason}");
    }
}

/// Sockudo is a program of many crates, and none to have in our lock file.
fn sockudo(shell: &Shell) -> Call<'_> {
    shell
        .cargo("install sockudo --locked --version")
        .args([SOCKUDO])
        .option("--root", bench_target(shell).join("sockudo"))
        .env(
            "CARGO_TARGET_DIR",
            bench_target(shell).join("sockudo/build"),
        )
}

/// The version that `bench/scripts/sockudo.json` is made for.
const SOCKUDO: &str = "5.2.0";

/// cargo on one package of `bench/`, which builds into a folder of its own below ours.
fn in_bench<'shell>(shell: &'shell Shell, verb: &str, package: &str) -> Call<'shell> {
    shell
        .cargo(verb)
        .option("--manifest-path", shell.path("bench/Cargo.toml"))
        .option("--package", package)
        .env("CARGO_TARGET_DIR", bench_target(shell))
}

fn bench_target(shell: &Shell) -> PathBuf {
    shell.target().join("bench")
}
