//! The engine on NATS keeps the laws of every engine, with its channels in one stream and spread over three.

use tidings_engine::laws::{Setup, Subject};
use tidings_nats::NatsConfig;
use tidings_testkit::nats::Server;

use crate::support::{config, open};

fn subject(setup: Setup, shards: usize) -> Subject {
    let server = Server::start("");
    let nats = open(&NatsConfig {
        retention: setup.retention,
        dedup_window: setup.dedup_window,
        shards,
        ..config(&server)
    });
    Subject::in_real_time(nats).keeping(server)
}

mod one_stream {
    use super::{Setup, Subject, subject};

    fn nats(setup: Setup) -> Subject {
        subject(setup, 1)
    }

    tidings_engine::laws!(nats);
}

mod three_streams {
    use super::{Setup, Subject, subject};

    fn nats(setup: Setup) -> Subject {
        subject(setup, 3)
    }

    tidings_engine::laws!(nats);
}
