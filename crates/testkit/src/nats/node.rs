//! One process of nats-server: its files, its ports, and the signals it is sent.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

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
    /// Free ones, each given once.
    pub(super) fn choose() -> Self {
        let port = || until("a free port", free_port);
        Self {
            clients: port(),
            routes: port(),
            monitoring: port(),
        }
    }
}

/// The next port, if it is free. They lie below those that the kernel gives to outgoing connections (32768 and up on
/// Linux): while a server is down nobody else can get its port.
fn free_port() -> Option<SocketAddr> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    /// Another one in each process, and then one after the other: what is given is used only later.
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| fastrand::u16(..COUNT).into());
    let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).ok().map(|_| address)
}

/// A server and its store, in a folder of its own.
#[derive(Debug)]
pub(super) struct Node {
    name: String,
    folder: PathBuf,
    ports: Ports,
    /// Absent while it is not running.
    process: Mutex<Option<Process>>,
}

/// Is ended when it is dropped, and also when we end without dropping anything.
#[derive(Debug)]
struct Process {
    server: Child,
    watchdog: Child,
}

impl Node {
    /// One whose files are in `folder`, with `config` as the end of its configuration. It does not run yet.
    pub(super) fn new(name: &str, folder: &Path, ports: Ports, config: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(folder.join(STORE)).expect("a temporary folder can be written to");
        let node = Self {
            name: name.to_owned(),
            folder,
            ports,
            process: Mutex::default(),
        };
        node.configure(config);
        node
    }

    /// Writes its configuration, of which `config` is the end, for its next start.
    pub(super) fn configure(&self, config: &str) {
        let Self { name, folder, .. } = self;
        let Ports {
            clients,
            monitoring,
            ..
        } = self.ports;
        let store = folder.join(STORE);
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
        fs::write(folder.join(CONFIG), all).expect("a temporary folder can be written to");
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
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(self.folder.join(CONFIG))
            .stdout(Stdio::null())
            .stderr(log);
        let before = self.process().replace(Process::run(command));
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
        *self.process() = None;
        ended
    }

    /// Copies its store as it is now, in the place of what was copied before. It stands still meanwhile.
    pub(super) fn keep(&self) {
        self.signal(Signal::STOP);
        copy(&self.folder.join(STORE), &self.folder.join(KEPT));
        self.signal(Signal::CONT);
    }

    /// Puts what was copied last in the place of its store. It must not run.
    pub(super) fn bring_back(&self) {
        assert!(!self.is_running(), "{} uses its store", self.name);
        copy(&self.folder.join(KEPT), &self.folder.join(STORE));
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let process = self.process();
        let process = process.as_ref();
        let server = &process
            .expect("only a server that runs is signalled")
            .server;
        kill_process(Pid::from_child(server), signal)
            .expect("a child that nobody waited for is there");
    }

    /// Whether it was started, and not ended since.
    pub(super) fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// What its monitoring endpoint says, if it runs.
    pub(super) fn ask(&self, path: &str) -> Option<Value> {
        self.process().as_ref()?;
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
        let mut process = self.process();
        let server = &mut process.as_mut().expect("it was started").server;
        server.try_wait().expect("a child can be waited for")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        *self.process() = None;
        if std::thread::panicking() {
            eprintln!("--- {} said at last:\n{}", self.name, self.log());
        }
    }
}

impl Process {
    fn run(mut command: Command) -> Self {
        let server = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        // Its input ends with us, however we end.
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "sh"])
            .arg(server.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        Self { server, watchdog }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first, which must not kill whoever gets the server's number next.
        for child in [&mut self.watchdog, &mut self.server] {
            // It fails for one that has ended already.
            let _ = (child.kill(), child.wait());
        }
    }
}

/// Makes the folder `to` a copy of `from`.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("a folder of our own can be removed");
    }
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|it| it.success()), "a folder is copied");
}

const CONFIG: &str = "nats.conf";
const LOG: &str = "log";
const STORE: &str = "store";
const KEPT: &str = "kept";

/// Enough for several elections.
const LOG_LINES_SHOWN_MAX: usize = 100;
