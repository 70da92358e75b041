//! Who is measured: how each is started, spoken to, and told of in the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::protocol::{Nchan, Plain, Protocol, Pusher, SocketIo, Tidings};
use super::scenario::{Door, Scenario};
use crate::peer::Peer;
use crate::program;

/// A messaging server.
#[derive(Clone)]
pub(crate) struct Contender {
    peer: Peer,
    pub(crate) protocol: &'static dyn Protocol,
    /// What is said of it in the report.
    pub(crate) about: About,
    part: Part,
    /// A file of `bench/scripts` that is written to `{scratch}` with its placeholders filled in.
    template: Option<&'static str>,
}

/// What a reader needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// What is spoken.
    pub(crate) speaks: &'static str,
    /// What becomes of a message that nobody is there for.
    pub(crate) keeps: &'static str,
    version: Version,
}

/// Who knows the version.
#[derive(Debug, Clone, Copy)]
enum Version {
    /// The program, which tells it and its name when it is asked with this flag.
    Flag(&'static str),
    /// Bun, which tells the number alone.
    Bun,
    /// Debian's packages.
    Debian(&'static [&'static str]),
    /// A package of `bench/scripts`, on the program's own runtime.
    Package(&'static str),
    /// The lock file of `bench/`.
    Crate(&'static str),
    /// This tree.
    Ours,
    /// Whoever named it with `--peer`.
    User,
}

/// In what a contender takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All that its protocol can do, but what compares us with ourselves.
    Peer,
    /// All.
    Ours,
    /// Where durability is what costs.
    OursDurable,
    /// Where the number of shards is the question.
    OursSharded,
}

impl AsRef<Peer> for Contender {
    fn as_ref(&self) -> &Peer {
        &self.peer
    }
}

impl Contender {
    pub(crate) fn name(&self) -> &str {
        &self.peer.name
    }

    pub(crate) fn compiles_late(&self) -> bool {
        self.peer.compiles_late
    }

    /// Whether it can do what is asked, and whether that would tell anything.
    pub(crate) fn takes_part(&self, scenario: Scenario) -> bool {
        let protocol = self.protocol;
        match scenario {
            Scenario::Shards { .. } => matches!(self.part, Part::Ours | Part::OursSharded),
            _ if self.part == Part::OursSharded => false,
            Scenario::Publish { .. } => protocol.acknowledges(),
            Scenario::Latency { .. } => true,
            _ if self.part == Part::OursDurable => false,
            Scenario::Idle { .. } => self.part == Part::Ours,
            Scenario::Resume { .. } => protocol.resumes(),
            Scenario::Memory {
                door: Door::Held(held),
                ..
            } => protocol.held(held, "").is_some(),
            Scenario::Fanout { .. } | Scenario::Accept { .. } | Scenario::Memory { .. } => true,
        }
    }

    /// The command for a port. `scratch` is its own folder, and empty.
    pub(crate) fn command(&self, port: u16, scratch: &Path) -> Result<Vec<String>, String> {
        let folder = scratch.to_string_lossy();
        let port_text = port.to_string();
        if let Some(name) = self.template {
            let fill = |text: String| {
                text.replace("{port}", &port_text)
                    .replace("{scratch}", &folder)
            };
            fs::read_to_string(program::source("scripts").join(name))
                .and_then(|text| fs::write(scratch.join(name), fill(text)))
                .map_err(|error| format!("{name}: {error}"))?;
        }
        let fill = [("{scratch}", &*folder), ("{mode}", "plain")];
        Ok(self.peer.command(port, &fill))
    }

    /// As its maker counts.
    pub(crate) fn version(&self) -> String {
        let said = |flag: &str| said(self.peer.program(), &[flag]);
        match self.about.version {
            Version::Flag(flag) => said(flag),
            Version::Bun => format!("Bun {}", said("--version")),
            Version::Debian(packages) => packages
                .iter()
                .map(|package| debian(package))
                .collect::<Vec<_>>()
                .join(", "),
            Version::Package(name) => {
                let package = program::source("scripts/node_modules")
                    .join(name)
                    .join("package.json");
                let version = fs::read_to_string(package)
                    .ok()
                    .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
                    .and_then(|package| Some(package.get("version")?.as_str()?.to_owned()))
                    .unwrap_or_default();
                format!("{name} {version} on Node {}", said("--version"))
            }
            Version::Crate(name) => format!("{name} {}", locked(name).unwrap_or_default()),
            Version::Ours => "this tree".to_owned(),
            Version::User => "named by `--peer`".to_owned(),
        }
    }
}

/// What a program says of itself, in a line.
fn said(program: &Path, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let (out, err) = output
        .map(|output| (output.stdout, output.stderr))
        .unwrap_or_default();
    let text = if out.is_empty() { err } else { out };
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// A package with its version, as dpkg knows it.
fn debian(package: &str) -> String {
    let format = "-f=${Package} ${Version}";
    said(Path::new("dpkg-query"), &["-W", format, package])
}

/// The version of a crate in `bench/Cargo.lock`.
fn locked(name: &str) -> Option<String> {
    let lock = fs::read_to_string(program::source("Cargo.lock")).ok()?;
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split('"').next().map(str::to_owned)
}

const SOCKET_IO: &str = "Socket.IO 4, WebSocket alone, a room";
const NOTHING: &str = "nothing";

/// All that are here, and a line on each that is not.
pub(crate) fn known(options: &Options) -> (Vec<Contender>, Vec<String>) {
    let mut all = Vec::new();
    if let Some(tidings) = &options.tidings {
        all.push(ours(tidings, "tidings", "process", 1, Part::Ours));
        all.push(ours(tidings, "tidings-disk", "disk", 1, Part::OursDurable));
        all.push(ours(
            tidings,
            "tidings-2-shards",
            "process",
            2,
            Part::OursSharded,
        ));
    }
    let peers = program::beside("peers");
    let broadcast = |version| About {
        speaks: "no protocol: what comes over `/pub` goes to all at `/sub`",
        keeps: NOTHING,
        version,
    };
    all.push(Contender {
        peer: Peer::new("raw-epoll", &peers, "raw-epoll {address}"),
        protocol: &Plain,
        about: broadcast(Version::Ours),
        part: Part::Peer,
        template: None,
    });
    let script = |name: &str, program: PathBuf, script: &str| {
        Peer::new(name, program, "")
            .with(program::source("scripts").join(script))
            .with("{port}")
            .compiling_late()
    };
    all.push(Contender {
        peer: script("node-ws", "node".into(), "broadcast_ws.mjs"),
        protocol: &Plain,
        about: broadcast(Version::Package("ws")),
        part: Part::Peer,
        template: None,
    });
    all.push(Contender {
        peer: script("bun", program::bun(), "broadcast_bun.mjs"),
        protocol: &Plain,
        about: broadcast(Version::Bun),
        part: Part::Peer,
        template: None,
    });
    all.push(Contender {
        peer: script("socket.io", "node".into(), "broadcast_socket_io.mjs"),
        protocol: &SocketIo { recovers: true },
        about: About {
            speaks: SOCKET_IO,
            keeps: "in memory for two minutes, for who was there (connection state recovery)",
            version: Version::Package("socket.io"),
        },
        part: Part::Peer,
        template: None,
    });
    all.push(Contender {
        peer: Peer::new("socketioxide", &peers, "socketioxide {address}"),
        protocol: &SocketIo { recovers: false },
        about: About {
            speaks: SOCKET_IO,
            keeps: NOTHING,
            version: Version::Crate("socketioxide"),
        },
        part: Part::Peer,
        template: None,
    });
    all.push(Contender {
        peer: Peer::new("nchan", "/usr/sbin/nginx", "-e stderr -p {scratch}")
            .with("-c")
            .with("{scratch}/nginx.conf"),
        protocol: &Nchan,
        about: About {
            speaks: "Nchan's WebSocket",
            keeps: "in memory, the last 1,000 of a channel",
            version: Version::Debian(&["nginx", "libnginx-mod-nchan"]),
        },
        part: Part::Peer,
        template: Some("nginx.conf"),
    });
    all.push(Contender {
        peer: Peer::new("sockudo", sockudo(), "--config").with("{scratch}/sockudo.json"),
        protocol: &Pusher,
        about: About {
            speaks: "Pusher 7, client events on a private channel",
            keeps: NOTHING,
            version: Version::Flag("--version"),
        },
        part: Part::Peer,
        template: Some("sockudo.json"),
    });
    all.extend(options.common.added.iter().map(|peer| Contender {
        peer: peer.clone(),
        protocol: &Plain,
        about: broadcast(Version::User),
        part: Part::Peer,
        template: None,
    }));

    let mut missing = Vec::new();
    all.retain(|contender| {
        let reason = why_absent(contender);
        if let Some(reason) = &reason {
            missing.push(format!("{}: {reason}", contender.name()));
        }
        reason.is_none()
    });
    (all, missing)
}

/// `tidings serve` with the settings of `bench/scripts/tidings.toml`.
fn ours(program: &Path, name: &str, durability: &str, shards: usize, part: Part) -> Contender {
    let arguments =
        format!("serve --listen {{address}} --shards {shards} --durability {durability} --data");
    Contender {
        peer: Peer::new(name, program, &arguments)
            .with("{scratch}/data")
            .with("--config")
            .with(program::source("scripts/tidings.toml")),
        protocol: &Tidings,
        about: About {
            speaks: "`tidings.v1.json`, with presence off, which no other here has",
            keeps: match durability {
                "disk" => "the same, and synced to the disk: survives a loss of power",
                _ => {
                    "a durable log (SQLite): each message is stored before it is delivered or \
                     acknowledged, and survives a crash of the process"
                }
            },
            version: Version::Ours,
        },
        part,
        template: None,
    }
}

/// The one that `--install` built, else the one in `PATH`.
fn sockudo() -> PathBuf {
    let built = program::target().join("sockudo/bin/sockudo");
    match built.is_file() {
        true => built,
        false => "sockudo".into(),
    }
}

/// Where Debian puts the module that `nginx.conf` loads.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

fn why_absent(contender: &Contender) -> Option<String> {
    let reason = contender.peer.why_absent();
    match contender.name() {
        "nchan" if reason.is_some() || !Path::new(NCHAN).is_file() => {
            Some("on Debian, `apt-get install nginx libnginx-mod-nchan`".to_owned())
        }
        "sockudo" if reason.is_some() => Some("`--install` builds it from crates.io".to_owned()),
        "node-ws" | "socket.io" if reason.is_none() && !program::has_package("socket.io") => {
            Some(program::NO_PACKAGES.to_owned())
        }
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str) -> Contender {
        let options = Options::parse(["--tidings".to_owned(), "/bin/sh".to_owned()]);
        let tidings = options.unwrap().tidings.unwrap();
        match name {
            "tidings" => ours(&tidings, name, "process", 1, Part::Ours),
            "tidings-disk" => ours(&tidings, name, "disk", 1, Part::OursDurable),
            _ => ours(&tidings, name, "process", 2, Part::OursSharded),
        }
    }

    #[test]
    fn each_of_ours_runs_where_it_tells_something() {
        let parts = |scenario: &str| {
            let scenario = scenario.parse().unwrap();
            ["tidings", "tidings-disk", "tidings-2-shards"]
                .map(|name| contender(name).takes_part(scenario))
        };
        assert_eq!(parts("fanout-1000-1"), [true, false, false]);
        assert_eq!(parts("publish-256"), [true, true, false]);
        assert_eq!(parts("shards-1000-16"), [true, false, true]);
        assert_eq!(parts("idle-10000"), [true, false, false]);
    }

    #[test]
    fn a_command_has_its_folder_and_its_port() {
        let words = contender("tidings")
            .command(90, Path::new("/tmp/x"))
            .unwrap();
        assert!(words.contains(&"127.0.0.1:90".to_owned()), "{words:?}");
        assert!(words.contains(&"/tmp/x/data".to_owned()), "{words:?}");
    }

    #[test]
    fn versions_of_crates_are_in_the_lock_file() {
        assert!(locked("tokio").is_some_and(|version| version.starts_with("1.")));
        assert_eq!(locked("no-such-crate"), None);
    }
}
