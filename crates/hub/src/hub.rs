//! The hub: what all shards of a node share, and the doors that answer one question each.

use std::sync::Arc;

use tidings_engine::{Engine, Page, Published};
use tidings_wire::{ChannelName, Cursor, Data, Heartbeat, MessageId, Present};

use crate::{Auth, Identity, Limits, NamespacePolicies, Refusal, Ticket};

/// Settings of a hub.
#[derive(Clone)]
pub struct HubConfig {
    /// How it learns who is there.
    pub auth: Auth,
    /// Its bounds.
    pub limits: Limits,
    /// What may differ between namespaces.
    pub namespaces: NamespacePolicies,
    /// What `hello` tells clients about silence.
    pub heartbeat: Heartbeat,
}

/// Shared by all shards of a node: settings, engine, permissions, tickets.
pub struct Hub(());

impl Hub {
    /// A hub over `engine`.
    pub fn new(engine: Arc<dyn Engine>, config: HubConfig) -> Arc<Self> {
        let _ = (engine, config);
        todo!()
    }

    /// Where messages live.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        todo!()
    }

    /// The settings that it was made with.
    pub fn config(&self) -> &HubConfig {
        todo!()
    }

    /// The log's newest place: "now".
    pub fn now_cursor(&self) -> Cursor {
        todo!()
    }

    /// Who bears `token`; `None`: no token at all. In development mode `guest:NAME` is a guest of that
    /// name and nothing at all one with a name of our choice; with a secret, `unauthenticated` for a
    /// token that is missing or does not verify, and `token_expired`.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Identity, Refusal> {
        let _ = token;
        todo!()
    }

    /// A ticket for `identity`: good once, for [`Limits::ticket_age`]. `busy` when too many wait.
    pub fn ticket(&self, identity: &Identity) -> Result<Ticket, Refusal> {
        let _ = identity;
        todo!()
    }

    /// Whom `ticket` stands for; it stands for nobody after that. `unauthenticated` when it is
    /// unknown, used or too old.
    pub fn redeem(&self, ticket: &str) -> Result<Identity, Refusal> {
        let _ = ticket;
        todo!()
    }

    /// Stores a message and delivers it. Without `id` the hub makes one. Dropping the future does not
    /// undo it. Refusals: `forbidden`, `too_large`, and the engine's.
    pub async fn publish(
        &self,
        who: &Identity,
        channel: ChannelName,
        data: Data,
        id: Option<MessageId>,
    ) -> Result<Published, Refusal> {
        let _ = (who, channel, data, id);
        todo!()
    }

    /// Delivers a signal, at most once, to those who follow the channel now.
    pub fn signal(&self, who: &Identity, channel: ChannelName, data: Data) -> Result<(), Refusal> {
        let _ = (who, channel, data);
        todo!()
    }

    /// Stored messages, oldest first: the newest `limit` before `before`, or with `after` the oldest
    /// behind it. Refusals: `forbidden`, `bad_request` for a limit of 0 or over
    /// [`Limits::history_max`], and the engine's.
    pub async fn history(
        &self,
        who: &Identity,
        channel: ChannelName,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Page, Refusal> {
        let _ = (who, channel, before, after, limit);
        todo!()
    }

    /// Who is in a channel, in the order of their names.
    pub async fn presence(
        &self,
        who: &Identity,
        channel: ChannelName,
    ) -> Result<Vec<Present>, Refusal> {
        let _ = (who, channel);
        todo!()
    }
}
