//! The writer's decisions: which `seq`, which `prev`, what is a repetition, what is to be saved.
//!
//! Pure: drafts and `now` in, rows out. What is decided between [`Chain::begin`] and
//! [`Chain::commit`] is one transaction, and [`Chain::rollback`] makes it as if it had never been, so
//! that no `seq` of a failed commit is told to anybody.

use tidings_engine::{Draft, Place, Published, Recent, RecentKey, RetentionPolicies};
use tidings_wire::ChannelName;

use crate::LogConfig;
use crate::accounts::Accounts;
use crate::channels::{Channel, Channels};
use crate::schema::SKIP;

/// All that the writer knows; bounded.
#[derive(Debug)]
pub(crate) struct Chain {
    place: Position,
    pub(crate) channels: Channels,
    pub(crate) recent: Recent,
    pub(crate) policies: RetentionPolicies,
    /// A round of settling begins when so many messages are not settled.
    unsettled_max: u64,
    /// [`Chain::place`] as of the last commit.
    committed: Position,
}

/// What is small enough to be copied for the case of a rollback.
#[derive(Clone, Debug)]
struct Position {
    head: u64,
    /// The id of the next channel that is made.
    next_channel: u64,
    settling: Settling,
    accounts: Accounts,
}

/// How far the rows of channels follow their messages. They are written in rounds: each takes every
/// channel that was unsaved when it began, in the order of their ids.
#[derive(Clone, Copy, Debug)]
struct Settling {
    /// Up to this `seq` the rows on the disk tell of every message.
    settled: u64,
    round: Option<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// The head as it began, up to which everything is settled when it ends.
    head: u64,
    /// The next id that it looks at.
    next: u64,
    /// The last one.
    last: u64,
}

/// Where an appended message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    /// The channel after it.
    pub(crate) channel: Channel,
    pub(crate) prev: u64,
    /// When it was said.
    pub(crate) at: u64,
    /// Whether it is the channel's first, so that the channel's row is to be made.
    pub(crate) is_first: bool,
    /// Whether it leaves a row in `skip`.
    pub(crate) is_skip: bool,
    /// Whether a block of its channel's messages may be over the bound now.
    pub(crate) is_over: bool,
}

impl Chain {
    /// A log whose newest message is `head`, with everything settled.
    pub(crate) fn new(
        head: u64,
        next_channel: u64,
        accounts: Accounts,
        recent: Recent,
        config: &LogConfig,
    ) -> Self {
        let place = Position {
            head,
            next_channel,
            settling: Settling {
                settled: head,
                round: None,
            },
            accounts,
        };
        Self {
            committed: place.clone(),
            place,
            channels: Channels::new(config.channels_known_max),
            recent,
            policies: config.retention.clone(),
            unsettled_max: config.unsettled_max.max(1),
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.place.head
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.place.accounts
    }

    /// What became of the draft before, if its id is known.
    pub(crate) fn repeated(&self, draft: &Draft, now: u64) -> Option<Published> {
        let key = self.recent.key(&draft.channel, &draft.id);
        self.repeated_as(key, draft, now)
    }

    /// The same, for whoever has the key already.
    pub(crate) fn repeated_as(&self, key: RecentKey, draft: &Draft, now: u64) -> Option<Published> {
        let Place { seq, at } = self.recent.find(key, now)?;
        Some(Published {
            seq,
            id: draft.id.clone(),
            at,
            repeated: true,
        })
    }

    /// Gives the draft its place. `channel` is what is known of its channel; a new one begins behind
    /// `Err(floor)`.
    pub(crate) fn append(
        &mut self,
        draft: &Draft,
        key: RecentKey,
        channel: Result<Channel, u64>,
        now: u64,
    ) -> Row {
        let seq = self.place.head + 1;
        self.place.head = seq;
        let is_first = channel.is_err();
        let before = channel.unwrap_or_else(|floor| {
            let id = self.place.next_channel;
            self.place.next_channel += 1;
            Channel {
                id,
                first: seq,
                head: 0,
                head_nth: 0,
                floor,
                floor_nth: 0,
            }
        });
        let after = Channel {
            head: seq,
            head_nth: before.head_nth + 1,
            ..before
        };
        // A new channel's row is written with the message, and tells of it.
        match is_first {
            true => self.channels.save(&draft.channel, after),
            false => self.channels.change(&draft.channel, after),
        }
        let at = draft.said_at(now);
        // What the window has left already would take the place of an id that it has not.
        if self.recent.covers(at, now) {
            self.recent.remember(key, Place { seq, at });
        }
        self.place
            .accounts
            .add(&draft.channel, &self.policies, draft.data.len() as u64);
        let is_skip = after.head_nth.is_multiple_of(SKIP);
        Row {
            seq,
            channel: after,
            prev: before.head,
            at,
            is_first,
            is_skip,
            is_over: is_skip && self.block_over(&draft.channel, &after).is_some(),
        }
    }

    /// The number of the last message of the channel's oldest block, if the channel has enough
    /// without the block.
    pub(crate) fn block_over(&self, name: &ChannelName, channel: &Channel) -> Option<u64> {
        let bound = self.policies.of(name).messages?;
        let block = (channel.floor_nth / SKIP + 1) * SKIP;
        (channel.head_nth >= block.saturating_add(bound)).then_some(block)
    }

    /// A message of the channel, and all before it, are deleted. Gives the channel after that;
    /// its row is to be written with it, or removed if nothing is kept.
    pub(crate) fn raise_floor(
        &mut self,
        name: &ChannelName,
        channel: Channel,
        floor: u64,
        floor_nth: u64,
    ) -> Channel {
        let after = Channel {
            floor,
            floor_nth,
            ..channel
        };
        match after.kept() {
            0 => self.channels.remove(name),
            _ => self.channels.save(name, after),
        }
        after
    }

    /// `bytes` of an account are kept no longer.
    pub(crate) fn free(&mut self, account: usize, bytes: u64) {
        self.place.accounts.free(account, bytes);
    }

    /// The next rows of `channel` to write, at most `limit`; empty: none is due.
    pub(crate) fn settle(&mut self, limit: usize) -> Vec<(ChannelName, Channel)> {
        let Settling { settled, round } = self.place.settling;
        let head = self.place.head;
        let round = match round {
            Some(round) => round,
            None if head - settled < self.unsettled_max => return Vec::new(),
            None => Round {
                head,
                next: 0,
                last: self.channels.unsaved_last().unwrap_or(0),
            },
        };
        let channels = self.channels.unsaved(round.next..=round.last, limit);
        for (name, channel) in &channels {
            self.channels.save(name, *channel);
        }
        self.place.settling = match channels.last() {
            Some((_, channel)) if channels.len() == limit => Settling {
                settled,
                round: Some(Round {
                    next: channel.id + 1,
                    ..round
                }),
            },
            _ => Settling {
                settled: round.head,
                round: None,
            },
        };
        channels
    }

    /// Every row of `channel` that is behind; everything is settled with them.
    pub(crate) fn settle_all(&mut self) -> Vec<(ChannelName, Channel)> {
        let channels = self.channels.unsaved(0..=u64::MAX, usize::MAX);
        for (name, channel) in &channels {
            self.channels.save(name, *channel);
        }
        self.place.settling = Settling {
            settled: self.place.head,
            round: None,
        };
        channels
    }

    /// Up to where the rows of channels tell of every message.
    pub(crate) fn settled(&self) -> u64 {
        self.place.settling.settled
    }

    /// The transaction is committed. Gives the channels that changed, with what the disk does not
    /// know of them.
    pub(crate) fn commit(&mut self, now: u64) -> Vec<(ChannelName, Option<Channel>)> {
        self.committed = self.place.clone();
        self.recent.forget_expired(now);
        self.channels.commit()
    }

    /// The transaction failed.
    pub(crate) fn rollback(&mut self) {
        self.place = self.committed.clone();
        self.recent.forget_after(self.place.head);
        self.channels.rollback();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_engine::Retention;
    use tidings_wire::{Data, MessageId, User};

    use super::*;

    fn chain(messages: Option<u64>) -> Chain {
        let policies = RetentionPolicies {
            default: Retention {
                messages,
                ..Retention::default()
            },
            ..RetentionPolicies::default()
        };
        let recent = Recent::new(Duration::from_secs(1), 1000);
        let config = LogConfig {
            retention: policies,
            unsettled_max: 100,
            ..LogConfig::new("nowhere")
        };
        Chain::new(0, 1, Accounts::new(&config.retention), recent, &config)
    }

    fn draft(channel: &str, id: &str) -> Draft {
        Draft {
            channel: ChannelName::new(channel).unwrap(),
            id: MessageId::new(id).unwrap(),
            from: User::new("alice").unwrap(),
            data: Data::from_text("hi"),
            at: None,
        }
    }

    fn append(chain: &mut Chain, channel: &str, id: &str) -> Row {
        let draft = draft(channel, id);
        let found = chain.channels.find(&draft.channel).ok_or(0);
        let key = chain.recent.key(&draft.channel, &draft.id);
        chain.append(&draft, key, found, 0)
    }

    #[test]
    fn one_order_for_all_and_a_chain_for_each() {
        let mut chain = chain(None);
        let rows = ["a", "b", "a", "a", "b"].map(|channel| append(&mut chain, channel, channel));
        assert_eq!(rows.map(|row| row.seq), [1, 2, 3, 4, 5]);
        assert_eq!(rows.map(|row| row.prev), [0, 0, 1, 3, 2]);
        assert_eq!(rows.map(|row| row.channel.head_nth), [1, 1, 2, 3, 2]);
        assert_eq!(
            rows.map(|row| row.is_first),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn a_repetition_is_found_within_its_own_transaction() {
        let mut chain = chain(None);
        append(&mut chain, "a", "x");
        assert_eq!(chain.repeated(&draft("a", "x"), 0).unwrap().seq, 1);
        assert_eq!(chain.repeated(&draft("b", "x"), 0), None);
        assert_eq!(chain.repeated(&draft("a", "x"), 1000), None);
    }

    #[test]
    fn a_failed_transaction_never_was() {
        let mut chain = chain(None);
        append(&mut chain, "a", "x");
        chain.commit(0);
        let bytes = chain.accounts().clone();
        append(&mut chain, "a", "y");
        append(&mut chain, "b", "z");
        chain.rollback();
        assert_eq!(chain.head(), 1);
        assert_eq!(chain.accounts(), &bytes);
        assert_eq!(chain.repeated(&draft("a", "y"), 0), None);
        let row = append(&mut chain, "c", "z");
        assert_eq!((row.seq, row.channel.id), (2, 2));
        assert_eq!(append(&mut chain, "a", "y").prev, 1);
    }

    #[test]
    fn a_block_goes_only_when_enough_stays() {
        let mut chain = chain(Some(10));
        let over = (1..=3 * SKIP)
            .map(|nth| append(&mut chain, "a", &nth.to_string()))
            .filter(|row| row.is_over)
            .map(|row| row.channel.head_nth);
        assert_eq!(over.collect::<Vec<_>>(), [2 * SKIP, 3 * SKIP]);
        let name = ChannelName::new("a").unwrap();
        let channel = chain.channels.find(&name).unwrap();
        assert_eq!(chain.block_over(&name, &channel), Some(SKIP));
        let channel = chain.raise_floor(&name, channel, SKIP, SKIP);
        assert_eq!(chain.block_over(&name, &channel), Some(2 * SKIP));
        let channel = chain.raise_floor(&name, channel, 2 * SKIP, 2 * SKIP);
        assert_eq!(chain.block_over(&name, &channel), None);
        assert!(channel.kept() >= 10);
    }

    #[test]
    fn a_round_settles_what_was_unsaved_when_it_began() {
        let mut chain = chain(None);
        for n in 0..100 {
            append(&mut chain, &(n % 10).to_string(), &n.to_string());
        }
        assert_eq!(chain.settle(4).len(), 4);
        assert_eq!(chain.settled(), 0, "the round is not over");
        // One that the round has passed, and a new one, which it does not wait for.
        append(&mut chain, "0", "again");
        append(&mut chain, "new", "1");
        append(&mut chain, "new", "2");
        assert_eq!(chain.settle(4).len(), 4);
        assert_eq!(chain.settle(4).len(), 2);
        assert_eq!(chain.settled(), 100);
        assert_eq!(chain.settle(4), [], "no round is due");
        let names = chain.settle_all().into_iter();
        let names: Vec<_> = names.map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["0", "new"]);
        assert_eq!(chain.settled(), chain.head());
    }
}
