//! What is asked of a server: the names of scenarios, and the tables of them.

use std::fmt;
use std::str::FromStr;

/// What a full run asks, in its order.
pub(crate) const FULL: &[&str] = &[
    "echo-20-1",
    "echo-125-1",
    "echo-1k-1",
    "echo-16k-1",
    "echo-1m-1",
    "echo-20-16",
    "echo-125-16",
    "echo-1k-16",
    "echo-16k-16",
    "echo-1m-16",
    "echo-125-1-1000c",
    "echo-125-16-1000c",
    "echo-16k-1-mixed",
    "echo-1m-1-mixed",
    "echo-125-16-binary",
    "echo-16k-1-binary",
    "echo-1m-1-binary",
    "echo-125-1-deflate",
    "echo-125-16-deflate",
    "echo-1k-16-deflate",
    "echo-16k-1-deflate",
    "echo-125-16-takeover",
    "echo-1k-16-takeover",
    "idle-10000",
    "idle-1000-takeover",
];

/// What `--quick` asks.
pub(crate) const QUICK: &[&str] = &[
    "echo-125-1",
    "echo-125-16",
    "echo-16k-1",
    "echo-1k-16-deflate",
    "idle-2000",
];

/// One thing asked of every peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) compression: Compression,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Every connection keeps `in_flight` messages under way.
    Echo {
        message_bytes: usize,
        in_flight: usize,
        payload: Payload,
    },
    /// Every connection waits, then echoes one message of 16 KiB, then waits again.
    Idle,
}

/// What messages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Text of one byte a character.
    Ascii,
    /// Text with characters of one to four bytes.
    Mixed,
    /// Bytes that are no text.
    Binary,
    /// JSON as a chat sends it: it compresses.
    Chat,
}

/// What the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    /// permessage-deflate, every message on its own.
    Deflate,
    /// permessage-deflate with context takeover on both sides.
    Takeover,
}

/// Connections of an echo scenario that does not say.
const CONNECTIONS: usize = 50;
/// What a connection is touched with in an idle scenario.
pub(crate) const TOUCH_BYTES: usize = 16 << 10;
/// A process may rarely open more descriptors than 20,000, and the machine has ports for 28,000.
const CONNECTIONS_MAX: usize = 19_000;
/// Large enough for every question here, small enough for 50 connections of 16.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
const IN_FLIGHT_MAX: usize = 1024;

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        parse(name).ok_or_else(|| {
            format!("there is no scenario '{name}'; names are like echo-125-16, see --help")
        })
    }
}

fn parse(name: &str) -> Option<Scenario> {
    let mut parts = name.split('-');
    let kind = parts.next()?;
    let (mut message_bytes, mut in_flight, mut connections) = (0, 0, CONNECTIONS);
    match kind {
        "echo" => {
            message_bytes = bytes(parts.next()?)?;
            in_flight = within(parts.next()?.parse().ok()?, IN_FLIGHT_MAX)?;
        }
        "idle" => connections = within(parts.next()?.parse().ok()?, CONNECTIONS_MAX)?,
        _ => return None,
    }
    let mut payload = Payload::Ascii;
    let mut compression = Compression::None;
    for part in parts {
        match part {
            "deflate" => (payload, compression) = (Payload::Chat, Compression::Deflate),
            "takeover" => (payload, compression) = (Payload::Chat, Compression::Takeover),
            _ if kind == "idle" => return None,
            "mixed" => payload = Payload::Mixed,
            "binary" => payload = Payload::Binary,
            count => {
                connections = within(count.strip_suffix('c')?.parse().ok()?, CONNECTIONS_MAX)?;
            }
        }
    }
    let work = match kind {
        "echo" => Work::Echo {
            message_bytes,
            in_flight,
            payload,
        },
        _ => Work::Idle,
    };
    Some(Scenario {
        work,
        connections,
        compression,
    })
}

fn within(count: usize, max: usize) -> Option<usize> {
    (1..=max).contains(&count).then_some(count)
}

fn bytes(size: &str) -> Option<usize> {
    let (digits, unit) = match size.as_bytes().last()? {
        b'k' => (&size[..size.len() - 1], 1 << 10),
        b'm' => (&size[..size.len() - 1], 1 << 20),
        _ => (size, 1),
    };
    within(
        digits.parse::<usize>().ok()?.checked_mul(unit)?,
        MESSAGE_BYTES_MAX,
    )
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.work {
            Work::Idle => write!(out, "idle-{}", self.connections)?,
            Work::Echo {
                message_bytes,
                in_flight,
                payload,
            } => {
                match message_bytes {
                    bytes if bytes % (1 << 20) == 0 => write!(out, "echo-{}m", bytes >> 20)?,
                    bytes if bytes % (1 << 10) == 0 => write!(out, "echo-{}k", bytes >> 10)?,
                    bytes => write!(out, "echo-{bytes}")?,
                }
                write!(out, "-{in_flight}")?;
                if self.connections != CONNECTIONS {
                    write!(out, "-{}c", self.connections)?;
                }
                match payload {
                    Payload::Mixed => write!(out, "-mixed")?,
                    Payload::Binary => write!(out, "-binary")?,
                    Payload::Ascii | Payload::Chat => {}
                }
            }
        }
        match self.compression {
            Compression::None => Ok(()),
            Compression::Deflate => write!(out, "-deflate"),
            Compression::Takeover => write!(out, "-takeover"),
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
            "echo",
            "echo-125",
            "echo-0-1",
            "echo-125-0",
            "echo-125-1-loud",
            "idle-99999",
            "echo-99m-1",
            "idle-10-binary",
            "echo-1-1-0c",
        ] {
            assert!(name.parse::<Scenario>().is_err(), "{name}");
        }
    }
}
