//! What the kernel says about a server's process and about the whole machine.

use std::fs;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// CPU time that a process has used, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total: f64,
    pub(crate) user: f64,
}

impl Cpu {
    /// The process's CPU time until now, all threads.
    ///
    /// The total is the scheduler's count in nanoseconds; it forgets threads that have ended, so
    /// that the count in ticks wins where that is larger. Ticks alone tell user from system.
    pub(crate) fn of(pid: u32) -> Self {
        let ticks = clock_ticks_per_second() as f64;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The program's name may hold spaces: fields are counted from the last ')'.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_, fields)| fields.split_whitespace().collect())
            .unwrap_or_default();
        let field = |index: usize| -> f64 {
            let text = fields.get(index).copied().unwrap_or_default();
            text.parse::<f64>().unwrap_or(0.0) / ticks
        };
        let (user, system) = (field(11), field(12));
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        let scheduled: f64 = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
            .sum();
        Self {
            total: (scheduled / 1e9).max(user + system),
            user,
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            total: self.total - before.total,
            user: self.user - before.user,
        }
    }
}

/// Resident bytes of a process.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most resident bytes that a process ever had, or had since [`forget_peak`].
pub(crate) fn peak_resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

/// Makes what a process has resident now its peak.
pub(crate) fn forget_peak(pid: u32) {
    // proc(5): "5 reset the peak resident set size". Where it is refused, the peak is of its whole life.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn status_bytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) << 10
}

/// CPU seconds that all cores together were busy, or stolen from this machine by its host.
pub(crate) fn machine_busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal
    let busy: f64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|&index: &usize| fields.get(index))
        .sum();
    busy / clock_ticks_per_second() as f64
}

/// CPU seconds of this thread.
pub(crate) fn own_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
