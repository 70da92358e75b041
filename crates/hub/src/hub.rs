//! The hub: what all shards of a node share, and the doors that answer one question each.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tidings_engine::{Draft, Engine, Page, Published, Query};
use tidings_wire::{
    ChannelName, Code, Cursor, CursorError, Data, Epoch, Heartbeat, MessageId, Presence,
    StreamCursor,
};

use crate::clock::Ticks;
use crate::tickets::Tickets;
use crate::{Auth, Identity, Limits, NamespacePolicies, Refusal, Ticket, random};

/// Settings of a hub.
#[derive(Clone, Debug)]
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
pub struct Hub {
    engine: Arc<dyn Engine>,
    config: HubConfig,
    ticks: Ticks,
    tickets: Tickets,
    sessions: AtomicUsize,
    connections: AtomicU64,
}

impl Hub {
    /// A hub over `engine`.
    ///
    /// # Panics
    ///
    /// If the engine has no log, more than [`CURSOR_PARTS_MAX`](tidings_wire::CURSOR_PARTS_MAX), or two with
    /// the same epoch.
    pub fn new(engine: Arc<dyn Engine>, config: HubConfig) -> Arc<Self> {
        now(&*engine).expect("an engine's logs fit into a cursor");
        Arc::new(Self {
            engine,
            config,
            ticks: Ticks::start(),
            tickets: Tickets::default(),
            sessions: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
        })
    }

    /// Where messages live.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The settings that it was made with.
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// The newest place of each log: "now".
    pub fn now_cursor(&self) -> StreamCursor {
        now(&*self.engine).expect("they were seen to fit as the hub was made")
    }

    /// Sessions of all shards, pollers' leases among them.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Who bears `token`; `None`: no token at all. In development mode `guest:NAME` is a guest of that
    /// name and nothing at all one with a name of our choice; with a secret, `unauthenticated` for a
    /// token that is missing or does not verify, and `token_expired`.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Identity, Refusal> {
        let auth = &self.config.auth;
        auth.verify(token, crate::clock::wall(), fastrand::u16(..))
    }

    /// Who comes without any token, in the session that the request names: a guest with a name of our choice, the same for
    /// the same session. With another name each time, a poll would tell the next one of its own coming. Refusals: as
    /// [`authenticate`](Self::authenticate)'s.
    pub fn authenticate_session(&self, session: &str) -> Result<Identity, Refusal> {
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        // As good as any part of it.
        let number = hasher.finish() as u16;
        self.config.auth.verify(None, crate::clock::wall(), number)
    }

    /// A ticket for `identity`: good once, for [`Limits::ticket_age`]. `busy` when too many wait.
    pub fn ticket(&self, identity: &Identity) -> Result<Ticket, Refusal> {
        let limits = &self.config.limits;
        let text = random::hex();
        self.tickets
            .keep(text.clone(), identity.clone(), self.ticks.now(), limits)?;
        Ok(Ticket {
            text,
            valid_for: limits.ticket_age,
        })
    }

    /// Whom `ticket` stands for; it stands for nobody after that. `unauthenticated` when it is
    /// unknown, used or too old.
    pub fn redeem(&self, ticket: &str) -> Result<Identity, Refusal> {
        self.tickets.take(ticket, self.ticks.now())
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
        who.check_write(&channel)?;
        self.config.limits.check_data(&data)?;
        let draft = Draft {
            channel,
            id: id.unwrap_or_else(random::id),
            from: who.user.clone(),
            data,
            at: None,
        };
        Ok(self.engine.publish(draft).await?)
    }

    /// Delivers a signal, at most once, to those who follow the channel now.
    pub fn signal(&self, who: &Identity, channel: ChannelName, data: Data) -> Result<(), Refusal> {
        who.check_write(&channel)?;
        self.config.limits.check_data(&data)?;
        self.engine.signal(channel, who.user.clone(), data);
        Ok(())
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
        who.check_read(&channel)?;
        let limit = self.config.limits.history_limit(limit)?;
        let query = Query {
            channel,
            after,
            before,
            limit,
        };
        Ok(self.engine.read(query).await?)
    }

    /// Who is in a channel, in the order of their names; of a crowd the first, and how many there are.
    pub async fn presence(
        &self,
        who: &Identity,
        channel: ChannelName,
    ) -> Result<Presence, Refusal> {
        who.check_read(&channel)?;
        Ok(self.engine.present(channel).await?)
    }

    /// Counts one more session; its connection's number.
    pub(crate) fn admit(&self) -> Result<u64, Refusal> {
        let sessions_max = self.config.limits.sessions;
        if self.sessions.fetch_add(1, Ordering::Relaxed) >= sessions_max {
            self.dismiss();
            let detail = "the server has all the sessions that it takes; try again later";
            return Err(Refusal::new(Code::Busy, detail));
        }
        Ok(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts one session less.
    pub(crate) fn dismiss(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// The time, in the ticks that deadlines are measured by.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.now()
    }
}

fn now(engine: &dyn Engine) -> Result<StreamCursor, CursorError> {
    let part = |(log, epoch): (usize, &Epoch)| Cursor {
        epoch: epoch.clone(),
        seq: engine.head(log),
    };
    StreamCursor::new(engine.epochs().iter().enumerate().map(part).collect())
}
