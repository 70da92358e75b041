//! What the tests work with: a server for all of them, names of their own, and waits that end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tidings_engine::{Answer, Draft, Engine, Notice, Page, Published, Query, Watch};
use tidings_nats::{Nats, NatsConfig, NatsError};
use tidings_testkit::nats::Server;
use tidings_wire::{ChannelName, Data, Event, MessageId, User};

/// When to give up: an election on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A name that no other cluster on the server has.
pub(crate) fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn config(server: &Server) -> NatsConfig {
    NatsConfig {
        name: name(),
        ..NatsConfig::new([server.url()])
    }
}

pub(crate) fn open(config: &NatsConfig) -> Nats {
    Nats::open(config.clone()).expect("NATS is there")
}

/// Why it cannot be opened, after the short time that it has.
pub(crate) fn refusal(config: NatsConfig) -> NatsError {
    const SHORT: Duration = Duration::from_secs(2);
    Nats::open(NatsConfig {
        connect_within: SHORT,
        ..config
    })
    .expect_err("it is refused")
}

/// So many nodes of one cluster.
pub(crate) fn nodes<const N: usize>(server: &Server) -> [Nats; N] {
    let config = config(server);
    [(); N].map(|()| open(&config))
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("a good name")
}

pub(crate) fn user(name: &str) -> User {
    User::new(name).expect("a good name")
}

pub(crate) fn draft(name: &str, id: &str) -> Draft {
    Draft {
        channel: channel(name),
        id: MessageId::new(id).expect("a good id"),
        from: user("ada"),
        data: Data::from_text(id),
        at: None,
    }
}

pub(crate) fn publish(engine: &Nats, name: &str, id: &str) -> Published {
    answered(engine.publish(draft(name, id)))
}

/// Publishes as a client does: again by the same id while it is told that the engine is away.
pub(crate) fn publish_whatever(engine: &Nats, name: &str, id: &str) -> Published {
    let mut published = None;
    until("the publish", || {
        published = engine.publish(draft(name, id)).wait().ok();
        published.is_some()
    });
    published.expect("it was")
}

pub(crate) fn answered<T>(answer: Answer<T>) -> T {
    answer.wait().expect("the engine is well")
}

pub(crate) fn read(engine: &Nats, name: &str, after: Option<u64>) -> Page {
    let query = Query {
        channel: channel(name),
        after,
        before: None,
        limit: 1000,
    };
    // As whoever reads does, for a cluster may be electing.
    let mut page = None;
    until("the read", || {
        page = engine.read(query.clone()).wait().ok();
        page.is_some()
    });
    page.expect("it was read")
}

/// Who or what is heard next, each message as its id, everything else by its type and name.
pub(crate) fn hear(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    until(&format!("{count} events"), || {
        while let Some(notice) = watch.try_next() {
            match notice {
                Notice::Committed(batch) => {
                    heard.extend(batch.events.iter().map(|event| describe(event.event())));
                }
                Notice::Passing(event) => heard.push(describe(event.event())),
                Notice::Lagged => panic!("a watcher lagged"),
            }
        }
        heard.len() >= count
    });
    heard
}

fn describe(event: &Event) -> String {
    match event {
        Event::Message(message) => message.id.to_string(),
        Event::Signal { from, .. } => format!("signal {from}"),
        Event::Join { user, .. } => format!("join {user}"),
        Event::Leave { user, .. } => format!("leave {user}"),
        Event::Truncated { .. } => "truncated".to_owned(),
    }
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
