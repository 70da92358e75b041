//! Where programs are: those that are measured, and ourselves.

use std::env;
use std::path::{Path, PathBuf};

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

/// A program that cargo built beside this one.
pub(crate) fn beside(name: &str) -> PathBuf {
    env::current_exe().unwrap_or_default().with_file_name(name)
}

/// The folder that cargo builds into: `target/bench` where xtask is in charge.
pub(crate) fn target() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let target = program.ancestors().nth(2);
    target.unwrap_or(Path::new(".")).to_owned()
}

/// Where the report of a whole run goes.
pub(crate) fn published() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.unwrap_or(Path::new(".")).join("docs/benchmarks")
}

/// A path below `bench/`.
pub(crate) fn source(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("")
        .join(relative)
}

/// Bun from npm, whose own installing script need not run; else the one in `PATH`.
pub(crate) fn bun() -> PathBuf {
    let folder = source("scripts/node_modules/@oven");
    let packaged = folder.read_dir().into_iter().flatten().flatten();
    packaged
        .map(|package| package.path().join("bin/bun"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| "bun".into())
}

/// Whether a package of `scripts/package.json` is installed.
pub(crate) fn has_package(name: &str) -> bool {
    source("scripts/node_modules").join(name).is_dir()
}

/// Why a server in JavaScript is left out.
pub(crate) const NO_PACKAGES: &str = "run `npm ci --ignore-scripts` in bench/scripts first";
