//! The in-memory engine keeps the laws.

use tidings_engine::MemoryEngine;
use tidings_engine::laws::{Setup, Subject};

fn memory(setup: Setup) -> Subject {
    let Setup {
        clock,
        retention,
        dedup_window,
    } = setup;
    Subject::new(MemoryEngine::with_policies(clock, retention, dedup_window))
}

tidings_engine::laws!(memory);
