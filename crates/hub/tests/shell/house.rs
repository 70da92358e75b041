//! A house to try the shell in, and short ways to say things.

use std::sync::Arc;
use std::time::Duration;

use tidings_engine::MemoryEngine;
use tidings_hub::{
    Auth, Hub, HubConfig, Identity, Limits, Link, NamespacePolicies, Push, Room, Shard,
    StreamRequest,
};
use tidings_wire::{
    ChannelName, Command, Data, Event, Heartbeat, MessageId, Reply, ReplyBody, Request,
    StreamCursor,
};
use tokio::task::LocalSet;
use tokio::time::timeout;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct House {
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shard: Shard,
}

impl House {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with_auth(limits, Auth::Guests)
    }

    pub(crate) fn with_auth(limits: Limits, auth: Auth) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let config = HubConfig {
            auth,
            limits,
            namespaces: NamespacePolicies::default(),
            heartbeat: Heartbeat {
                interval: 20_000,
                timeout: 5_000,
                tries: 2,
            },
        };
        let hub = Hub::new(engine.clone(), config);
        Self {
            shard: Shard::start(hub.clone()),
            engine,
            hub,
        }
    }

    pub(crate) fn guest(&self, name: &str) -> Identity {
        let token = format!("guest:{name}");
        self.hub.authenticate(Some(&token)).unwrap()
    }

    pub(crate) async fn publish(&self, name: &str, text: &str) -> u64 {
        let who = self.guest("publisher");
        let published = self
            .hub
            .publish(&who, channel(name), Data::from_text(text), None);
        published.await.unwrap().seq
    }

    /// Publishes, and lets the shard hear of it, so that nobody's tail will have it.
    pub(crate) async fn publish_before(&self, name: &str, text: &str) {
        self.publish(name, text).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(crate) async fn stream(&self, request: StreamRequest) -> Link {
        let link = self.shard.stream(self.guest("reader"), request);
        link.await.unwrap()
    }

    pub(crate) async fn connect(&self, name: &str) -> Link {
        let mut link = self.shard.connect(Some(self.guest(name))).unwrap();
        assert!(matches!(reply(&mut link).await, ReplyBody::Hello { .. }));
        link
    }

    /// How many are in a channel, over how many connections.
    pub(crate) async fn present(&self, name: &str) -> Vec<(String, u32)> {
        let users = self.hub.presence(&self.guest("x"), channel(name)).await;
        let entry = |present: &tidings_wire::Present| {
            (present.user.as_str().to_owned(), present.connections)
        };
        users.unwrap().users.iter().map(entry).collect()
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

pub(crate) fn request(channels: &[&str], after: Option<StreamCursor>) -> StreamRequest {
    StreamRequest {
        channels: channels.iter().map(|name| channel(name)).collect(),
        after,
        session: None,
        presence: false,
    }
}

pub(crate) fn poller(channels: &[&str], after: Option<StreamCursor>) -> StreamRequest {
    StreamRequest {
        session: Some(MessageId::new("tab-1").unwrap()),
        ..request(channels, after)
    }
}

pub(crate) const ROOM: Room = Room {
    bytes: 1 << 20,
    events: 1000,
};

pub(crate) fn poll(link: &mut Link, room: Room) -> Vec<Push> {
    let mut out = Vec::new();
    link.poll(room, &mut out);
    out
}

/// What comes next, waiting for it; virtual time makes the deadline cheap.
pub(crate) async fn pushes(link: &mut Link) -> Vec<Push> {
    loop {
        let out = poll(link, ROOM);
        if !out.is_empty() {
            return out;
        }
        timeout(Duration::from_secs(60), link.ready())
            .await
            .expect("something comes within a minute");
    }
}

pub(crate) async fn reply(link: &mut Link) -> ReplyBody {
    match pushes(link).await.remove(0) {
        Push::Reply(Reply { body, .. }) => body,
        other => panic!("not a reply: {other:?}"),
    }
}

/// How far a stream has everything in the only log.
pub(crate) fn seq(link: &Link) -> u64 {
    link.cursor().parts()[0].seq
}

/// Polls as a short poll does: until current.
pub(crate) async fn short_poll(link: &mut Link) -> Vec<Push> {
    let mut out = poll(link, ROOM);
    while !link.is_current() {
        timeout(Duration::from_secs(60), link.ready())
            .await
            .expect("the stream gets current within a minute");
        link.poll(ROOM, &mut out);
    }
    out
}

pub(crate) fn command(req: u64, command: Command) -> Request {
    Request {
        req: Some(req),
        command,
    }
}

pub(crate) fn subscribe(name: &str) -> Command {
    Command::Subscribe {
        channel: channel(name),
        after: None,
        history: None,
    }
}

/// Messages by `seq`, other events by type.
pub(crate) fn names(pushes: &[Push]) -> Vec<String> {
    let name = |push: &Push| match push {
        Push::Event(event) => match event.event() {
            Event::Message(message) => message.seq.to_string(),
            other => other.type_name().to_owned(),
        },
        Push::Reply(reply) => format!("{:?}", reply.body),
        Push::Close { code, .. } => code.to_string(),
    };
    pushes.iter().map(name).collect()
}

/// Runs `test` where shards can live, on virtual time.
pub(crate) fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(LocalSet::new().run_until(test()));
}
