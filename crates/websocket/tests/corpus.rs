//! What the fuzzer found worth keeping, replayed on the stable compiler: for each target
//! `fuzz/corpus/` has the fewest inputs that reach all that was ever reached, and beside them, kept by
//! hand, those that once failed or would if the code were broken in a way that reaches nothing new.
//!
//! `cargo xtask fuzz` searches on from there.

use std::path::Path;
use std::{fs, iter, panic};

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let kept = folder.join(format!("{target}.txt"));
    let by_hand = folder.join(format!("{target}-kept.txt"));
    let mut replayed = 0;
    for path in iter::once(kept).chain(by_hand.is_file().then_some(by_hand)) {
        let text = fs::read_to_string(&path).expect("the corpus is in the repository");
        let inputs = fuzz::corpus::read(&text).expect("an input a line");
        for (line, input) in inputs.iter().enumerate() {
            if panic::catch_unwind(|| run(input)).is_err() {
                panic!("line {} of {} fails", line + 1, path.display());
            }
            replayed += 1;
        }
    }
    assert!(replayed > 10, "{target} has no corpus");
}
