//! What the process takes of the machine, under the names that Prometheus' own clients use. Linux tells by
//! `/proc`; elsewhere nothing is known, and the families are left out.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// What this process takes now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Process {
    /// CPU time of all its threads until now, in seconds.
    pub(super) cpu_seconds: f64,
    /// Memory that it has, in bytes, and addresses that it has asked for.
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    /// Its descriptors, and how many it may have.
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    /// When it started, in seconds since the Unix epoch.
    pub(super) start_seconds: f64,
}

impl Process {
    /// Looks. It opens files and may list thousands of descriptors, so it is not for a shard's thread.
    pub(super) fn look() -> Option<Self> {
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let booted = boot_seconds(&fs::read_to_string("/proc/stat").ok()?)?;
        let ticks_a_second = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: stat.cpu_ticks as f64 / ticks_a_second,
            resident_bytes: stat.resident_pages * rustix::param::page_size() as u64,
            virtual_bytes: stat.virtual_bytes,
            open_fds: open_fds()?,
            // Without a limit there is none to come near to.
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            start_seconds: booted as f64 + stat.start_ticks as f64 / ticks_a_second,
        })
    }
}

/// What `/proc/PID/stat` says (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// Fields 14 and 15.
    cpu_ticks: u64,
    /// Field 22, since the boot.
    start_ticks: u64,
    /// Fields 23 and 24.
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The program's name may hold anything: fields are counted from the last ')', which ends the second.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine was booted, as `/proc/stat` says, in seconds since the Unix epoch.
fn boot_seconds(stat: &str) -> Option<u64> {
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    booted.trim().parse().ok()
}

/// Since Linux 6.2 the directory's size is their number; before it was 0.
fn open_fds() -> Option<u64> {
    let counted = fs::metadata("/proc/self/fd").ok()?.len();
    if counted > 0 {
        return Some(counted);
    }
    // The one that lists them is among them.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(listed.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_of_any_kind() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 30 12 0 0 20 0 4 0 5000 123456 78 1 2";
        assert_eq!(
            Stat::parse(stat),
            Some(Stat {
                cpu_ticks: 42,
                start_ticks: 5000,
                virtual_bytes: 123_456,
                resident_pages: 78,
            })
        );
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(boot_seconds("cpu 1\nbtime 17\nprocesses 3\n"), Some(17));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_process_is_seen() {
        let process = Process::look().unwrap();
        assert!(process.resident_bytes > 0 && process.virtual_bytes >= process.resident_bytes);
        assert!((3..=process.max_fds).contains(&process.open_fds));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!((0.0..now + 1.0).contains(&process.start_seconds));
    }
}
