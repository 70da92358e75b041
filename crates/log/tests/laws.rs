//! The log keeps the laws of every engine.

use tidings_engine::laws::{Setup, Subject};
use tidings_log::{Log, LogConfig};

fn log(setup: Setup) -> Subject {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = LogConfig {
        clock: setup.clock.clone(),
        retention: setup.retention,
        dedup_window: setup.dedup_window,
        ..LogConfig::new(dir.path())
    };
    let log = Log::open(config).expect("a new log opens");
    Subject::on_clock(setup.clock, log).keeping(dir)
}

tidings_engine::laws!(log);
tidings_engine::clock_laws!(log);
