//! Every bound of the hub, with its default and its reason.

use std::time::Duration;

use tidings_wire::{Code, Data};

use crate::Refusal;

/// The hub's bounds. Whoever meets one is told so; nothing grows silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Channels that one session follows at a time; one more is `limit_reached`. Default 100: a
    /// page with every room of a team open, and still cheap to merge.
    pub subscriptions: usize,
    /// Bytes of a message's or a signal's data; more is `too_large`. Default 64 KiB: a long text
    /// or a small picture; files belong elsewhere, with their address in a message.
    pub data_bytes: usize,
    /// Messages of a history page that does not say how many. Default 50: a screen and a half.
    pub history_default: u32,
    /// Messages of a history page at most; more is `bad_request`. Default 1,000.
    pub history_max: u32,
    /// Histories under way or not yet sent in one session; one more is `busy`. As many of its
    /// subscriptions catch up at a time; more wait their turn. Default 4: somebody who scrolls asks
    /// for one at a time, and a page may be large.
    pub histories: usize,
    /// Events of one poll's answer that does not say how many. Default 100.
    pub poll_default: usize,
    /// Events of one poll's answer at most. Default 1,000.
    pub poll_max: usize,
    /// Bytes of events that a followed channel keeps in memory, about. Default 128 KiB: a second
    /// of a busy channel, so that only readers that are really behind go to the log.
    pub tail_bytes: usize,
    /// Events that a followed channel keeps in memory. Default 512.
    pub tail_events: usize,
    /// Passing events (signals, joins, leaves) that a followed channel keeps for those who have not
    /// been given them; beyond it the oldest are lost, for they are sent at most once. Default 256.
    pub passing_events: usize,
    /// Commands of one session that wait for their answer or whose answer waits to be sent; one
    /// more is `busy`. Default 256.
    pub commands: usize,
    /// Bad frames in a row after which a session is closed. Default 8: enough to read the errors
    /// while one writes a client, too few to keep us busy.
    pub bad_frames: u32,
    /// Messages that one session keeps of what was read for it from the log, over all its channels,
    /// but at least 4 a channel. Default 256.
    pub page_messages: usize,
    /// Reads from the engine under way for one shard; more wait their turn. Default 64.
    pub reads: usize,
    /// Sessions of one node; one more is `busy`. Default 100,000.
    pub sessions: usize,
    /// How long a poller stays present after its last poll ended. Default 30 s: what the default heartbeat
    /// gives any client that is not heard of.
    pub lease: Duration,
    /// How long who loses a connection stays present, so that a quick return is no leave and no join.
    /// Default 5 s: a page that is loaded again, or a change of networks. Zero: not at all.
    pub presence_grace: Duration,
    /// Connections in channels that are lost and still present, on one shard; of more the first leave
    /// early. Default 200,000: 10 MB, and twice as many as there are sessions.
    pub graces: usize,
    /// How long a ticket can be redeemed. Default 30 s: time for a page to open its stream.
    pub ticket_age: Duration,
    /// Tickets that wait to be redeemed; one more is `busy`. Default 10,000.
    pub tickets: usize,
}

/// Messages that a session may keep of each channel that it reads, however many there are: with 100
/// channels and the largest messages that is 25 MB for one session, and a few hundred KB in practice.
pub(crate) const PAGE_MESSAGES_MIN: usize = 4;

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 100,
            data_bytes: 64 << 10,
            history_default: 50,
            history_max: 1000,
            histories: 4,
            poll_default: 100,
            poll_max: 1000,
            tail_bytes: 128 << 10,
            tail_events: 512,
            passing_events: 256,
            commands: 256,
            bad_frames: 8,
            page_messages: 256,
            reads: 64,
            sessions: 100_000,
            lease: Duration::from_secs(30),
            presence_grace: Duration::from_secs(5),
            graces: 200_000,
            ticket_age: Duration::from_secs(30),
            tickets: 10_000,
        }
    }
}

impl Limits {
    /// Refuses data that is too large.
    pub(crate) fn check_data(&self, data: &Data) -> Result<(), Refusal> {
        if data.len() <= self.data_bytes {
            return Ok(());
        }
        let detail = format!(
            "the data has {} bytes and at most {} are taken; send what is larger as a link",
            data.len(),
            self.data_bytes
        );
        Err(Refusal::new(Code::TooLarge, detail))
    }

    /// How many messages a history has.
    pub(crate) fn history_limit(&self, limit: Option<u32>) -> Result<usize, Refusal> {
        let limit = limit.unwrap_or(self.history_default);
        if (1..=self.history_max).contains(&limit) {
            return Ok(limit as usize);
        }
        let detail = format!("a page of history has 1 to {} messages", self.history_max);
        Err(Refusal::new(Code::BadRequest, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_bounded_in_bytes() {
        let limits = Limits {
            data_bytes: 4,
            ..Limits::default()
        };
        assert!(limits.check_data(&Data::from_text("a")).is_ok());
        assert!(limits.check_data(&Data::from_text("ab")).is_ok());
        let refusal = limits.check_data(&Data::from_text("abc")).unwrap_err();
        assert_eq!(refusal.code, Code::TooLarge);
    }

    #[test]
    fn a_page_of_history_is_bounded_in_messages() {
        let limits = Limits::default();
        assert_eq!(limits.history_limit(None), Ok(50));
        assert_eq!(limits.history_limit(Some(1)), Ok(1));
        assert_eq!(limits.history_limit(Some(1000)), Ok(1000));
        for limit in [0, 1001] {
            let refusal = limits.history_limit(Some(limit)).unwrap_err();
            assert_eq!(refusal.code, Code::BadRequest);
        }
    }
}
