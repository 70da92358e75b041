//! How many connections the system's limit of open files allows.

use std::io::stderr;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes all the descriptors that the system gives a process, and says how many connections that is.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let descriptors = descriptors.map_or(usize::MAX, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    });
    descriptors.saturating_sub(DESCRIPTORS_KEPT).max(1)
}

/// Has the system make room for the descriptors of so many connections, while the process has one thread.
///
/// Later, with threads that share the table, each doubling of it has an `accept` wait for all processors:
/// 6, 13 and 20 ms where the first 256, 512 and 1,024 connections were.
pub(super) fn make_room(connections: usize) {
    let highest = connections.min(ROOM_MAX) + DESCRIPTORS_KEPT;
    // Closed at once: the room stays. It fails where there may not be as many, and then there is less room.
    let _ = fcntl_dupfd_cloexec(stderr(), highest as i32 - 1);
}

/// Room is made for so many connections; it takes half a megabyte of the system's memory.
const ROOM_MAX: usize = 1 << 16;

/// Descriptors that are not connections: the log's files and readers, the runtimes, the listeners.
const DESCRIPTORS_KEPT: usize = 64;
