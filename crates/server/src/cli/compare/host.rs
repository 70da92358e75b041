//! The server that is measured: one of our own for each cell, so that what another left behind in its memory is not
//! found again; or the one that was named.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::cli::ServerArgs;
use crate::cli::client::Client;
use crate::cli::load::process::Process;
use crate::cli::tls::TrustArgs;
use crate::fault::Fault;

/// Where a server is, and its process where that is known.
pub(super) struct Host {
    pub(super) server: ServerArgs,
    pub(super) process: Option<Process>,
    /// Ends with it.
    _own: Option<Own>,
}

impl Host {
    /// Starts one.
    pub(super) fn start() -> Result<Self, Fault> {
        let (own, url) = Own::start()?;
        Ok(Self {
            process: Process::of(own.child.id()),
            server: ServerArgs {
                url,
                token: None,
                trust: TrustArgs::default(),
            },
            _own: Some(own),
        })
    }

    /// The one that was named; its process is found by its port, where it runs on this machine.
    pub(super) async fn named(server: ServerArgs) -> Result<Self, Fault> {
        let mut client = Client::new(&server)?;
        let found = client.find().await;
        let stream = found.map_err(|failure| {
            let fault = failure.into_fault();
            fault.advise(
                "Does the server run, and is --url where it listens? Without --url one is started.",
            )
        })?;
        Ok(Self {
            process: Process::behind(&stream),
            server,
            _own: None,
        })
    }
}

/// A server that ends with this.
struct Own {
    child: Child,
    data: PathBuf,
}

/// How long it may take to start, on a machine that has much else to do.
const START_WITHIN: Duration = Duration::from_secs(10);

/// Nobody is told who comes: each of thousands of clients would be told of all others.
const CONFIG: &str = "[namespaces.compare]\npresence = false\n";

impl Own {
    /// Gives its address as well.
    fn start() -> Result<(Self, String), Fault> {
        let fault = |what: &str, error: std::io::Error| {
            Fault::failure(format!("{what}: {error}"))
                .advise("Start one yourself, and name it by --url.")
        };
        let program = std::env::current_exe().map_err(|error| fault("no program", error))?;
        let data = folder();
        fs::create_dir_all(&data)
            .map_err(|error| fault(&format!("no folder {}", data.display()), error))?;
        let config = data.join("tidings.toml");
        fs::write(&config, CONFIG).map_err(|error| fault("no configuration", error))?;
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--webtransport",
                "true",
                "--data",
            ])
            .arg(data.join("data"))
            .arg("--config")
            .arg(config);
        // What the shell says to servers is not meant for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDINGS_") {
                command.env_remove(name);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut own = Self {
            child: command
                .spawn()
                .map_err(|error| fault("a server cannot be started", error))?,
            data,
        };
        let url = own.url().ok_or_else(|| {
            Fault::failure("the server that was started does not say where it is")
                .advise("What it says stands above. Or start one yourself, and name it by --url.")
        })?;
        Ok((own, url))
    }

    /// What its banner says, which is read on so that it never waits for us.
    fn url(&mut self) -> Option<String> {
        let banner = BufReader::new(self.child.stdout.take()?);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in banner.lines().map_while(Result::ok) {
                if let Some(url) = find_url(&line) {
                    // Who waited may be gone.
                    let _ = tell.send(url.to_owned());
                }
            }
        });
        told.recv_timeout(START_WITHIN).ok()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Nothing of what it holds is to last.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// A folder that nobody else has.
fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (pid, number) = (std::process::id(), COUNT.fetch_add(1, Relaxed));
    Path::new(&std::env::temp_dir()).join(format!("tidings-compare-{pid}-{number}"))
}

fn find_url(line: &str) -> Option<&str> {
    let from = line.find("http://127.0.0.1:")?;
    line[from..].split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_banner() {
        let line = "  Tidings is at http://127.0.0.1:40123 (chat)";
        assert_eq!(find_url(line), Some("http://127.0.0.1:40123"));
        assert_eq!(find_url("nothing here"), None);
    }
}
