//! What a middlebox does to what passes: all off by default.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use super::Transport;

/// The faults of a middlebox. What is absent is off; times are in milliseconds, at most [`MS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How long everything is under way, in each direction. To connect takes no longer: it is the kernel
    /// that accepts.
    pub latency_ms: Option<u64>,
    /// Up to so much longer, anew for each piece. TCP keeps the order, UDP does not.
    pub jitter_ms: Option<u64>,
    /// TCP: bytes a second in each direction of each connection, at least 1.
    pub bandwidth: Option<u64>,
    /// Taken and never delivered, while connections stay open. A stream that has lost bytes stays dead
    /// when this is lifted: it has a hole.
    pub black_hole: Option<BlackHole>,
    /// TCP: new connections are reset at once.
    pub refuse: bool,
    /// TCP: a connection on which nothing was delivered for so long is reset.
    pub idle_cut_ms: Option<u64>,
    /// TCP, towards the client: held until so many bytes are there, at most [`BUFFER_BYTES_MAX`], or their
    /// response ends.
    pub buffer_bytes: Option<usize>,
    /// TCP, towards the client: held until so long after the first byte that waits, or until their
    /// response ends.
    pub buffer_ms: Option<u64>,
    /// TCP: a response with `Transfer-Encoding: chunked` is held until it ends, or until it has
    /// [`BUFFER_BYTES_MAX`] bytes.
    pub hold_chunked: bool,
    /// TCP: what becomes of requests with the header `Upgrade`.
    pub upgrade: Option<Upgrade>,
    /// TCP: every request is answered with the page of a hotel.
    pub captive: bool,
    /// TCP: so many are served at once, at least 1. More are accepted, and wait their turn.
    pub connections_max: Option<usize>,
    /// The share of datagrams that get lost, from 0 to 1. TCP: of pieces, which are then sent again, once: they come a
    /// round trip and the kernel's least time-out (200 ms) later, and all behind them wait.
    pub loss: f64,
}

/// Where bytes vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlackHole {
    /// On their way to the server.
    Up,
    /// On their way to the client.
    Down,
    /// On either way.
    Both,
}

/// What becomes of a request with the header `Upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "UpgradeText")]
pub enum Upgrade {
    /// It loses the header, and what names it in `Connection`: a proxy that does not know upgrades.
    Strip,
    /// It passes, and so does the 101; after that nothing more comes down.
    Mute,
    /// It is answered with this status, one of [`STATUSES`].
    Answer(u16),
}

/// How [`Upgrade`] is written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "upgrade is \"strip\", \"mute\", 400, 403 or 502"
)]
enum UpgradeText {
    Word(UpgradeWord),
    Status(u16),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum UpgradeWord {
    Strip,
    Mute,
}

/// The statuses with which the proxies that we know of answer an upgrade they do not let through.
pub const STATUSES: [u16; 3] = [400, 403, 502];

impl TryFrom<UpgradeText> for Upgrade {
    type Error = String;

    fn try_from(text: UpgradeText) -> Result<Self, String> {
        match text {
            UpgradeText::Word(UpgradeWord::Strip) => Ok(Self::Strip),
            UpgradeText::Word(UpgradeWord::Mute) => Ok(Self::Mute),
            UpgradeText::Status(status) if STATUSES.contains(&status) => Ok(Self::Answer(status)),
            UpgradeText::Status(status) => {
                Err(format!("upgrade is answered 400, 403 or 502, not {status}"))
            }
        }
    }
}

/// Ten minutes: longer than anything that a test waits for.
pub const MS_MAX: u64 = 600_000;

/// What may be held back in one direction of a connection: well above the 256 KiB or so that proxies
/// buffer, and little enough for a thousand connections.
pub const BUFFER_BYTES_MAX: usize = 1 << 20;

/// What is wrong with faults that are well written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unusable {
    /// Beyond its bounds.
    #[error("{name} is from {least} to {most}, not {given}")]
    OutOfBounds {
        /// The fault.
        name: &'static str,
        /// Its lower bound.
        least: u64,
        /// Its upper bound.
        most: u64,
        /// What was given.
        given: u64,
    },
    /// `loss` is no share.
    #[error("loss is a share from 0 to 1")]
    Loss,
    /// A fault of the other transport.
    #[error("{name} is a fault of {of}; this middlebox is for {here}")]
    OtherTransport {
        /// The fault.
        name: &'static str,
        /// Where it makes sense.
        of: Transport,
        /// What the middlebox carries.
        here: Transport,
    },
}

impl Faults {
    /// Whether a middlebox of this kind can do all that is asked.
    ///
    /// # Errors
    ///
    /// Names the first that it cannot, and what would do.
    pub fn check(&self, transport: Transport) -> Result<(), Unusable> {
        self.check_bounds()?;
        let of_tcp = [
            ("bandwidth", self.bandwidth.is_some()),
            ("refuse", self.refuse),
            ("idle_cut_ms", self.idle_cut_ms.is_some()),
            ("buffer_bytes", self.buffer_bytes.is_some()),
            ("buffer_ms", self.buffer_ms.is_some()),
            ("hold_chunked", self.hold_chunked),
            ("upgrade", self.upgrade.is_some()),
            ("captive", self.captive),
            ("connections_max", self.connections_max.is_some()),
        ];
        match of_tcp.into_iter().find(|(_, is_asked)| *is_asked) {
            Some((name, _)) if transport == Transport::Udp => Err(Unusable::OtherTransport {
                name,
                of: Transport::Tcp,
                here: transport,
            }),
            _ => Ok(()),
        }
    }

    fn check_bounds(&self) -> Result<(), Unusable> {
        let size = |size: Option<usize>| size.map(|size| size as u64);
        let numbers: [(_, _, RangeInclusive<u64>); 7] = [
            ("latency_ms", self.latency_ms, 0..=MS_MAX),
            ("jitter_ms", self.jitter_ms, 0..=MS_MAX),
            ("idle_cut_ms", self.idle_cut_ms, 1..=MS_MAX),
            ("buffer_ms", self.buffer_ms, 0..=MS_MAX),
            ("bandwidth", self.bandwidth, 1..=u64::MAX),
            (
                "buffer_bytes",
                size(self.buffer_bytes),
                1..=BUFFER_BYTES_MAX as u64,
            ),
            ("connections_max", size(self.connections_max), 1..=u64::MAX),
        ];
        for (name, given, bounds) in numbers {
            if let Some(given) = given.filter(|given| !bounds.contains(given)) {
                let (least, most) = bounds.into_inner();
                return Err(Unusable::OutOfBounds {
                    name,
                    least,
                    most,
                    given,
                });
            }
        }
        match (0.0..=1.0).contains(&self.loss) {
            true => Ok(()),
            false => Err(Unusable::Loss),
        }
    }

    /// How long something is under way that was dealt this share of the jitter, from 0 to 1.
    pub(super) fn delay(&self, share: f64) -> Duration {
        let jitter = Duration::from_millis(self.jitter_ms.unwrap_or(0));
        Duration::from_millis(self.latency_ms.unwrap_or(0)) + jitter.mul_f64(share)
    }

    pub(super) fn swallows(&self, direction: super::Direction) -> bool {
        match self.black_hole {
            None => false,
            Some(BlackHole::Up) => direction == super::Direction::Up,
            Some(BlackHole::Down) => direction == super::Direction::Down,
            Some(BlackHole::Both) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Faults, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn upgrade_is_a_word_or_a_status() {
        let upgrade = |text: &str| read(&format!(r#"{{"upgrade":{text}}}"#)).map(|it| it.upgrade);
        assert_eq!(upgrade(r#""strip""#), Ok(Some(Upgrade::Strip)));
        assert_eq!(upgrade(r#""mute""#), Ok(Some(Upgrade::Mute)));
        assert_eq!(upgrade("502"), Ok(Some(Upgrade::Answer(502))));
        for wrong in ["404", r#""stripped""#, "true"] {
            let said = upgrade(wrong).unwrap_err();
            assert!(said.contains("400, 403 or 502"), "{said}");
        }
    }

    #[test]
    fn what_is_misspelt_is_told() {
        let said = read(r#"{"latncy_ms":3}"#).unwrap_err();
        assert!(said.contains("latency_ms"), "{said}");
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        let fits = |faults: Faults| faults.check(Transport::Tcp).is_ok();
        let latency = |ms| Faults {
            latency_ms: Some(ms),
            ..Faults::default()
        };
        assert!(fits(latency(MS_MAX)) && !fits(latency(MS_MAX + 1)));
        let buffer = |bytes| Faults {
            buffer_bytes: Some(bytes),
            ..Faults::default()
        };
        assert!(fits(buffer(BUFFER_BYTES_MAX)) && !fits(buffer(BUFFER_BYTES_MAX + 1)));
        assert!(fits(buffer(1)) && !fits(buffer(0)));
        let loss = |loss| {
            let faults = Faults {
                loss,
                ..Faults::default()
            };
            faults.check(Transport::Udp).is_ok()
        };
        assert!(loss(0.0) && loss(1.0) && !loss(1.1) && !loss(-0.1) && !loss(f64::NAN));
    }

    #[test]
    fn a_fault_of_the_other_transport_is_refused() {
        let captive = Faults {
            captive: true,
            ..Faults::default()
        };
        assert!(captive.check(Transport::Tcp).is_ok());
        let said = captive.check(Transport::Udp).unwrap_err().to_string();
        assert_eq!(said, "captive is a fault of TCP; this middlebox is for UDP");
    }
}
