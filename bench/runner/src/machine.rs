//! The machine: who runs on which core, how many descriptors there are, and what to call it.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who wants a core of its own.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Server,
    Generator,
    /// Who takes what there is, as a server with several shards does.
    Anywhere,
}

/// The cores that we were started on; what `move_to` chooses from.
fn cores() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(|| {
        let set = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU)
            .filter(|&core| set.is_set(core))
            .collect()
    })
}

/// Moves this thread, and the children that it will start, to the core for `place`: the first one
/// for the server, the next for the generator; or lets it be on any. On a single core nothing moves.
pub(crate) fn move_to(place: Place) {
    let [first, second, ..] = *cores() else {
        return;
    };
    let mut set = CpuSet::new();
    match place {
        Place::Server => set.set(first),
        Place::Generator => set.set(second),
        Place::Anywhere => cores().iter().for_each(|core| set.set(*core)),
    }
    // Where it is forbidden the figures are noisier, and not wrong.
    let _ = sched_setaffinity(None, &set);
}

/// Makes this process, and the servers that it will start, go before everything else.
pub(crate) fn go_first() -> Result<(), String> {
    let own = std::process::id().to_string();
    let output = Command::new("chrt")
        .args(["--rr", "--pid", "1", &own])
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("--realtime: {reason}; it is for root"))
        }
        Err(error) => Err(format!("--realtime needs chrt, of util-linux: {error}")),
    }
}

/// Whether server and generator have a core each.
pub(crate) fn has_two_cores() -> bool {
    cores().len() > 1
}

/// Raises the soft limit of descriptors to the hard one, for us and the servers; gives it.
pub(crate) fn raise_descriptors() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it is refused, the scenario that needs more says so.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What the figures were measured on, in a line.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let uname = rustix::system::uname();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    format!(
        "{} of {model}, Linux {}, load {load} at the start",
        match cores().len() {
            1 => "1 core".to_owned(),
            count => format!("{count} cores"),
        },
        uname.release().to_string_lossy(),
    )
}

/// Which state of the tree was measured.
pub(crate) fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(words)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    git(&["describe", "--always", "--dirty"]).unwrap_or_else(|| "unknown".to_owned())
}

/// Today, as `date` says it.
pub(crate) fn date() -> String {
    let output = Command::new("date").args(["-u", "+%F %H:%M UTC"]).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
