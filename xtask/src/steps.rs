//! The table of all that is asked of a change, in the order in which it is asked: what is quick
//! to say comes first, what needs the most comes last.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::autobahn;
use crate::matrix;
use crate::shell::{Shell, Stop, Verdict};
use crate::tools::{Tool, chromium, firefox, nats_server};

/// One thing asked of a change.
pub(crate) struct Step {
    /// What `--only` and `--without` call it.
    pub(crate) name: &'static str,
    /// What it asks, in a line.
    pub(crate) about: &'static str,
    /// What it needs beyond Rust.
    pub(crate) needs: &'static [Tool],
    /// When to take it for hung: several times what it takes on two busy cores, with a compilation
    /// from nothing and the installation of its tools included.
    pub(crate) limit: Duration,
    pub(crate) run: fn(&Shell) -> Verdict,
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// What `cargo xtask test` runs.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "the Rust code is formatted",
        needs: &[],
        limit: minutes(2),
        run: |shell| shell.cargo("fmt --all --check").run(),
    },
    Step {
        name: "clippy",
        about: "no lint has a complaint",
        needs: &[],
        limit: minutes(20),
        run: |shell| {
            shell
                .cargo("clippy --workspace --all-features --all-targets -- -D warnings")
                .run()
        },
    },
    Step {
        name: "rust",
        about: "the tests and examples of every crate",
        needs: &[Tool::NatsServer],
        limit: minutes(30),
        run: |shell| {
            let tests = shell.cargo("test --workspace --all-features --no-fail-fast");
            tests.env("TIDINGS_NATS_SERVER", nats_server(shell)).run()
        },
    },
    Step {
        name: "docs",
        about: "the crates' documentation builds without a warning",
        needs: &[],
        limit: minutes(10),
        run: |shell| {
            let doc = shell.cargo("doc --workspace --all-features --no-deps");
            doc.env("RUSTDOCFLAGS", "-D warnings").run()
        },
    },
    Step {
        name: "client",
        about: "the browser client's tests, in Node",
        needs: &[Tool::Node],
        limit: minutes(5),
        run: |shell| node_tests(shell, &["client"], &[]),
    },
    Step {
        name: "chat",
        about: "the tests of the web chat and of the lab, in Node",
        needs: &[Tool::Node],
        limit: minutes(5),
        run: |shell| node_tests(shell, &["chat", "lab"], &[]),
    },
    Step {
        name: "types",
        about: "client, chat, lab and interop satisfy the strict type checker",
        needs: &[Tool::Node, Tool::NodePackages],
        limit: minutes(10),
        run: types,
    },
    Step {
        name: "size",
        about: "the client stays under 12 KiB, minified and gzipped",
        needs: &[Tool::Node, Tool::NodePackages],
        limit: minutes(10),
        run: |shell| {
            let esbuild = "interop/node_modules/esbuild";
            shell
                .call("node")
                .args(["client/test/size.mjs", esbuild])
                .run()
        },
    },
    Step {
        name: "autobahn",
        about: "every case of the Autobahn suite, some with less data, strictly",
        needs: &[Tool::Python],
        limit: minutes(30),
        run: autobahn,
    },
    Step {
        name: "model",
        about: "the client's session and the hub's agree in a thousand worlds",
        needs: &[Tool::Node],
        limit: minutes(15),
        run: |shell| {
            against_ours(
                shell,
                &["interop/model", "interop/soak", "interop/lossy"],
                &[],
            )
        },
    },
    Step {
        name: "interop",
        about: "curl, ws, Python, Node, Chromium, nginx and Pebble meet ours",
        needs: &[
            Tool::Node,
            Tool::NodePackages,
            Tool::Curl,
            Tool::Chromium,
            Tool::Nginx,
            Tool::Pebble,
            Tool::NatsServer,
        ],
        limit: minutes(20),
        run: |shell| {
            let folders = [
                "interop/acme",
                "interop/clients",
                "interop/proxies",
                "interop/websocket",
            ];
            against_ours(shell, &folders, &[])
        },
    },
    Step {
        name: "compare",
        about: "what `tidings compare` counts is what tshark sees on the wire",
        needs: &[Tool::Node, Tool::NodePackages, Tool::Tshark],
        limit: minutes(5),
        run: |shell| against_ours(shell, &["interop/compare"], &[]),
    },
    Step {
        name: "browser",
        about: "the chat, the lab and the client in Chromium, every door in Firefox too",
        needs: &[
            Tool::Node,
            Tool::NodePackages,
            Tool::Chromium,
            Tool::Firefox,
        ],
        limit: minutes(12),
        run: |shell| against_ours(shell, &["interop/browser"], &[]),
    },
    Step {
        name: "matrix",
        about: "every fault of a network with every transport: noticed, over in time, nothing lost",
        needs: matrix::NEEDS,
        limit: matrix::LIMIT,
        run: |shell| against_ours(shell, &["interop/resilience"], &[]),
    },
    Step {
        name: "cluster",
        about: "three servers on three of NATS, of which all fail in turn: nothing lost or doubled",
        needs: &[Tool::Node, Tool::NodePackages, Tool::NatsServer],
        limit: minutes(15),
        run: cluster,
    },
];

/// The soak, short: each failure once, a few clients.
fn cluster(shell: &Shell) -> Verdict {
    build(shell)?;
    let words = "--engine nats --clients 100 --rate 20 --minutes 2.5 --every 20";
    let soak = shell
        .call("node")
        .words("interop/soak/main.mjs")
        .words(words);
    soak.option("--out", shell.target().join("cluster"))
        .env("TIDINGS_BIN", shell.built("tidings"))
        .env("TIDINGS_MIDDLEBOX", shell.built("middlebox"))
        .env("TIDINGS_NATS_SERVER", nats_server(shell))
        .run()
}

fn types(shell: &Shell) -> Verdict {
    let tsc = shell.path("interop/node_modules/typescript/bin/tsc");
    for folder in ["client", "chat", "lab", "interop"] {
        // Said here as well, so that no configuration can be laxer.
        let strictly = ["--checkJs", "--strict", "--project", folder];
        shell.call("node").args([&tsc]).args(strictly).run()?;
    }
    Ok(())
}

fn autobahn(shell: &Shell) -> Verdict {
    build(shell)?;
    autobahn::examine(
        shell,
        &shell.built("examples"),
        "quick",
        autobahn::EVERYBODY,
    )
}

/// The programs that tests run. The step `rust` has built them already: with the examples comes the
/// same choice of the dependencies' features, so that nothing is compiled twice.
fn build(shell: &Shell) -> Verdict {
    let build = shell.cargo("build --workspace --all-features");
    build.words("--bins --examples").run()
}

/// Tests that start the real binary, or the WebSocket crate's examples.
pub(crate) fn against_ours(
    shell: &Shell,
    folders: &[&str],
    settings: &[(&'static str, PathBuf)],
) -> Verdict {
    build(shell)?;
    let mut env = vec![
        ("TIDINGS_BIN", shell.built("tidings")),
        ("TIDINGS_MIDDLEBOX", shell.built("middlebox")),
        ("TIDINGS_EXAMPLES", shell.built("examples")),
        ("TIDINGS_NATS_SERVER", nats_server(shell)),
    ];
    if let Ok(browser) = chromium() {
        env.push(("CHROMIUM_BIN", browser));
    }
    if let Ok(browser) = firefox() {
        env.push(("FIREFOX_BIN", browser));
    }
    env.extend_from_slice(settings);
    node_tests(shell, folders, &env)
}

/// Node's test runner over all `*.test.js` and `*.test.mjs` below some folders. The files are listed
/// here because Node's own idea of a test file differs from release to release.
fn node_tests(shell: &Shell, folders: &[&str], env: &[(&str, PathBuf)]) -> Verdict {
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        find_tests(&shell.path(folder), &mut files)
            .map_err(|error| Stop::Failed(format!("cannot read {folder}: {error}")))?;
        if files.len() == before {
            return Err(Stop::Failed(format!("there is no test below {folder}")));
        }
    }
    files.sort();
    let relative = files
        .iter()
        .map(|file| file.strip_prefix(shell.path("")).unwrap_or(file));
    let mut node = shell
        .call("node")
        .words("--test --test-reporter=spec")
        .args(relative);
    for (name, value) in env {
        node = node.env(name, value);
    }
    node.run()
}

fn find_tests(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if name != "node_modules" {
                find_tests(&path, files)?;
            }
        } else if name.ends_with(".test.js") || name.ends_with(".test.mjs") {
            files.push(path);
        }
    }
    Ok(())
}
