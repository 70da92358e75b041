//! A link: a transport's end of a session.
//!
//! The transport hands in what its client said (`handle*`), asks for as much as it can write
//! (`poll`), and waits (`ready`) when there was nothing. It never looks inside a message.

use std::sync::Arc;

use tidings_wire::{
    Code, Cursor, Encoded, Heartbeat, MessageId, Reply, Request, RequestError, User,
};

/// A transport's end of a session. Dropping it detaches: subscriptions end, presence is left (a
/// poller's lease stays for its time), answers still under way are ignored.
pub struct Link(());

/// How much a transport can take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// About so many bytes ([`Encoded::weight`]). The last event given may reach beyond it, so that
    /// one larger than the room gets through; 0: nothing at all.
    pub bytes: usize,
    /// At most so many events.
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

impl Link {
    /// Takes a command. Framed transports only.
    pub fn handle(&mut self, request: Request) {
        let _ = request;
        todo!()
    }

    /// Takes a frame that was no command: answered by an error, and too many in a row
    /// ([`Limits::bad_frames`](crate::Limits::bad_frames)) by a close.
    pub fn handle_bad_frame(&mut self, error: RequestError) {
        let _ = error;
        todo!()
    }

    /// Fills `room` with answers, passing events and messages, appended to `out`.
    pub fn poll(&mut self, room: Room, out: &mut Vec<Push>) {
        let _ = (room, out);
        todo!()
    }

    /// Waits until [`poll`](Self::poll) may have something. Returns at once if room ran out last time,
    /// so wait for room first. Cancel safe.
    pub async fn ready(&self) {
        todo!()
    }

    /// Whether everything up to now was given and no read is under way: a short poll may answer. What
    /// was acknowledged to anybody before the stream began counts as "now".
    pub fn is_current(&self) -> bool {
        todo!()
    }

    /// Whether the last [`poll`](Self::poll) left something for want of room (a poll's `more`).
    pub fn has_more(&self) -> bool {
        todo!()
    }

    /// Everything up to here was given by [`poll`](Self::poll). Polls and SSE streams.
    pub fn cursor(&self) -> Cursor {
        todo!()
    }

    /// Whether the client has a hole that nothing can fill (a poll's `truncated`).
    pub fn was_truncated(&self) -> bool {
        todo!()
    }

    /// Who is there, once known.
    pub fn user(&self) -> Option<&User> {
        todo!()
    }

    /// The session's id: a poller's own, or one of ours.
    pub fn session(&self) -> &MessageId {
        todo!()
    }

    /// When silence is alarming.
    pub fn heartbeat(&self) -> Heartbeat {
        todo!()
    }
}
