//! Sessions that move from one shard of a node to another, without their clients noticing.
//!
//! Only one in step does: it has had everything up to its position, nothing is under way, and it follows
//! one channel. So it is an identity and a cursor, and goes on from there: from the other shard's tail if
//! that covers the cursor, else from the log.

use std::sync::Arc;

use tidings_engine::Entry;
use tidings_wire::{ChannelName, MessageId};

use crate::{Hub, Identity, Link, Shard};

/// A session between two shards. It counts as one of its node's and is present in its channel; dropping
/// it ends it.
pub struct Moving {
    pub(crate) left: Left,
    hub: Arc<Hub>,
    has_arrived: bool,
}

/// What is left of a session that has left its shard.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) id: MessageId,
    pub(crate) identity: Identity,
    /// Which of its user's connections it is, for presence.
    pub(crate) connection: u64,
    /// Whether it is seen in its channel.
    pub(crate) present: bool,
    pub(crate) channel: ChannelName,
    /// It has been given everything of the channel up to here.
    pub(crate) position: u64,
}

impl Link {
    /// Takes the session off its shard, for [`Shard::receive`] on another one of the same node; from then
    /// on the link finds nothing any more. `None`, and nothing has changed, unless the session is in step.
    pub fn leave(&mut self) -> Option<Moving> {
        let left = self.take_session()?;
        Some(Moving {
            left,
            hub: self.hub().clone(),
            has_arrived: false,
        })
    }
}

impl Shard {
    /// Goes on with a session that has [left](Link::leave) another shard, once everything has been heard here
    /// that it may have heard there, so that it is not given a signal twice.
    pub async fn receive(&self, mut moving: Moving) -> Link {
        self.0.hear_all().await;
        moving.has_arrived = true;
        let moment = self.0.moment();
        let left = moving.left.clone();
        let key = self.0.act(|fanout| fanout.receive(left, &moment));
        Link::framed(self.clone(), key)
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        if self.has_arrived {
            return;
        }
        self.hub.engine().leave(Entry {
            channel: self.left.channel.clone(),
            user: self.left.identity.user.clone(),
            connection: self.left.connection,
        });
        self.hub.dismiss();
    }
}
