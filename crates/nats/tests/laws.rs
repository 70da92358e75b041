//! The engine on NATS keeps the laws of every engine, with its channels in one stream and spread over three.

use std::sync::atomic::{AtomicU32, Ordering};
use tidings_engine::laws::{Setup, Subject};
use tidings_nats::{Nats, NatsConfig};

static COUNT: AtomicU32 = AtomicU32::new(0);

fn open(setup: Setup, shards: usize) -> Subject {
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let config = NatsConfig {
        name: format!("laws-{}-{n}", std::process::id()),
        retention: setup.retention,
        dedup_window: setup.dedup_window,
        shards,
        ..NatsConfig::new(["nats://127.0.0.1:14222"])
    };
    Subject::in_real_time(Nats::open(config).expect("NATS is there"))
}

mod one_stream {
    use super::*;

    fn nats(setup: Setup) -> Subject {
        open(setup, 1)
    }

    tidings_engine::laws!(nats);
}

mod three_streams {
    use super::*;

    fn nats(setup: Setup) -> Subject {
        open(setup, 3)
    }

    tidings_engine::laws!(nats);
}
