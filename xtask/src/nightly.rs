//! `cargo xtask fuzz` and `cargo xtask miri`: what looks for the mistakes that nobody thought of,
//! and needs the nightly compiler for it.
//!
//! The fuzzer begins with the corpus that `fuzz/` keeps, unpacked below the folder that cargo builds
//! into, and adds to that; with `--keep` the fewest inputs that reach as much are packed again.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

#[path = "../../fuzz/src/corpus.rs"]
#[allow(
    unreachable_pub,
    reason = "the same file is of the fuzz targets' library, where these are reached"
)]
mod corpus;

use crate::shell::{Call, Shell, Stop, Verdict};

/// The programs of `fuzz/`, in the order in which they run.
const TARGETS: &[&str] = &["receive", "operations", "handshake", "payload"];

/// When an input is taken for one that hangs, in seconds: a thousand times what most take.
const INPUT_SECONDS_MAX: u32 = 20;

/// When an input is taken for one that fills the memory, in MiB: ten times what the sanitizer
/// itself keeps of what was freed.
const MEMORY_MIB_MAX: u32 = 2048;

/// Inputs are no longer: what a protocol does to a byte it does within some frames of it, and short
/// ones run more often.
const INPUT_BYTES_MAX: u32 = 1000;

/// How long building, and what follows the minutes of fuzzing, may take at most.
const BUILDING: Duration = Duration::from_secs(30 * 60);

/// When to take Miri for hung: it takes minutes on two busy cores.
const MIRI_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs `fuzz` with the words after its name. An error is a sentence for the user.
pub(crate) fn fuzz(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let wanted = Wanted::parse(words)?;
    let fuzzing = Duration::from_secs(60 * wanted.minutes) * wanted.targets.len() as u32;
    let shell = Shell::with_limit(BUILDING + fuzzing);
    Ok(told(provide(&shell, CARGO_FUZZ).and_then(|()| {
        wanted
            .targets
            .iter()
            .try_for_each(|target| fuzz_one(&shell, target, &wanted))
    })))
}

fn fuzz_one(shell: &Shell, target: &str, wanted: &Wanted) -> Verdict {
    let found = shell.target().join("fuzz-corpus").join(target);
    unpack(&kept(shell, target), &found)?;
    let by_hand = kept(shell, &format!("{target}-kept"));
    if by_hand.is_file() {
        unpack(&by_hand, &found)?;
    }
    let run = |folder: &Path| {
        nightly(shell, "cargo fuzz run --fuzz-dir fuzz --no-trace-compares")
            .args([target.as_ref(), folder])
    };
    let mut call = run(&found)
        .words("-- -verbosity=0 -print_final_stats=1")
        .args([
            format!("-max_total_time={}", 60 * wanted.minutes),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
            format!("-max_len={INPUT_BYTES_MAX}"),
        ]);
    let dictionary = shell.path(&format!("fuzz/dictionaries/{target}.dict"));
    if dictionary.is_file() {
        call = call.args([format!("-dict={}", dictionary.display())]);
    }
    call.run().map_err(|stop| match stop {
        Stop::Failed(reason) => Stop::Failed(format!(
            "{reason}\nWhere the fuzzer names an input above: mend what it shows, then add that \
             input to fuzz/corpus/{target}-kept.txt as a byte string's inside."
        )),
        skipped => skipped,
    })?;
    if wanted.keep {
        let fewest = shell.target().join("fuzz-corpus/fewest").join(target);
        let _ = fs::remove_dir_all(&fewest); // of an earlier run, if there was one
        make(&fewest)?;
        // Edges alone: with their counts the corpus would be ten times as big, and find little more.
        run(&fewest)
            .args([&found])
            .words("-- -merge=1 -use_counters=0 -verbosity=0")
            .run()?;
        pack(&fewest, &kept(shell, target))?;
    }
    Ok(())
}

/// Where a target's corpus is kept.
fn kept(shell: &Shell, target: &str) -> std::path::PathBuf {
    shell.path("fuzz/corpus").join(target).with_extension("txt")
}

fn unpack(kept: &Path, folder: &Path) -> Verdict {
    make(folder)?;
    let text = fs::read_to_string(kept).map_err(cannot("read", kept))?;
    let inputs = corpus::read(&text)
        .map_err(|line| Stop::Failed(format!("{} has the line {line}", kept.display())))?;
    let name = kept.file_stem().unwrap_or_default().to_string_lossy();
    for (at, input) in inputs.into_iter().enumerate() {
        let file = folder.join(format!("{name}-{at}"));
        fs::write(&file, input).map_err(cannot("write", &file))?;
    }
    Ok(())
}

fn pack(folder: &Path, kept: &Path) -> Verdict {
    let entries = fs::read_dir(folder).map_err(cannot("read", folder))?;
    let inputs = entries.map(|entry| fs::read(entry?.path()));
    let inputs: io::Result<Vec<_>> = inputs.collect();
    let inputs = inputs.map_err(cannot("read", folder))?;
    println!("{} keeps {} inputs", kept.display(), inputs.len());
    fs::write(kept, corpus::write(inputs)).map_err(cannot("write", kept))
}

fn make(folder: &Path) -> Verdict {
    fs::create_dir_all(folder).map_err(cannot("make", folder))
}

fn cannot(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Stop {
    move |error| Stop::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// Runs `miri`: the pure core's tests, watched for what the language leaves undefined.
pub(crate) fn miri(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    if let Some(word) = words.next() {
        return Err(format!("`miri` has no option '{word}'"));
    }
    let shell = Shell::with_limit(MIRI_LIMIT);
    let run = |tests: &str| {
        nightly(&shell, "cargo miri test -p tidings-websocket")
            .words("--no-default-features --features deflate")
            .words(tests)
            // Miri is some thousand times slower: few cases of each property, and no files.
            .env("PROPTEST_CASES", "2")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
            .run()
    };
    // What runs every section of the RFCs once. Any cut and any message are the fuzzer's, which
    // has a sanitizer of its own and is a thousand times as fast.
    Ok(told(
        provide(&shell, MIRI)
            .and_then(|()| run("--lib"))
            .and_then(|()| run("--test rfc6455 -- section_"))
            .and_then(|()| run("--test rfc7692 -- section_6 section_7_2 faults")),
    ))
}

/// A tool of the nightly compiler: how to see that it is there, and how to get it.
type Tool = (&'static str, &'static str);

const CARGO_FUZZ: Tool = ("cargo fuzz --version", "cargo install --locked cargo-fuzz");
const MIRI: Tool = (
    "cargo miri --version",
    "rustup component add --toolchain nightly miri rust-src",
);

fn provide(shell: &Shell, (version, install): Tool) -> Verdict {
    let missing = |what: &str, install: &str| {
        Err(Stop::Failed(format!(
            "needs {what}: install it with `{install}`"
        )))
    };
    if !nightly(shell, "rustc --version").works() {
        missing(
            "Rust's nightly compiler",
            "rustup toolchain install nightly",
        )
    } else if !nightly(shell, version).works() {
        missing(version.trim_end_matches(" --version"), install)
    } else {
        Ok(())
    }
}

fn nightly<'shell>(shell: &'shell Shell, words: &str) -> Call<'shell> {
    shell.call("rustup").words("run nightly").words(words)
}

fn told(verdict: Verdict) -> ExitCode {
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(reason) | Stop::Skipped(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// What `fuzz` was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    /// For each target.
    minutes: u64,
    targets: Vec<&'static str>,
    keep: bool,
}

impl Wanted {
    fn parse(words: &mut dyn Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self {
            minutes: 1,
            targets: Vec::new(),
            keep: false,
        };
        while let Some(word) = words.next() {
            let (flag, inline) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| words.next());
                value.ok_or_else(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--minutes" => {
                    let minutes = value()?;
                    wanted.minutes = minutes
                        .parse()
                        .ok()
                        .filter(|minutes| (1..=MINUTES_MAX).contains(minutes))
                        .ok_or_else(|| format!("--minutes is 1 to {MINUTES_MAX}, not {minutes}"))?;
                }
                "--target" => {
                    let name = value()?;
                    let known = TARGETS.iter().find(|target| **target == name);
                    let known = known.ok_or_else(|| {
                        format!("there is no target '{name}', but {}", TARGETS.join(", "))
                    })?;
                    wanted.targets.push(known);
                }
                "--keep" if inline.is_none() => wanted.keep = true,
                _ => return Err(format!("`fuzz` has no option '{flag}'")),
            }
        }
        if wanted.targets.is_empty() {
            wanted.targets = TARGETS.to_vec();
        }
        Ok(wanted)
    }
}

/// A week.
const MINUTES_MAX: u64 = 7 * 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wanted, String> {
        Wanted::parse(&mut line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_options_every_target_runs_for_a_minute() {
        let wanted = parse("").unwrap();
        assert_eq!((wanted.minutes, wanted.keep), (1, false));
        assert_eq!(wanted.targets, TARGETS);
    }

    #[test]
    fn one_target_can_run_for_long() {
        let wanted = parse("--minutes 30 --target=payload --keep").unwrap();
        assert_eq!((wanted.minutes, wanted.keep), (30, true));
        assert_eq!(wanted.targets, ["payload"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, named) in [
            ("--minutes 0", "not 0"),
            ("--minutes soon", "not soon"),
            ("--minutes", "needs a value"),
            ("--target tls", "'tls', but receive"),
            ("--hours 3", "'--hours'"),
        ] {
            let problem = parse(line).unwrap_err();
            assert!(problem.contains(named), "{line}: {problem}");
        }
    }

    #[test]
    fn every_target_is_a_program_of_the_fuzz_folder() {
        let shell = Shell::with_limit(BUILDING);
        for target in TARGETS {
            let program = shell.path(&format!("fuzz/fuzz_targets/{target}.rs"));
            assert!(program.is_file(), "{}", program.display());
        }
    }
}
