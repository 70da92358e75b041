//! What an engine has already of what is brought to it.
//!
//! An engine itself knows an id for a while only, and an import may be repeated after hours. So what a channel
//! has is looked up when the first message for it comes: the ids of all its messages, and where retention has cut
//! it off. That costs memory for what is there already, and none for what is brought.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use tidings_engine::{Engine, EngineError, Query};
use tidings_wire::{ChannelName, Message, MessageId};

/// How many messages can be there already, at 24 bytes each: 400 MB.
const KNOWN_MAX: usize = 1 << 24;

/// Messages that are asked for at a time.
const PAGE_MESSAGES: usize = 1024;

/// How a message stands to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is to be brought.
    New,
    /// It is there.
    There,
    /// Its channel was longer, and retention has cut off what was said at that time.
    CutOff,
}

/// Why nothing more can be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// It could not be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is more than is kept in mind.
    #[error(
        "there are more than {KNOWN_MAX} messages already, which is more than an import can compare with"
    )]
    TooMany,
}

/// What was there when it began.
pub(super) struct Known<'a> {
    engine: &'a dyn Engine,
    /// The head of each log as it began.
    heads: Vec<u64>,
    /// Two messages of a channel with one id are the same if they are less than this apart, in milliseconds.
    window: u64,
    hashers: [RandomState; 2],
    channels: HashMap<ChannelName, There>,
    /// Of all channels.
    count: usize,
}

/// What was there of a channel.
#[derive(Debug, Default)]
struct There {
    /// In order.
    messages: Vec<(Key, u64)>,
    /// The earliest time of its messages, if there were others before them.
    cut_off: Option<u64>,
}

/// An id, as 128 bits of a hash keyed at random: two of them never meet by chance or by design.
type Key = [u64; 2];

impl<'a> Known<'a> {
    /// What `engine` has from now on is not asked for.
    pub(super) fn new(engine: &'a dyn Engine, window: u64) -> Self {
        let logs = 0..engine.epochs().len();
        Self {
            engine,
            heads: logs.map(|log| engine.head(log)).collect(),
            // At the same time they are the same in any case.
            window: window.max(1),
            hashers: [RandomState::new(), RandomState::new()],
            channels: HashMap::new(),
            count: 0,
        }
    }

    /// How `message` stands to it. May wait for the engine.
    pub(super) fn standing(&mut self, message: &Message) -> Result<Standing, Unknown> {
        let key = self.key(&message.id);
        if !self.channels.contains_key(&message.channel) {
            let there = self.look_up(&message.channel)?;
            self.count += there.messages.len();
            self.channels.insert(message.channel.clone(), there);
        }
        let Some(there) = self.channels.get(&message.channel) else {
            return Ok(Standing::New);
        };
        let first = there.messages.partition_point(|(other, _)| *other < key);
        let same = there.messages[first..]
            .iter()
            .take_while(|(other, _)| *other == key);
        let mut distances = same.map(|(_, at)| at.abs_diff(message.at));
        Ok(if distances.any(|distance| distance < self.window) {
            Standing::There
        } else if there.cut_off.is_some_and(|at| message.at <= at) {
            Standing::CutOff
        } else {
            Standing::New
        })
    }

    /// How many messages were there of a channel that was asked for.
    pub(super) fn count(&self, channel: &ChannelName) -> usize {
        self.channels
            .get(channel)
            .map_or(0, |there| there.messages.len())
    }

    fn look_up(&self, channel: &ChannelName) -> Result<There, Unknown> {
        let head = self
            .heads
            .get(self.engine.log_of(channel))
            .copied()
            .unwrap_or(0);
        let mut there = There::default();
        let (mut after, mut is_truncated) = (0, false);
        // A log without a message needs no question.
        while after < head {
            let page = self.engine.read(Query {
                channel: channel.clone(),
                after: Some(after),
                before: Some(head + 1),
                limit: PAGE_MESSAGES,
            });
            let page = page.wait()?;
            is_truncated |= page.truncated;
            let keys = page
                .messages
                .iter()
                .map(|message| (self.key(&message.id), message.at));
            there.messages.extend(keys);
            if self.count + there.messages.len() > KNOWN_MAX {
                return Err(Unknown::TooMany);
            }
            after = page.messages.last().map_or(head, |message| message.seq);
            if !page.more {
                break;
            }
        }
        if is_truncated {
            there.cut_off = there.messages.iter().map(|(_, at)| *at).min();
        }
        there.messages.sort_unstable();
        there.messages.shrink_to_fit();
        Ok(there)
    }

    fn key(&self, id: &MessageId) -> Key {
        let [high, low] = &self.hashers;
        [high.hash_one(id.as_str()), low.hash_one(id.as_str())]
    }
}
