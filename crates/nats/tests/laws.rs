//! The engine on NATS keeps the laws of every engine.

use std::sync::atomic::{AtomicU32, Ordering};
use tidings_engine::laws::{Setup, Subject};
use tidings_nats::{Nats, NatsConfig};

static COUNT: AtomicU32 = AtomicU32::new(0);

fn nats(setup: Setup) -> Subject {
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let config = NatsConfig {
        name: format!("laws-{}-{n}", std::process::id()),
        retention: setup.retention,
        dedup_window: setup.dedup_window,
        clock: setup.clock,
        ..NatsConfig::new(["nats://127.0.0.1:14222"])
    };
    Subject::new(Nats::open(config).expect("NATS is there"))
}

tidings_engine::laws!(nats);
