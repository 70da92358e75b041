//! The server's process, where it runs on this machine: who it is, and what it takes. Linux tells by `/proc`;
//! elsewhere nothing is known.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One process, or several that listen on the same socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Process {
    pids: Vec<u32>,
}

/// What it has taken until now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::cli) struct Usage {
    /// CPU time of all its threads, in seconds.
    pub(in crate::cli) cpu_s: f64,
    /// How long its threads could have run and had no CPU, in seconds, added up.
    pub(in crate::cli) cpu_wait_s: f64,
    /// Resident memory, in bytes.
    pub(in crate::cli) resident_bytes: u64,
}

impl Process {
    /// The process of that number, if there is one.
    pub(in crate::cli) fn of(pid: u32) -> Option<Self> {
        fs::exists(format!("/proc/{pid}/stat"))
            .is_ok_and(|exists| exists)
            .then(|| Self { pids: vec![pid] })
    }

    /// Who listens on `address`, an address of this machine. `None` where that is not to be learned:
    /// another user's process shows its sockets to root alone.
    pub(in crate::cli) fn listening_on(address: SocketAddr) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let inodes: BTreeSet<u64> = tables
            .iter()
            .flatten()
            .flat_map(|table| listeners(table, address))
            .collect();
        let pids: Vec<u32> = fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| holds(*pid, &inodes))
            .collect();
        (!pids.is_empty()).then_some(Self { pids })
    }

    /// Who listens where `stream` leads to, if that is this machine.
    pub(in crate::cli) fn behind(stream: &tokio::net::TcpStream) -> Option<Self> {
        let (peer, local) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
        let is_here = peer.ip().to_canonical().is_loopback() || peer.ip() == local.ip();
        is_here.then(|| Self::listening_on(peer)).flatten()
    }

    /// Its number; the first where there are several.
    pub(in crate::cli) fn pid(&self) -> u32 {
        self.pids[0]
    }

    /// What its program is called.
    pub(in crate::cli) fn name(&self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid()));
        name.unwrap_or_default().trim().to_owned()
    }

    /// What it has taken until now. One that has ended has taken nothing.
    pub(in crate::cli) fn usage(&self) -> Usage {
        let usages = self.pids.iter().map(|pid| usage(*pid));
        usages.fold(Usage::default(), |sum, usage| Usage {
            cpu_s: sum.cpu_s + usage.cpu_s,
            cpu_wait_s: sum.cpu_wait_s + usage.cpu_wait_s,
            resident_bytes: sum.resident_bytes + usage.resident_bytes,
        })
    }
}

/// What this very process has taken.
pub(in crate::cli) fn own_usage() -> Usage {
    usage(std::process::id())
}

fn read(pid: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

/// The scheduler counts a thread's time in nanoseconds. It forgets threads that have ended, so that the
/// process's count in ticks wins where that is larger.
fn usage(pid: u32) -> Usage {
    let ticks_a_second = rustix::param::clock_ticks_per_second() as f64;
    let ticks = read(pid, "stat").and_then(|stat| cpu_ticks(&stat));
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let scheduled = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| {
            scheduled_s(&fs::read_to_string(thread.path().join("schedstat")).ok()?)
        })
        .fold((0.0, 0.0), |sum, (ran, waited)| {
            (sum.0 + ran, sum.1 + waited)
        });
    Usage {
        cpu_s: (ticks.unwrap_or(0) as f64 / ticks_a_second).max(scheduled.0),
        cpu_wait_s: scheduled.1,
        resident_bytes: read(pid, "status")
            .and_then(|status| resident_bytes(&status))
            .unwrap_or(0),
    }
}

/// What a thread's `schedstat` says: seconds on a CPU, and seconds of waiting for one.
fn scheduled_s(schedstat: &str) -> Option<(f64, f64)> {
    let mut fields = schedstat.split_whitespace();
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / 1e9);
    Some((seconds()?, seconds()?))
}

/// User and system time of `/proc/PID/stat` (proc(5): fields 14 and 15), in ticks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The program's name may hold anything: fields are counted from the last ')', which ends the second.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

/// `VmRSS` of `/proc/PID/status`, in bytes.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Whether a process has one of these sockets open.
fn holds(pid: u32, inodes: &BTreeSet<u64>) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    let mut links = descriptors
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.any(|link| {
        link.to_str()
            .and_then(socket_inode)
            .is_some_and(|inode| inodes.contains(&inode))
    })
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The inodes of the sockets in `/proc/net/tcp` or `tcp6` that take connections to `address`.
fn listeners(table: &str, address: SocketAddr) -> Vec<u64> {
    let inode = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (ip, port) = fields.get(1)?.split_once(':')?;
        let is_listening = *fields.get(3)? == LISTEN;
        let ip = parse_ip(ip)?;
        let is_his = u16::from_str_radix(port, 16).ok()? == address.port()
            && (ip.is_unspecified() || ip == address.ip().to_canonical());
        (is_listening && is_his).then(|| fields.get(9)?.parse().ok())?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// A socket's state that takes connections (the kernel's `TCP_LISTEN`).
const LISTEN: &str = "0A";

/// An address as the kernel prints it: words of 32 bits, each in the machine's own byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            octets.copy_from_slice(words.as_flattened());
            Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1B5F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71 1 0
   1: 0100007F:1B5F 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 72 1 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 73 1 0
   3: 0200007F:1B5F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 74 1 0
";

    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st ...
   0: 00000000000000000000000001000000:1B5F 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 81 1
   1: 0000000000000000FFFF00000100007F:1B5F 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 82 1
   2: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 83 1
";

    #[test]
    #[cfg(target_endian = "little")]
    fn who_listens_is_found_by_address_and_port() {
        let inodes = |table, address: &str| listeners(table, address.parse().unwrap());
        assert_eq!(inodes(TABLE, "127.0.0.1:7007"), [71]);
        assert_eq!(
            inodes(TABLE, "127.0.0.1:80"),
            [73],
            "everywhere is here, too"
        );
        assert_eq!(inodes(TABLE, "127.0.0.1:81"), [0; 0]);
        assert_eq!(inodes(TABLE6, "[::1]:7007"), [81]);
        assert_eq!(inodes(TABLE6, "127.0.0.1:7007"), [82]);
        assert_eq!(inodes(TABLE6, "127.0.0.1:81"), [83]);
        assert_eq!(inodes("nonsense\n 0: 1 2 3\n\n", "127.0.0.1:81"), [0; 0]);
    }

    #[test]
    fn what_the_kernel_says_of_a_process_is_read() {
        let stat = "12 (a) b (c) R 1 12 12 0 -1 4194304 9 0 0 0 7 5 0 0 20 0 1 0 1";
        assert_eq!(cpu_ticks(stat), Some(12));
        assert_eq!(
            resident_bytes("Name:\ta\nVmRSS:\t    12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(scheduled_s("2000000000 500000000 77\n"), Some((2.0, 0.5)));
        assert_eq!(scheduled_s("2000000000"), None);
        assert_eq!(socket_inode("socket:[71]"), Some(71));
        assert_eq!(socket_inode("pipe:[71]"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_our_own_is_found_with_what_it_takes() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let process = Process::listening_on(listener.local_addr().unwrap()).unwrap();
        assert_eq!(process.pid(), std::process::id());
        assert!(process.usage().resident_bytes > 0);
        assert_eq!(Process::of(process.pid()), Some(process));
    }
}
