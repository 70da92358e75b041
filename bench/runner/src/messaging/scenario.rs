//! What is asked of a server: the names of scenarios, and the tables of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::load::Pace;
use super::protocol::Held;

/// What a full run asks, in its order.
pub(crate) const FULL: &[&str] = &[
    "fanout-1000-1",
    "fanout-1000-16",
    "fanout-1000-50hz",
    "fanout-10000-1",
    "fanout-10000-16",
    "fanout-10000-5hz",
    "latency-200hz",
    "publish-256",
    "accept-5000",
    "resume-10000",
    "memory-10000",
    "memory-2000-sse",
    "memory-2000-poll",
    "idle-10000",
    "shards-1000-1",
    "shards-1000-16",
];

/// What `--quick` asks.
pub(crate) const QUICK: &[&str] = &[
    "fanout-1000-1",
    "fanout-1000-16",
    "fanout-1000-50hz",
    "latency-200hz",
    "publish-256",
    "accept-1000",
    "resume-1000",
    "memory-2000",
];

/// Bytes of data in a fanned out message: a line of a chat.
pub(crate) const FANOUT_BYTES: usize = 128;
/// Bytes of data in a message that is only stored.
pub(crate) const PUBLISH_BYTES: usize = 200;
/// Two intervals of our heartbeats, so that each connection is asked twice.
pub(crate) const IDLE_FOR: Duration = Duration::from_secs(40);

/// One thing asked of every peer that can do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One publisher, many followers.
    Fanout { followers: usize, pace: Pace },
    /// The same, of one server with one shard and with two.
    Shards { followers: usize, pace: Pace },
    /// One publisher and one follower on a server that has nothing else to do.
    Latency { hertz: u32 },
    /// Publishers, each of whom waits for the acknowledgement of one message before the next.
    Publish { publishers: usize },
    /// Followers come in.
    Accept { followers: usize },
    /// Followers are cut, miss messages, and come back at once.
    Resume { followers: usize },
    /// Followers wait.
    Memory { followers: usize, door: Door },
    /// Followers wait for longer, with heartbeats.
    Idle { followers: usize },
}

/// How a follower is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    WebSocket,
    Held(Held),
}

/// A process may rarely open more descriptors than 20,000, and the machine has ports for 28,000.
const FOLLOWERS_MAX: usize = 19_000;
/// More than fit into a socket's buffer would only wait there.
const BURST_MAX: usize = 1024;
const HERTZ_MAX: u32 = 10_000;

impl Scenario {
    /// Connections that it opens, but for a few.
    pub(crate) fn connections(self) -> usize {
        match self {
            Self::Fanout { followers, .. }
            | Self::Shards { followers, .. }
            | Self::Accept { followers }
            | Self::Resume { followers }
            | Self::Memory { followers, .. }
            | Self::Idle { followers } => followers,
            Self::Publish { publishers } => publishers,
            Self::Latency { .. } => 1,
        }
    }

    /// Whether a repeat would tell nothing new: memory hardly varies, and idleness takes its time.
    pub(crate) fn once_is_enough(self) -> bool {
        matches!(self, Self::Memory { .. } | Self::Idle { .. })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        parse(name).ok_or_else(|| {
            format!("there is no scenario '{name}'; names are like fanout-1000-16, see --help")
        })
    }
}

fn parse(name: &str) -> Option<Scenario> {
    let mut parts = name.split('-');
    let kind = parts.next()?;
    let first = parts.next()?;
    let second = parts.next();
    if parts.next().is_some() {
        return None;
    }
    if kind == "latency" {
        let hertz = hertz(first)?;
        return second.is_none().then_some(Scenario::Latency { hertz });
    }
    let followers = within(first.parse().ok()?, FOLLOWERS_MAX)?;
    Some(match (kind, second) {
        ("fanout", Some(second)) => Scenario::Fanout {
            followers,
            pace: pace(second)?,
        },
        ("shards", Some(second)) => Scenario::Shards {
            followers,
            pace: pace(second)?,
        },
        ("memory", door) => Scenario::Memory {
            followers,
            door: match door {
                None => Door::WebSocket,
                Some("sse") => Door::Held(Held::Sse),
                Some("poll") => Door::Held(Held::LongPoll),
                Some(_) => return None,
            },
        },
        ("publish", None) => Scenario::Publish {
            publishers: followers,
        },
        ("accept", None) => Scenario::Accept { followers },
        ("resume", None) => Scenario::Resume { followers },
        ("idle", None) => Scenario::Idle { followers },
        _ => return None,
    })
}

fn pace(part: &str) -> Option<Pace> {
    match hertz(part) {
        Some(hertz) => Some(Pace::Hertz(hertz)),
        None => Some(Pace::Bursts(within(part.parse().ok()?, BURST_MAX)?)),
    }
}

fn hertz(part: &str) -> Option<u32> {
    let hertz = part.strip_suffix("hz")?.parse().ok()?;
    (1..=HERTZ_MAX).contains(&hertz).then_some(hertz)
}

fn within(count: usize, max: usize) -> Option<usize> {
    (1..=max).contains(&count).then_some(count)
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fanout { followers, pace } => write!(out, "fanout-{followers}-{pace}"),
            Self::Shards { followers, pace } => write!(out, "shards-{followers}-{pace}"),
            Self::Latency { hertz } => write!(out, "latency-{hertz}hz"),
            Self::Publish { publishers } => write!(out, "publish-{publishers}"),
            Self::Accept { followers } => write!(out, "accept-{followers}"),
            Self::Resume { followers } => write!(out, "resume-{followers}"),
            Self::Idle { followers } => write!(out, "idle-{followers}"),
            Self::Memory { followers, door } => match door {
                Door::WebSocket => write!(out, "memory-{followers}"),
                Door::Held(Held::Sse) => write!(out, "memory-{followers}-sse"),
                Door::Held(Held::LongPoll) => write!(out, "memory-{followers}-poll"),
            },
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bursts(count) => write!(out, "{count}"),
            Self::Hertz(hertz) => write!(out, "{hertz}hz"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_being_read_and_told() {
        for name in FULL.iter().chain(QUICK) {
            let scenario: Scenario = name.parse().unwrap();
            assert_eq!(scenario.to_string(), *name);
        }
    }

    #[test]
    fn what_is_no_scenario_is_refused() {
        for name in [
            "",
            "fanout",
            "fanout-1000",
            "fanout-0-1",
            "fanout-1000-0",
            "fanout-1000-0hz",
            "fanout-1000-1-1",
            "fanout-99999-1",
            "latency-5",
            "latency-200hz-1",
            "memory-10-carrier-pigeon",
            "publish-256-16",
        ] {
            assert!(name.parse::<Scenario>().is_err(), "{name}");
        }
    }
}
