//! Reading back what was stored.

use std::sync::Arc;

use tidings_wire::{ChannelName, Message};

/// Which of a channel's messages to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// Whose.
    pub channel: ChannelName,
    /// The oldest ones behind this `seq`; absent: the newest ones.
    pub after: Option<u64>,
    /// Only ones before this `seq`; absent: up to now.
    pub before: Option<u64>,
    /// At most so many. An engine may give fewer, such as when they are large, and then says
    /// [`Page::more`].
    pub limit: usize,
}

/// What was read, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Arc<Message>>,
    /// Whether the query has more messages than these: newer ones with `after`, older ones without.
    pub more: bool,
    /// Whether messages that the query asked for are kept no longer: with `after`, some between it
    /// and the first one here; without, the channel's beginning where `limit` reached for it.
    pub truncated: bool,
    /// `seq` of the oldest message that the channel keeps; 0: none.
    pub oldest: u64,
    /// The head of the channel's log as this was read: with `after`, without `before` and without `more`, the
    /// channel has nothing else up to here.
    pub head: u64,
}
