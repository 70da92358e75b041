//! NATS servers with JetStream for tests: one, or three as a cluster, with ports and stores of their own, to be killed,
//! stopped, cut off from one another, and started again.
//!
//! ```no_run
//! use tidings_testkit::nats::{Clients, Cluster};
//!
//! let cluster = Cluster::start("");
//! println!("clients connect to {}", cluster.url(0));
//! // … with a stream EVENTS made over that:
//! let leader = cluster.wait_leader("EVENTS");
//! cluster.cut_off(leader, Clients::Stay);
//! cluster.heal();
//! ```
//!
//! All calls block their thread until what they do is done, and panic when that takes too long: inside a runtime
//! they belong on one of several threads. Whoever drops a server or a cluster ends its processes; if that is a test
//! that fails, what they have logged is shown.

mod cluster;
mod monitor;
mod network;
mod node;
mod server;

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use cluster::{Clients, Cluster, SERVERS};
pub use server::Server;

/// The program `nats-server`: the one that `TIDINGS_NATS_SERVER` names, or the one that `cargo xtask nats`
/// puts into cargo's target folder.
///
/// # Errors
///
/// When there is none: the sentence says how to get it.
pub fn program() -> Result<PathBuf, String> {
    let named = env::var_os("TIDINGS_NATS_SERVER").map(PathBuf::from);
    let found = named.or_else(|| {
        let test = env::current_exe().ok()?;
        let target = test
            .ancestors()
            .find(|folder| folder.ends_with("debug") || folder.ends_with("release"))?
            .parent()?;
        Some(target.join("nats-server/bin/nats-server"))
    });
    found.filter(|program| program.is_file()).ok_or_else(|| {
        "needs nats-server: `cargo xtask nats` installs it for the tests, or TIDINGS_NATS_SERVER names yours"
            .to_owned()
    })
}

/// How long anything may take that a healthy cluster does by itself: an election takes up to nine seconds on an
/// idle machine, and a busy one is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a server is asked for what it does not tell by itself.
const GLANCE: Duration = Duration::from_millis(25);

/// Asks again until there is an answer.
fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(GLANCE);
    }
}
