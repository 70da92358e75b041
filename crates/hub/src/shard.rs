//! A shard: one thread's sessions, channels and tails, and the task that hears the engine.

use std::rc::Rc;
use std::sync::Arc;

use tidings_wire::{ChannelName, Cursor, MessageId};

use crate::{Hub, Identity, Link, Refusal};

/// One thread's share of the hub. Cheap to clone; stays on its thread.
#[derive(Clone)]
pub struct Shard(Rc<()>);

/// What a poll or an SSE stream wants.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// Which channels; fixed for the stream's life. Naming one twice is the same as once.
    pub channels: Vec<ChannelName>,
    /// From behind this cursor on; absent: from now.
    pub after: Option<Cursor>,
    /// A poller's own id: it holds a lease of presence, and what passes between two polls.
    pub session: Option<MessageId>,
    /// Whether the stream is seen in its channels for as long as it is open. SSE: yes; polls: no,
    /// for with a `session` they hold a lease instead.
    pub presence: bool,
}

impl Shard {
    /// A shard on this thread. Must be called inside a `LocalSet`, where its task then lives until
    /// the engine ends or the last `Shard` and [`Link`] are dropped.
    pub fn start(hub: Arc<Hub>) -> Self {
        let _ = hub;
        let _ = Self(Rc::new(())).0;
        todo!()
    }

    /// What it shares with the other shards.
    pub fn hub(&self) -> &Arc<Hub> {
        todo!()
    }

    /// A session over a framed transport (WebSocket, WebTransport). Without an identity its first
    /// command must be `hello`. `limit_reached` when the node has all the sessions it may have.
    pub fn connect(&self, identity: Option<Identity>) -> Result<Link, Refusal> {
        let _ = identity;
        todo!()
    }

    /// A poll or an SSE stream: channels fixed now, messages of all of them in the order of `seq`, one
    /// cursor. Refusals: `forbidden`, `limit_reached`, `bad_request` without channels.
    pub fn stream(&self, identity: Identity, request: StreamRequest) -> Result<Link, Refusal> {
        let _ = (identity, request);
        todo!()
    }
}
