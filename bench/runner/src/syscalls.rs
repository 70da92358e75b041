//! System calls per message, counted in a run of its own because counting costs time.
//!
//! `perf` counts all of them in the kernel; where it may not, `strace` stops the server at each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program;

/// What counts system calls on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    Perf,
    Strace,
}

/// A count that is under way.
pub(crate) struct Count {
    counter: Counter,
    child: Child,
    result: PathBuf,
}

/// How long a counter takes to attach; the server has nothing to do meanwhile.
const ATTACHES_WITHIN: Duration = Duration::from_millis(250);
/// How long it may take to write what it counted.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

impl Counter {
    /// The one that works here, tried on a program that does nothing.
    pub(crate) fn find() -> Option<Self> {
        [Self::Perf, Self::Strace]
            .into_iter()
            .find(|counter| counter.works())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    /// Begins to count the calls of a process that is at rest.
    pub(crate) fn begin(self, pid: u32, folder: &Path) -> Result<Count, String> {
        let result = folder.join("system-calls.txt");
        let _ = fs::remove_file(&result); // of the run before, if there is one
        let child = self
            .command(&result)
            .args(["-p", &pid.to_string()])
            .spawn()
            .map_err(|error| format!("{}: {error}", self.name()))?;
        thread::sleep(ATTACHES_WITHIN);
        Ok(Count {
            counter: self,
            child,
            result,
        })
    }

    fn works(self) -> bool {
        let Some(nothing) = program::find(Path::new("true")) else {
            return false;
        };
        if program::find(Path::new(self.name())).is_none() {
            return false;
        }
        let result = std::env::temp_dir().join(format!("tidings-bench-{}", std::process::id()));
        let status = self.command(&result).arg(nothing).status();
        let counted = fs::read_to_string(&result)
            .ok()
            .and_then(|text| self.parse(&text));
        let _ = fs::remove_file(&result);
        status.is_ok_and(|status| status.success()) && counted.is_some()
    }

    fn command(self, result: &Path) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Perf => command.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o"]),
            Self::Strace => command.args(["-c", "-f", "-o"]),
        };
        command.arg(result);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// How many calls its report tells of.
    fn parse(self, report: &str) -> Option<u64> {
        report.lines().find_map(|line| match self {
            Self::Perf if line.contains("raw_syscalls") => line.split(',').next()?.parse().ok(),
            // % time, seconds, usecs/call, calls, [errors,] "total"
            Self::Strace if line.trim_end().ends_with("total") => {
                line.split_whitespace().nth(3)?.parse().ok()
            }
            _ => None,
        })
    }
}

impl Count {
    /// Ends the count and gives it.
    pub(crate) fn end(mut self) -> Result<u64, String> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // If it has ended already, what it wrote says why.
            let _ = kill_process(pid, Signal::INT);
        }
        let deadline = Instant::now() + ENDS_WITHIN;
        while self.child.try_wait().is_ok_and(|status| status.is_none())
            && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(5));
        }
        let report = fs::read_to_string(&self.result).unwrap_or_default();
        self.counter
            .parse(&report)
            .ok_or_else(|| format!("{} counted nothing", self.counter.name()))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_understood() {
        let perf = "# started on Sun\n\n429,,raw_syscalls:sys_enter,1082337,100.00,,\n";
        assert_eq!(Counter::Perf.parse(perf), Some(429));
        let strace = "% time seconds usecs/call calls errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000123           1        29         1 total\n";
        assert_eq!(Counter::Strace.parse(strace), Some(29));
        assert_eq!(
            Counter::Perf.parse("<not supported>,,raw_syscalls:sys_enter"),
            None
        );
    }
}
