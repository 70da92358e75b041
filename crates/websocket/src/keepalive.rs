//! When to ping a quiet peer, and when to give one up: instants in, instants out.
//!
//! Any byte from the peer is a sign of life, so a busy connection is never pinged. Whoever
//! drives it says what happened and when, asks [`Keepalive::poll_timeout`] when to come back, and
//! does what [`Keepalive::handle_timeout`] says.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tidings_websocket::keepalive::{Action, Keepalive, Options};
//!
//! let begin = Instant::now();
//! let options = Options { ping_after: Some(Duration::from_secs(20)), ..Options::default() };
//! let mut keepalive = Keepalive::new(options, begin);
//! let quiet = keepalive.poll_timeout().expect("a quiet peer is pinged");
//! assert_eq!(quiet, begin + Duration::from_secs(20));
//! assert_eq!(keepalive.handle_timeout(quiet), Action::Ping); // send one
//! keepalive.handle_received(quiet + Duration::from_millis(80)); // the pong, or anything else
//! ```

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::close::CloseCode;

/// How patient to be. Each wait is at most 49 days; longer ones are cut to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a peer may be quiet before it is pinged; `None` never pings and never gives up
    /// an open connection.
    ///
    /// Default 20 s: below the 30 and 60 s after which common proxies and the translation
    /// tables of mobile networks forget a quiet connection.
    pub ping_after: Option<Duration>,
    /// How long the peer may take to say anything after a ping. Default 20 s: a phone that
    /// changes networks may need ten.
    pub answer_within: Duration,
    /// How long a closing connection may take: to write the Close, to hear the peer's, to see the
    /// stream's end.
    ///
    /// Default 3 s: many round trips of a bad network; a dead one is not worth waiting for.
    pub closing_within: Duration,
    /// What a peer is told that did not answer a ping in time: the code of a Close, and its reason.
    /// Its end comes when it has closed as well, or has let `closing_within` pass, too.
    ///
    /// Default `None`: it is told nothing, and the stream is closed at once.
    pub silence_close: Option<(CloseCode, &'static str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_after: Some(Duration::from_secs(20)),
            answer_within: Duration::from_secs(20),
            closing_within: Duration::from_secs(3),
            silence_close: None,
        }
    }
}

/// What to do when a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing yet: ask [`Keepalive::poll_timeout`] again.
    Wait,
    /// Send a ping.
    Ping,
    /// The peer is gone: drop the connection, or begin to close it.
    GiveUp,
}

/// The timers of one connection.
#[derive(Debug, Clone)]
pub struct Keepalive {
    /// When what `phase` waits for began.
    since: Instant,
    phase: Phase,
    /// In milliseconds, as the other two: a connection is small. A wait of nothing would ping for
    /// ever, so the least is one.
    ping_after: Option<NonZeroU32>,
    answer_within: u32,
    closing_within: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer spoke last at `since`.
    Quiet,
    /// It was pinged at `since`, and has said nothing after that.
    Pinged,
    /// The closing began at `since`.
    Closing,
}

impl Keepalive {
    /// The timers of a connection that opened at `now`.
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            since: now,
            phase: Phase::Quiet,
            ping_after: options
                .ping_after
                .map(|after| NonZeroU32::new(millis(after)).unwrap_or(NonZeroU32::MIN)),
            answer_within: millis(options.answer_within),
            closing_within: millis(options.closing_within),
        }
    }

    /// Says that something came from the peer, anything.
    pub fn handle_received(&mut self, now: Instant) {
        if self.phase != Phase::Closing {
            self.phase = Phase::Quiet;
            self.since = now;
        }
    }

    /// Says that the closing handshake began, by either end. Only the first time counts: no
    /// sign of life keeps a closing connection beyond its time.
    pub fn handle_closing(&mut self, now: Instant) {
        if self.phase != Phase::Closing {
            self.phase = Phase::Closing;
            self.since = now;
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` is never.
    ///
    /// It moves with everything that comes from the peer. A timer set for an earlier answer may
    /// stay set: `handle_timeout` then says [`Action::Wait`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wait = match self.phase {
            Phase::Quiet => self.ping_after?.get(),
            Phase::Pinged => self.answer_within,
            Phase::Closing => self.closing_within,
        };
        self.since.checked_add(Duration::from_millis(wait.into()))
    }

    /// Says what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Action {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Action::Wait;
        }
        match self.phase {
            Phase::Quiet => {
                self.phase = Phase::Pinged;
                self.since = now;
                Action::Ping
            }
            Phase::Pinged | Phase::Closing => Action::GiveUp,
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        ping_after: Some(Duration::from_secs(20)),
        answer_within: Duration::from_secs(10),
        closing_within: Duration::from_secs(3),
        silence_close: None,
    };

    /// Timers that begin at some instant, and what is that many milliseconds after it.
    #[allow(
        clippy::disallowed_methods,
        reason = "an `Instant` cannot be made otherwise; no time passes in these tests"
    )]
    fn begin(options: Options) -> (Keepalive, impl Fn(u64) -> Instant) {
        let begin = Instant::now();
        let at = move |millis| begin + Duration::from_millis(millis);
        (Keepalive::new(options, begin), at)
    }

    #[test]
    fn a_quiet_peer_is_pinged_once_and_given_up_when_it_does_not_answer() {
        let (mut keepalive, at) = begin(OPTIONS);
        assert_eq!(keepalive.poll_timeout(), Some(at(20_000)));
        assert_eq!(keepalive.handle_timeout(at(19_999)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(20_000)), Action::Ping);
        assert_eq!(keepalive.poll_timeout(), Some(at(30_000)));
        assert_eq!(keepalive.handle_timeout(at(20_000)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(29_999)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(30_000)), Action::GiveUp);
    }

    #[test]
    fn whatever_comes_is_a_sign_of_life() {
        let (mut keepalive, at) = begin(OPTIONS);
        keepalive.handle_received(at(19_000));
        assert_eq!(keepalive.handle_timeout(at(20_000)), Action::Wait);
        assert_eq!(keepalive.poll_timeout(), Some(at(39_000)));
        assert_eq!(keepalive.handle_timeout(at(39_000)), Action::Ping);
        keepalive.handle_received(at(39_100));
        assert_eq!(keepalive.handle_timeout(at(49_000)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(59_100)), Action::Ping);
    }

    #[test]
    fn a_late_ping_leaves_the_peer_its_whole_time_to_answer() {
        let (mut keepalive, at) = begin(OPTIONS);
        assert_eq!(keepalive.handle_timeout(at(90_000)), Action::Ping);
        assert_eq!(keepalive.poll_timeout(), Some(at(100_000)));
    }

    #[test]
    fn no_sign_of_life_keeps_a_closing_connection_beyond_its_time() {
        let (mut keepalive, at) = begin(OPTIONS);
        keepalive.handle_closing(at(1_000));
        keepalive.handle_received(at(3_000));
        keepalive.handle_closing(at(3_500));
        assert_eq!(keepalive.handle_timeout(at(3_999)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(4_000)), Action::GiveUp);
    }

    #[test]
    fn a_peer_that_was_pinged_may_still_close_in_order() {
        let (mut keepalive, at) = begin(OPTIONS);
        assert_eq!(keepalive.handle_timeout(at(20_000)), Action::Ping);
        keepalive.handle_closing(at(29_000));
        assert_eq!(keepalive.handle_timeout(at(30_000)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(32_000)), Action::GiveUp);
    }

    #[test]
    fn without_pings_only_a_closing_connection_is_given_up() {
        let (mut keepalive, at) = begin(Options {
            ping_after: None,
            ..OPTIONS
        });
        assert_eq!(keepalive.poll_timeout(), None);
        assert_eq!(keepalive.handle_timeout(at(1 << 40)), Action::Wait);
        keepalive.handle_closing(at(5));
        assert_eq!(keepalive.handle_timeout(at(3_005)), Action::GiveUp);
    }

    #[test]
    fn waits_of_nothing_and_of_centuries_do_no_harm() {
        let (mut keepalive, at) = begin(Options {
            ping_after: Some(Duration::ZERO),
            answer_within: Duration::MAX,
            closing_within: Duration::ZERO,
            ..OPTIONS
        });
        assert_eq!(keepalive.handle_timeout(at(0)), Action::Wait);
        assert_eq!(keepalive.handle_timeout(at(1)), Action::Ping);
        assert_eq!(keepalive.poll_timeout(), Some(at(1 + u64::from(u32::MAX))));
        keepalive.handle_closing(at(1));
        assert_eq!(keepalive.handle_timeout(at(1)), Action::GiveUp);
    }

    #[test]
    fn the_timers_of_a_connection_are_small() {
        assert!(size_of::<Keepalive>() <= 32);
    }
}
