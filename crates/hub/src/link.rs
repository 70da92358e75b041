//! A link: a transport's end of a session.
//!
//! The transport hands in what its client said (`handle*`), asks for as much as it can write
//! (`poll`), and waits (`ready`) when there was nothing. It never looks inside a message.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidings_wire::{
    ChannelName, Command, Epoch, Heartbeat, MessageId, Request, RequestError, StreamCursor, User,
};

use crate::fanout::{LinkKey, Said};
use crate::grace::Departure;
use crate::logs::{Heads, Positions};
use crate::moving::Left;
use crate::room::{Push, Room};
use crate::shard::Shard;
use crate::{Hub, Identity};

/// A transport's end of a session. Dropping it detaches: subscriptions end, presence is left after its
/// [grace](crate::Limits::presence_grace) (a poller's lease stays for its time), answers still under way are
/// ignored.
pub struct Link {
    shard: Shard,
    key: LinkKey,
    departure: Departure,
    /// `None` for framed links, of which there may be many.
    stream: Option<Box<Stream>>,
    is_listed: bool,
}

/// What a stream was given, kept for when another link has taken its session over.
struct Stream {
    positions: Positions,
    /// The heads of its logs as it began, if they were certain.
    newest: Option<Positions>,
    epochs: Option<BTreeMap<ChannelName, Epoch>>,
    truncated: bool,
}

impl Link {
    /// That of a framed transport.
    pub(crate) fn framed(shard: Shard, key: LinkKey) -> Self {
        Self::new(shard, key, None)
    }

    /// That of a poll or an SSE stream; the logs' heads as it began.
    pub(crate) fn stream(shard: Shard, key: LinkKey, heads: &Heads) -> Self {
        let fanout = shard.0.fanout.borrow();
        let session = fanout.session(key).expect("it was just attached");
        let is_certain = shard.hub().engine().is_head_certain();
        let newest = is_certain.then(|| {
            let mut newest = session.positions.clone();
            for (log, _) in session.positions.iter() {
                newest.set(log, heads.of(log));
            }
            newest
        });
        let stream = Stream {
            positions: session.positions.clone(),
            newest,
            epochs: fanout.epochs(session),
            truncated: session.truncated,
        };
        drop(fanout);
        Self::new(shard, key, Some(Box::new(stream)))
    }

    fn new(shard: Shard, key: LinkKey, stream: Option<Box<Stream>>) -> Self {
        Self {
            shard,
            key,
            departure: Departure::Lost,
            stream,
            is_listed: false,
        }
    }

    /// Detaches for a client that has said that it goes: presence is left at once.
    pub fn part(mut self) {
        self.departure = Departure::Meant;
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
        inner.act(|fanout| fanout.handle(self.key, said, &moment));
    }

    /// Fills `room` with answers, passing events and messages, appended to `out`.
    pub fn poll(&mut self, room: Room, out: &mut Vec<Push>) {
        let Self { key, stream, .. } = self;
        self.shard.0.act(|fanout| {
            fanout.poll(*key, room, out);
            if let Some(stream) = stream
                && let Some(session) = fanout.session(*key)
            {
                stream.positions.clone_from(&session.positions);
                stream.truncated = session.truncated;
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

    /// Takes the session off the shard, if it is in step.
    pub(crate) fn take_session(&mut self) -> Option<Left> {
        let inner = &self.shard.0;
        let left = inner.act(|fanout| fanout.take(self.key))?;
        if self.is_listed {
            inner.waiting.borrow_mut().forget(self.key.session());
            self.is_listed = false;
        }
        Some(left)
    }

    /// What all shards share.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        self.shard.hub()
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

    /// Everything up to here was given by [`poll`](Self::poll). Polls and SSE streams; on a framed link
    /// each subscription has a cursor of its own, and this is now.
    pub fn cursor(&self) -> StreamCursor {
        match &self.stream {
            Some(stream) => self.cursor_of(&stream.positions),
            None => self.shard.hub().now_cursor(),
        }
    }

    /// The newest place of each log as the stream began: a reader that knows of one beyond it has it from an end
    /// that the log has lost. `None` on a framed link, where each subscription tells that by itself, and where
    /// [that is not certain](tidings_engine::Engine::is_head_certain).
    pub fn newest(&self) -> Option<StreamCursor> {
        let stream = self.stream.as_ref()?;
        Some(self.cursor_of(stream.newest.as_ref()?))
    }

    fn cursor_of(&self, positions: &Positions) -> StreamCursor {
        self.shard.0.fanout.borrow().cursor(positions)
    }

    /// Which log each channel of a stream is in; `None` if they are all in one, and on a framed link.
    pub fn epochs(&self) -> Option<&BTreeMap<ChannelName, Epoch>> {
        self.stream.as_ref()?.epochs.as_ref()
    }

    /// Whether the client of a poll or an SSE stream has a hole that nothing can fill (a poll's
    /// `truncated`).
    pub fn was_truncated(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.truncated)
    }

    /// Whether everything that the client has commanded was answered, and the answers were given. Framed
    /// transports only.
    pub fn is_answered(&self) -> bool {
        let fanout = self.shard.0.fanout.borrow();
        let session = fanout.session(self.key);
        session.is_none_or(|it| it.pending.is_empty() && it.replies.is_empty())
    }

    /// Who is there, once known, and while no other link has taken the session over.
    pub fn user(&self) -> Option<User> {
        let fanout = self.shard.0.fanout.borrow();
        fanout.session(self.key)?.user().cloned()
    }

    /// The session's id, a poller's own or one of ours, while no other link has taken it over.
    pub fn session(&self) -> Option<MessageId> {
        let fanout = self.shard.0.fanout.borrow();
        Some(fanout.session(self.key)?.id.clone())
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
        inner.act(|fanout| fanout.detach(self.key, self.departure, &moment));
    }
}
