//! What the fuzzer found worth keeping, replayed on the stable compiler: `fuzz/corpus/` holds the
//! fewest inputs that reach all that was ever reached, and those that once failed.
//!
//! `cargo xtask fuzz` searches on from there.

use std::path::Path;
use std::{fs, panic};

#[path = "../../../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    reason = "the same file is the library of the fuzz targets, where these are reached"
)]
mod fuzz;

#[test]
fn bytes_from_a_peer_are_received_alike_however_they_are_cut() {
    replay("receive", fuzz::receive::run);
}

#[test]
fn whatever_two_ends_do_everything_arrives() {
    replay("operations", fuzz::operations::run);
}

#[test]
fn handshakes_of_strangers_are_refused_or_understood() {
    replay("handshake", fuzz::handshake::run);
}

#[test]
fn payloads_are_masked_and_checked_as_defined() {
    replay("payload", fuzz::payload::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let inputs = fs::read_dir(corpus.join(target)).expect("the corpus is in the repository");
    let mut replayed = 0;
    for input in inputs {
        let path = input.expect("a readable folder").path();
        let data = fs::read(&path).expect("a readable file");
        if panic::catch_unwind(|| run(&data)).is_err() {
            panic!(
                "{} fails; look closer with: cargo +nightly fuzz run {target} {}",
                path.display(),
                path.display()
            );
        }
        replayed += 1;
    }
    assert!(replayed > 0, "{target} has no corpus");
}
