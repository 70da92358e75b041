//! One server process: started on its core, waited for, and ended for certain.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{self, Place};
use crate::program;

/// A running server; dropping it ends the process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddrV4,
    log: PathBuf,
}

/// How long a server may take until it accepts connections: many times what Node takes.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

impl Server {
    /// Starts at `place` what `command` gives for a port, and waits until it accepts connections.
    /// What it prints goes to `NAME.log` in `logs`.
    pub(crate) fn start(
        name: &str,
        command: impl FnOnce(u16) -> Result<Vec<String>, String>,
        place: Place,
        logs: &Path,
    ) -> Result<Self, String> {
        let port = free_port()?;
        let words = command(port)?;
        let log = logs.join(format!("{name}.log"));
        let output = || File::create(&log).map_err(|error| format!("{}: {error}", log.display()));
        let mut command = with_parent_death(&words);
        command.stdin(Stdio::null()).stderr(output()?);
        command.stdout(
            File::options()
                .append(true)
                .open(&log)
                .map_or_else(|_| Stdio::null(), Stdio::from),
        );
        // A child inherits its parent's core: so every thread of it begins there.
        machine::move_to(place);
        let child = command.spawn();
        machine::move_to(Place::Generator);
        let child = child.map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let mut server = Self {
            child,
            address,
            log,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last line that the server printed, to explain why something went wrong.
    pub(crate) fn last_words(&self) -> String {
        let mut text = String::new();
        // A log that is no UTF-8, or has gone, leaves us without an explanation and no worse.
        let _ = File::open(&self.log).and_then(|mut log| log.read_to_string(&mut text));
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map(|line| format!("; it said: {}", line.trim()))
            .unwrap_or_default()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + STARTS_WITHIN;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once with {status}{}", self.last_words()));
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let within = STARTS_WITHIN.as_secs();
        Err(format!(
            "did not listen within {within} s{}",
            self.last_words()
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, through util-linux's `setpriv` where that is installed: then the kernel ends the
/// server when this process dies, however it dies. `setpriv` becomes the program, so that the
/// process id stays.
fn with_parent_death(words: &[String]) -> Command {
    match program::find(Path::new("setpriv")) {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).args(words);
            command
        }
        None => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
    }
}

/// A port that was free a moment ago, and that no server of this run has had.
///
/// Below those that the kernel gives to clients: a closed connection lingers on a client's port, and
/// a server that does not ask for `SO_REUSEADDR` cannot have it then, as uWebSockets cannot.
fn free_port() -> Result<u16, String> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = process::id() as u16;
    for _ in 0..PORTS.len() {
        let step = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + first.wrapping_add(step) % PORTS.len() as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no port of {PORTS:?} is free"))
}

/// Above those of well-known services, below Linux's `ip_local_port_range`.
const PORTS: Range<u16> = 20_000..32_000;
