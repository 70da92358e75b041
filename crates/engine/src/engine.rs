//! The trait itself: what every engine gives, and the laws that all of them keep.

use tidings_wire::{ChannelName, Data, Epoch, MessageId, Presence, User};

use crate::{Answer, EngineError, Page, Query, Watch};

/// Where messages live.
///
/// # Logs
///
/// An engine keeps its messages in one log or in several, which do not change while it runs. Each
/// channel is in one of them for good, and each log has a `seq` and an identity of its own. A log is
/// named by its place in [`epochs`](Engine::epochs).
///
/// # Laws
///
/// The conformance suite holds every engine to them.
///
/// 1. *One order.* In its log each committed message has a `seq` of its own, growing in the order of
///    commits; `prev` names the message before it in its channel.
/// 2. *Commit first.* A publish is answered, and watchers are told, only after the commit. Whoever
///    is told of `seq` finds it, and all before it in its log, by [`Engine::read`].
/// 3. *Once.* A draft whose `id` its channel has seen within the deduplication window is not stored
///    again: it is answered with the first one's place.
/// 4. *In order to all.* Every watcher hears every batch of a log in order, each after the one before,
///    or hears that it lagged.
/// 5. *Nothing silently.* A read from behind the retention's floor says `truncated`.
/// 6. *One identity.* A log's epoch is the same for as long as its `seq`s mean the same; no `seq` that
///    was ever told is given to another message in the same epoch.
/// 7. *No waiting inside.* No method blocks the calling thread on a disk or a network; what takes
///    time is awaited in the [`Answer`], and what is too much at a time is answered
///    [`Busy`](crate::EngineError::Busy).
pub trait Engine: Send + Sync + 'static {
    /// The identity of each log; at least one, and the same for as long as the engine runs.
    fn epochs(&self) -> &[Epoch];

    /// Which log a channel is in.
    fn log_of(&self, _channel: &ChannelName) -> usize {
        0
    }

    /// `seq` of the newest message of a log that is known here to be committed; 0: none yet. Whatever this engine has
    /// told anybody is not behind it.
    fn head(&self, log: usize) -> u64;

    /// Whether nobody anywhere was told of a place beyond [`head`](Self::head): not so where other processes write into the
    /// same logs.
    fn is_head_certain(&self) -> bool {
        true
    }

    /// The [`head`](Self::head) of a log, once it is certain whether the log goes as far as `seq`, of which
    /// somebody was told elsewhere.
    fn reach(&self, log: usize, _seq: u64) -> Answer<u64> {
        Answer::ready(Ok(self.head(log)))
    }

    /// Stores a message and then tells all watchers. Dropping the answer does not undo it.
    fn publish(&self, draft: Draft) -> Answer<Published>;

    /// Stores messages that came together, those of each channel in their order: as by [`publish`](Self::publish)
    /// one after the other, and with less work where an engine can take them at once.
    fn publish_all(&self, drafts: Vec<Draft>) -> Vec<Answer<Published>> {
        drafts
            .into_iter()
            .map(|draft| self.publish(draft))
            .collect()
    }

    /// A page of a channel's stored messages.
    fn read(&self, query: Query) -> Answer<Page>;

    /// Tells all watchers of a signal; at most once, not stored.
    fn signal(&self, channel: ChannelName, from: User, data: Data);

    /// A connection is in a channel from now on. Watchers hear of a user's first one.
    fn enter(&self, entry: Entry);

    /// A connection is no longer in a channel. Watchers hear of a user's last one. Leaving where
    /// one is not does nothing.
    fn leave(&self, entry: Entry);

    /// Who is in a channel, in the order of their names; of a crowd the first
    /// [`PRESENT_USERS_MAX`](crate::PRESENT_USERS_MAX), and how many there are in all.
    fn present(&self, channel: ChannelName) -> Answer<Presence>;

    /// Whether it can store and read messages now; if not, why.
    fn check(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Hears of everything from now on: each batch whose messages come after their log's [`Engine::head`] as
    /// it is read after this call returned, and perhaps the one before them.
    fn watch(&self) -> Watch;
}

/// A message that is still to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where.
    pub channel: ChannelName,
    /// The idempotency key.
    pub id: MessageId,
    /// Who publishes it, as authenticated.
    pub from: User,
    /// What is said.
    pub data: Data,
    /// When it was said, in milliseconds since the Unix epoch, for what comes from elsewhere, such as
    /// another log; later than [`AT_MAX`] is not. `None`: now. Retention by age counts from it, and so may the
    /// deduplication window: who brings old messages twice sees to it that they are not doubled.
    pub at: Option<u64>,
}

impl Draft {
    /// When it was said, if it is `now`.
    pub fn said_at(&self, now: u64) -> u64 {
        self.at.map_or(now, |at| at.min(AT_MAX))
    }
}

/// The latest time that a message can have: the largest integer that every reader of JSON reads
/// exactly (RFC 7493, section 2.2), some 285,000 years from now.
pub const AT_MAX: u64 = (1 << 53) - 1;

/// Where a message came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place in the log of its channel.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// When the log took it, or [`Draft::at`], in milliseconds since the Unix epoch.
    pub at: u64,
    /// Whether the channel had it already, from an earlier attempt.
    pub repeated: bool,
}

/// One connection of a user in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where.
    pub channel: ChannelName,
    /// Who.
    pub user: User,
    /// Which of the user's connections; unique in the process.
    pub connection: u64,
}
