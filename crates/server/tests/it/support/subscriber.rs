//! `tidings subscribe` as a child process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::DEADLINE;
use super::server::tidings;

/// A `tidings subscribe` that runs; killed when dropped.
pub(crate) struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    /// One with these arguments, and with those that say where the server is.
    pub(crate) fn start<A: AsRef<OsStr>>(
        at: impl IntoIterator<Item = A>,
        arguments: &[&str],
    ) -> Self {
        let mut child = tidings()
            .arg("subscribe")
            .args(arguments)
            .args(at)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line).ok())
        });
        Self { child, lines }
    }

    /// The next line that it prints. This thread waits for it.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line in time")
    }

    /// The next line, if there is one already.
    pub(crate) fn try_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
