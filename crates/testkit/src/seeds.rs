//! Many seeds, one scenario.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Plays `scenario` with `count` seeds on all processors, or with as many as the environment's
/// `TIDINGS_SEEDS` says; with `TIDINGS_SEED=N`, with seed N alone.
///
/// # Panics
///
/// When a seed panicked, naming the least such seed; those below it have all been played.
pub fn seeds(count: u64, scenario: impl Fn(u64) + Sync) {
    if let Some(seed) = number("TIDINGS_SEED") {
        return scenario(seed);
    }
    let count = number("TIDINGS_SEEDS").unwrap_or(count);
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count || failed.load(Ordering::Relaxed) < seed {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| scenario(seed))).is_err() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(play);
        }
    });
    let failed = failed.into_inner();
    assert!(
        failed == u64::MAX,
        "seed {failed} went wrong; play it again with TIDINGS_SEED={failed}"
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .expect("a seed, or a count of seeds, is a number"),
    )
}
