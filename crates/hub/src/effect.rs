//! What the pure part asks of its shell, and how answers find their way back.

use tidings_engine::{EngineError, Entry, Page, Published, Query};
use tidings_wire::{ChannelName, Data, MessageId, Present, User};

/// Something that only the shell can do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Store a message; answered. Without `id` the shell makes one.
    Publish {
        ask: Ask,
        channel: ChannelName,
        from: User,
        data: Data,
        id: Option<MessageId>,
    },
    /// Tell all who follow; not answered.
    Signal {
        channel: ChannelName,
        from: User,
        data: Data,
    },
    /// Read a page for somebody who is behind; answered. It may wait its turn, and what is transient
    /// is tried again for as long as [`Fanout::wants`](crate::fanout::Fanout::wants) the answer.
    Read { ask: Ask, query: Query },
    /// Read a page for somebody who asked for it; answered.
    History { ask: Ask, query: Query },
    /// Who is there; answered.
    Presence { ask: Ask, channel: ChannelName },
    /// A connection is in a channel from now on.
    Enter(Entry),
    /// It is there no longer.
    Leave(Entry),
    /// A session is gone, and no longer counts.
    Ended,
}

/// Which question an answer is for. Numbers are never used again, so that the answer to a question
/// of a link or a subscription that is gone finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) session: usize,
    pub(crate) number: u64,
}

/// The answer to an [`Ask`].
#[derive(Debug)]
pub(crate) enum Answered {
    Page(Result<Page, EngineError>),
    Published(Result<Published, EngineError>),
    Present(Result<Vec<Present>, EngineError>),
}

/// What the shell is still to do.
#[derive(Default)]
pub(crate) struct Effects {
    queue: Vec<Effect>,
    asked: u64,
}

impl Effects {
    /// A number that no question had before.
    pub(crate) fn ask(&mut self, session: usize) -> Ask {
        self.asked += 1;
        Ask {
            session,
            number: self.asked,
        }
    }

    /// One more thing to do.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.queue.push(effect);
    }

    /// Everything that is to be done, in order.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.queue)
    }
}
