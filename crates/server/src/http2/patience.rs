//! When to give a connection up: decided from what it has done, without a clock or a socket.
//!
//! That nobody is there any more is noticed by hyper, whose pings are not answered. Here it is about a
//! client that is there, and asks nothing or reads nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::ConnectionLimits;

/// How long a client that was told of the end may take to go, once nothing of it is left to be answered.
const PARTING_WITHIN: Duration = Duration::from_secs(1);

/// What a connection has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    /// Streams that are open.
    pub(super) open: usize,
    /// When the last of those that are not was closed; `None` if there never was one.
    pub(super) closed_at: Option<Instant>,
    /// Bytes of answers that were given to hyper.
    pub(super) given: u64,
    /// Bytes that the kernel has taken. They are more than what they carry.
    pub(super) written: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To look again, at the latest then.
    Wait(Instant),
    /// To tell the client that it should ask no more here.
    Part,
    /// To close the connection as it is.
    Cut(&'static str),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Patience {
    idle_within: Duration,
    unsent_within: Duration,
    begun_at: Instant,
    /// When the client was told that it should go.
    parted_at: Option<Instant>,
    /// What was given when it was looked at for the last time, and when that was.
    mark: (u64, Instant),
}

impl Patience {
    /// For a connection that begins.
    pub(super) fn new(limits: &ConnectionLimits, now: Instant) -> Self {
        Self {
            idle_within: limits.head_within,
            unsent_within: limits.unsent_within,
            begun_at: now,
            parted_at: None,
            mark: (0, now),
        }
    }

    /// Whether the client was told that it should go.
    pub(super) fn has_parted(&self) -> bool {
        self.parted_at.is_some()
    }

    /// The client is told that it should go.
    pub(super) fn part(&mut self, now: Instant) {
        self.parted_at = Some(now);
    }

    /// What is to be done now.
    pub(super) fn judge(&mut self, traffic: &Traffic, now: Instant) -> Verdict {
        let stall_due = self.mark.1 + self.unsent_within;
        if now >= stall_due {
            // Had one of its streams been read, more was written. So who reads some of them is kept.
            if traffic.written < self.mark.0 {
                return Verdict::Cut("nothing is read of what it was given");
            }
            self.mark = (traffic.given, now);
            return self.judge(traffic, now);
        }
        if traffic.open > 0 {
            return Verdict::Wait(stall_due);
        }
        let idle_since = traffic.closed_at.unwrap_or(self.begun_at);
        let idle_due = match self.parted_at {
            Some(parted_at) => parted_at.max(idle_since) + PARTING_WITHIN,
            None => idle_since + self.idle_within,
        };
        if now < idle_due {
            return Verdict::Wait(idle_due.min(stall_due));
        }
        match (self.has_parted(), traffic.closed_at) {
            (false, Some(_)) => {
                self.part(now);
                Verdict::Part
            }
            (false, None) => Verdict::Cut("it never asked for anything"),
            (true, _) => Verdict::Cut("it stays although it was told to go"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const IDLE: Traffic = Traffic {
        open: 0,
        closed_at: None,
        given: 0,
        written: 0,
    };

    fn patience() -> (Patience, Instant) {
        let now = Instant::now();
        let limits = ConnectionLimits {
            connections: 1,
            head_bytes: 1,
            head_within: seconds(10),
            unsent_within: seconds(30),
            asks_after: (seconds(1), seconds(1)),
        };
        (Patience::new(&limits, now), now)
    }

    #[test]
    fn who_never_asks_is_cut_and_who_asks_no_more_is_told_first() {
        let (mut patience, begin) = patience();
        let due = begin + seconds(10);
        assert_eq!(patience.judge(&IDLE, begin), Verdict::Wait(due));
        assert!(matches!(patience.judge(&IDLE, due), Verdict::Cut(_)));

        let closed_at = begin + seconds(3);
        let asked = Traffic {
            closed_at: Some(closed_at),
            ..IDLE
        };
        let due = closed_at + seconds(10);
        assert_eq!(patience.judge(&asked, begin), Verdict::Wait(due));
        assert_eq!(patience.judge(&asked, due), Verdict::Part);
        let gone = due + PARTING_WITHIN;
        assert_eq!(patience.judge(&asked, due), Verdict::Wait(gone));
        assert!(matches!(patience.judge(&asked, gone), Verdict::Cut(_)));
    }

    #[test]
    fn what_is_being_answered_is_waited_for_even_at_the_end() {
        let (mut patience, begin) = patience();
        let asks = Traffic { open: 1, ..IDLE };
        patience.part(begin);
        let much_later = begin + seconds(25);
        let next_look = Verdict::Wait(begin + seconds(30));
        assert_eq!(patience.judge(&asks, much_later), next_look);
        let answered = Traffic {
            closed_at: Some(much_later),
            ..IDLE
        };
        let gone = Verdict::Wait(much_later + PARTING_WITHIN);
        assert_eq!(patience.judge(&answered, much_later), gone);
    }

    #[test]
    fn who_reads_nothing_is_cut_and_who_reads_a_little_is_kept() {
        let (mut patience, begin) = patience();
        let traffic = |given, written| Traffic {
            open: 1,
            given,
            written,
            ..IDLE
        };
        let mut look = |seconds_later, traffic| {
            let now = begin + seconds(seconds_later);
            patience.judge(&traffic, now)
        };
        let wait = |seconds_later| Verdict::Wait(begin + seconds(seconds_later));
        assert_eq!(look(0, traffic(1000, 0)), wait(30));
        assert_eq!(look(30, traffic(1000, 0)), wait(60));
        // Less than it was given since, but as much as it had been given at the last look.
        assert_eq!(look(60, traffic(5000, 1000)), wait(90));
        assert!(matches!(look(90, traffic(5000, 4999)), Verdict::Cut(_)));
    }
}
