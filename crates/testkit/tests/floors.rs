//! The house's floors: arrows between crates go down only, and what is pure reads no clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Each crate's floor. What a crate is built of lies on lower floors.
const FLOORS: [(&str, u8); 8] = [
    ("tidings-middlebox", 0),
    ("tidings-websocket", 0),
    ("tidings-wire", 0),
    ("tidings-engine", 1),
    ("tidings-log", 2),
    ("tidings-nats", 2),
    ("tidings-hub", 2),
    ("tidings", 3),
];

/// Used by tests alone, and so on no floor.
const TOOLS: [&str; 2] = ["tidings-testkit", "xtask"];

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

#[test]
fn every_crate_stands_on_a_floor() {
    for package in &metadata().packages {
        let name = package.name.as_str();
        let known = FLOORS.iter().any(|(crate_, _)| *crate_ == name) || TOOLS.contains(&name);
        assert!(
            known,
            "on which floor is {name}? Say so here and in ARCHITECTURE.md"
        );
    }
}

#[test]
fn arrows_between_crates_never_turn_back() {
    let floors: HashMap<_, _> = FLOORS.into_iter().collect();
    for package in &metadata().packages {
        let Some(floor) = floors.get(package.name.as_str()) else {
            continue;
        };
        let built_of = package.dependencies.iter().filter(|dependency| {
            dependency.path.is_some() && dependency.kind != DependencyKind::Development
        });
        for dependency in built_of {
            let below = floors.get(dependency.name.as_str());
            assert!(
                below.is_some_and(|below| below < floor),
                "{} must not be built of {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn what_is_pure_reads_no_clock_and_starts_no_task() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // The shells, which may.
    let shells = [
        "hub/src/clock.rs",
        "hub/src/hub.rs",
        "hub/src/link.rs",
        "hub/src/shard.rs",
        "websocket/src/axum.rs",
        "websocket/src/tokio",
    ]
    .map(|shell| crates.join(shell));
    let forbidden = [
        "Instant::now",
        "SystemTime::now",
        "tokio::",
        "thread::spawn",
        "std::net",
    ];
    let mut seen = 0;
    for folder in ["hub/src", "wire/src", "websocket/src"] {
        for file in rust_files(&crates.join(folder)) {
            if shells.iter().any(|shell| file.starts_with(shell)) {
                continue;
            }
            seen += 1;
            let text = fs::read_to_string(&file).unwrap();
            // A unit test may need an instant to begin with.
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
            for (number, line) in lines.enumerate() {
                let code = line.split("//").next().unwrap_or(line);
                let found = forbidden.iter().find(|word| code.contains(**word));
                assert!(found.is_none(), "{}:{}: {line}", file.display(), number + 1);
            }
        }
    }
    assert!(seen > 30, "the files have moved: {seen}");
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
