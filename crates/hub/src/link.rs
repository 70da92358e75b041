//! A link: a transport's end of a session.
//!
//! The transport hands in what its client said (`handle*`), asks for as much as it can write
//! (`poll`), and waits (`ready`) when there was nothing. It never looks inside a message.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tidings_wire::{Command, Cursor, Heartbeat, MessageId, Request, RequestError, User};

use crate::Identity;
use crate::fanout::{LinkKey, Said};
use crate::room::{Push, Room};
use crate::shard::Shard;

/// A transport's end of a session. Dropping it detaches: subscriptions end, presence is left (a
/// poller's lease stays for its time), answers still under way are ignored.
pub struct Link {
    shard: Shard,
    key: LinkKey,
    user: Option<User>,
    session: MessageId,
    /// What a stream was given, kept for when another link has taken its session over.
    cursor: Cursor,
    truncated: bool,
    is_listed: bool,
}

impl Link {
    pub(crate) fn new(shard: Shard, key: LinkKey) -> Self {
        let fanout = shard.0.fanout.borrow();
        let session = fanout.session(key).expect("it was just attached");
        let (user, id) = (session.user().cloned(), session.id.clone());
        let truncated = session.truncated;
        let cursor = fanout.cursor(session);
        drop(fanout);
        Self {
            shard,
            key,
            user,
            session: id,
            cursor,
            truncated,
            is_listed: false,
        }
    }

    /// Takes a command. Framed transports only.
    pub fn handle(&mut self, request: Request) {
        let Request { req, command } = request;
        let hub = self.shard.hub();
        let said = match command {
            Command::Hello { token } => {
                // A client need not know that its cookie said it already.
                let known = token.is_none().then(|| self.identity()).flatten();
                let proof = known.map_or_else(|| hub.authenticate(token.as_deref()), Ok);
                Said::Hello(req, proof)
            }
            Command::Refresh { token } => Said::Refresh(req, hub.authenticate(Some(&token))),
            command => Said::Request(Request { req, command }),
        };
        self.say(said);
    }

    /// Takes a frame that was no command: answered by an error, and too many in a row
    /// ([`Limits::bad_frames`](crate::Limits::bad_frames)) by a close.
    pub fn handle_bad_frame(&mut self, error: RequestError) {
        self.say(Said::Nonsense(error));
    }

    fn identity(&self) -> Option<Identity> {
        let fanout = self.shard.0.fanout.borrow();
        fanout.session(self.key)?.identity.clone()
    }

    fn say(&mut self, said: Said) {
        let inner = &self.shard.0;
        let moment = inner.moment();
        inner.act(|fanout| fanout.handle(self.key, said, moment));
        if self.user.is_none() {
            let fanout = inner.fanout.borrow();
            self.user = fanout.session(self.key).and_then(|it| it.user().cloned());
        }
    }

    /// Fills `room` with answers, passing events and messages, appended to `out`.
    pub fn poll(&mut self, room: Room, out: &mut Vec<Push>) {
        let (key, cursor, truncated) = (self.key, &mut self.cursor, &mut self.truncated);
        self.shard.0.act(|fanout| {
            fanout.poll(key, room, out);
            if let Some(session) = fanout.session(key) {
                cursor.seq = session.position;
                *truncated = session.truncated;
            }
        });
    }

    /// Waits until [`poll`](Self::poll) may have something. Returns at once if room ran out last time,
    /// so wait for room first. Cancel safe.
    pub async fn ready(&self) {
        poll_fn(|context| self.poll_ready(context)).await;
    }

    /// From now on the link is listed under `token` whenever [`poll`](Self::poll) may have something, and
    /// nobody waits for it alone: see [`Shard::give_listed`]. If room ran out it is not listed again; poll
    /// it when there is room.
    ///
    /// Framed transports only: another request may take a poller's session over.
    pub fn list_as(&mut self, token: u64) {
        let inner = &self.shard.0;
        let mut waiting = inner.waiting.borrow_mut();
        waiting.list(self.key.session(), token);
        if inner.fanout.borrow().is_marked(self.key) {
            waiting.tell(self.key.session());
            waiting.wake_holder();
        }
        self.is_listed = true;
    }

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let inner = &self.shard.0;
        if inner.fanout.borrow().is_marked(self.key) {
            return Poll::Ready(());
        }
        let mut waiting = inner.waiting.borrow_mut();
        waiting.wait(self.key.session(), context.waker());
        Poll::Pending
    }

    /// Whether everything up to now was given and no read is under way: a short poll may answer. What
    /// was acknowledged to anybody before the stream began counts as "now".
    pub fn is_current(&self) -> bool {
        self.shard.0.fanout.borrow().is_current(self.key)
    }

    /// Whether the last [`poll`](Self::poll) left something for want of room (a poll's `more`).
    pub fn has_more(&self) -> bool {
        let fanout = self.shard.0.fanout.borrow();
        fanout.session(self.key).is_some_and(|session| session.more)
    }

    /// Everything up to here was given by [`poll`](Self::poll). Polls and SSE streams.
    pub fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }

    /// Whether the client has a hole that nothing can fill (a poll's `truncated`).
    pub fn was_truncated(&self) -> bool {
        self.truncated
    }

    /// Who is there, once known.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The session's id: a poller's own, or one of ours.
    pub fn session(&self) -> &MessageId {
        &self.session
    }

    /// When silence is alarming.
    pub fn heartbeat(&self) -> Heartbeat {
        self.shard.hub().config().heartbeat
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let inner = &self.shard.0;
        if self.is_listed {
            // The session's place will be another's.
            inner.waiting.borrow_mut().forget(self.key.session());
        }
        let moment = inner.moment();
        inner.act(|fanout| fanout.detach(self.key, moment));
    }
}
