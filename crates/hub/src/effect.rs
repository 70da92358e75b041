//! What the pure part asks of its shell, and how answers find their way back.

use std::collections::HashMap;

use tidings_engine::{EngineError, Entry, Page, Published, Query};
use tidings_wire::{ChannelName, Data, MessageId, Presence, User};

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
    /// Read a page for those who are behind; answered to all who ask for the same. It may wait its
    /// turn, and what fails for now is tried again until
    /// [`Fanout::gives_up`](crate::fanout::Fanout::gives_up).
    Read { query: Query },
    /// Read a page for somebody who asked for it; answered.
    History { ask: Ask, query: Query },
    /// Find out whether a log goes as far as `seq`; answered.
    Reach { ask: Ask, log: usize, seq: u64 },
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
    History(Result<Page, EngineError>),
    Published(Result<Published, EngineError>),
    Present(Result<Presence, EngineError>),
    /// The log's head.
    Reached(Result<u64, EngineError>),
}

/// What the shell is still to do.
#[derive(Default)]
pub(crate) struct Effects {
    queue: Vec<Effect>,
    asked: u64,
    /// Reads that are under way, and who waits for them. After a failure of the network thousands come
    /// back with one cursor: they share one read, and the events that it brings.
    reads: HashMap<Query, Vec<Ask>>,
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

    /// Reads a page, or waits with others for the same.
    pub(crate) fn read(&mut self, ask: Ask, query: Query) {
        let Some(asks) = self.reads.get_mut(&query) else {
            self.reads.insert(query.clone(), vec![ask]);
            return self.push(Effect::Read { query });
        };
        asks.push(ask);
    }

    /// Who waits for a read.
    pub(crate) fn waiting(&self, query: &Query) -> &[Ask] {
        self.reads.get(query).map_or(&[], Vec::as_slice)
    }

    /// Ends a read; who waited for it.
    pub(crate) fn end_read(&mut self, query: &Query) -> Vec<Ask> {
        self.reads.remove(query).unwrap_or_default()
    }

    /// Everything that is to be done, in order.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.queue)
    }
}
