//! The in-memory engine keeps the laws.

use tidings_engine::MemoryEngine;
use tidings_engine::laws::{Setup, Subject};

fn memory(setup: Setup) -> Subject {
    let Setup {
        clock,
        retention,
        dedup_window,
    } = setup;
    let engine = MemoryEngine::with_policies(clock.clone(), retention, dedup_window);
    Subject::on_clock(clock, engine)
}

tidings_engine::laws!(memory);
tidings_engine::clock_laws!(memory);
