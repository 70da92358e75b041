//! Room: what a transport can take, and what it is given.

use std::sync::Arc;

use tidings_wire::{Code, Encoded, Reply, ReplyBody};

/// How much a transport can take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// About so many bytes ([`Encoded::weight`]). The last push may reach beyond it, so that one
    /// larger than the room gets through; 0: nothing at all.
    pub bytes: usize,
    /// At most so many events; answers do not count.
    pub events: usize,
}

/// What a transport is to write.
#[derive(Clone, Debug)]
pub enum Push {
    /// An event; its bytes are the same for all followers.
    Event(Arc<Encoded>),
    /// An answer to this client alone. Framed transports only.
    Reply(Reply),
    /// The last push: the transport ends the connection.
    Close {
        /// Why; it knows its close code.
        code: Code,
        /// Why, for people.
        reason: String,
    },
}

/// A room that is being filled.
pub(crate) struct Offer<'a> {
    room: Room,
    out: &'a mut Vec<Push>,
    ran_out: bool,
}

impl<'a> Offer<'a> {
    pub(crate) fn new(room: Room, out: &'a mut Vec<Push>) -> Self {
        Self {
            room,
            out,
            ran_out: false,
        }
    }

    /// Whether something was refused for want of room.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Whether nothing more can be given.
    pub(crate) fn is_full(&self) -> bool {
        self.room.bytes == 0 || self.room.events == 0
    }

    /// Remembers that there was more than room.
    pub(crate) fn refuse(&mut self) {
        self.ran_out = true;
    }

    /// Gives an event, if there is room.
    pub(crate) fn event(&mut self, event: Arc<Encoded>) -> bool {
        if self.is_full() {
            self.refuse();
            return false;
        }
        self.room.events -= 1;
        self.room.bytes = self.room.bytes.saturating_sub(event.weight());
        self.out.push(Push::Event(event));
        true
    }

    /// Gives the answer that `next` takes from its queue, if there is room.
    pub(crate) fn reply(&mut self, next: impl FnOnce() -> Option<Reply>) -> bool {
        if self.room.bytes == 0 {
            self.refuse();
            return false;
        }
        let Some(reply) = next() else {
            return false;
        };
        self.room.bytes = self.room.bytes.saturating_sub(weight(&reply));
        self.out.push(Push::Reply(reply));
        true
    }

    /// Gives the last push, for which there is always room.
    pub(crate) fn close(&mut self, code: Code, reason: String) {
        self.out.push(Push::Close { code, reason });
    }
}

/// About the size of an answer in bytes.
fn weight(reply: &Reply) -> usize {
    /// The names and numbers of any answer, rounded up.
    const FIELDS: usize = 192;
    /// The same for each message or user in a list.
    const ITEM: usize = 192;
    FIELDS
        + match &reply.body {
            ReplyBody::History { messages, .. } => messages
                .iter()
                .map(|message| ITEM + message.data.len())
                .sum(),
            ReplyBody::Presence(presence) => presence.users.len() * ITEM,
            _ => 0,
        }
}
