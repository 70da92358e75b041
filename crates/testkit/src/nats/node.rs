//! One process of nats-server: its files, its ports, and the signals it is sent.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{monitor, program, until};

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) clients: SocketAddr,
    pub(super) routes: SocketAddr,
    monitoring: SocketAddr,
}

impl Ports {
    /// Free ones below those that the kernel gives to outgoing connections (32768 and up on Linux): while a server is
    /// down nobody else can get its port.
    pub(super) fn choose() -> Self {
        let port = || {
            until("a free port", || {
                let port = fastrand::u16(20_000..30_000);
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                TcpListener::bind(address).ok().map(|_| address)
            })
        };
        Self {
            clients: port(),
            routes: port(),
            monitoring: port(),
        }
    }
}

/// A server and its store, in a folder of its own.
#[derive(Debug)]
pub(super) struct Node {
    name: String,
    folder: PathBuf,
    ports: Ports,
    /// Absent while it is not running.
    child: Mutex<Option<Child>>,
}

impl Node {
    /// Writes its configuration, of which `config` is the end, into `folder`. It does not run yet.
    pub(super) fn new(name: &str, folder: &Path, ports: Ports, config: &str) -> Self {
        let folder = folder.join(name);
        let Ports {
            clients,
            monitoring,
            ..
        } = ports;
        let store = folder.join("store");
        let all = format!(
            r#"
server_name: {name}
listen: "{clients}"
http: "{monitoring}"
jetstream {{ store_dir: {store:?}, max_file: 64GB, max_mem: 64MB }}
# The least that it takes; with few clients it is gone long before.
lame_duck_duration: "30s"
lame_duck_grace_period: "100ms"
{config}
"#
        );
        fs::create_dir_all(&store).expect("a temporary folder can be written to");
        fs::write(folder.join(CONFIG), all).expect("a temporary folder can be written to");
        Self {
            name: name.to_owned(),
            folder,
            ports,
            child: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ports(&self) -> Ports {
        self.ports
    }

    /// Starts it, again or for the first time, and waits until it serves JetStream by itself.
    pub(super) fn start(&self) {
        let program = program().unwrap_or_else(|why| panic!("{why}"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(LOG))
            .expect("a temporary folder can be written to");
        let mut command = Command::new(&program);
        command
            .arg("--config")
            .arg(self.folder.join(CONFIG))
            .stderr(log);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        let before = self.child().replace(child);
        assert!(before.is_none(), "{} runs already", self.name);
        until("a server that serves", || {
            if let Some(status) = self.ended() {
                panic!("{} ended at once: {status}\n{}", self.name, self.log());
            }
            self.ask("/healthz?js-enabled-only=true")
        });
    }

    /// Sends a signal that is to end it, and waits for that. Gives how it ended.
    pub(super) fn end(&self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let ended = until("the server to end", || self.ended());
        *self.child() = None;
        ended
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let child = self.child();
        let child = child
            .as_ref()
            .expect("only a server that runs is signalled");
        kill_process(Pid::from_child(child), signal)
            .expect("a child that nobody waited for is there");
    }

    /// Whether it was started, and not ended since.
    pub(super) fn is_running(&self) -> bool {
        self.child().is_some()
    }

    /// What its monitoring endpoint says, if it runs.
    pub(super) fn ask(&self, path: &str) -> Option<Value> {
        self.child().as_ref()?;
        monitor::ask(self.ports.monitoring, path)
    }

    /// The end of what it has logged.
    pub(super) fn log(&self) -> String {
        let log = fs::read(self.folder.join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n")
    }

    fn ended(&self) -> Option<ExitStatus> {
        let mut child = self.child();
        let child = child.as_mut().expect("it was started");
        child.try_wait().expect("a child can be waited for")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child().take() {
            // It fails for one that has ended already.
            let _ = (child.kill(), child.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- {} said at last:\n{}", self.name, self.log());
        }
    }
}

const CONFIG: &str = "nats.conf";
const LOG: &str = "log";

/// Enough for several elections.
const LOG_LINES_SHOWN_MAX: usize = 100;
