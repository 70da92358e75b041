//! What a visit is told: lines of JSON, in a bounded queue between those who carry connections and the one who reads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tidings_middlebox::{Direction, Event, Heard, Tap, Transport};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The queue of one visit.
#[derive(Debug)]
pub(super) struct Feed {
    began: Instant,
    waiting: Mutex<Waiting>,
    has_more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that found no room.
    missed: u64,
}

/// What waits for a reader at the most, in bytes: some seconds of a fast line. What finds no room is counted.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// How much of what passed is told, in bytes: of TCP all of what pages look at, of UDP the readable head of a packet.
const TCP_BYTES_TOLD: usize = 4096;
const UDP_BYTES_TOLD: usize = 64;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    lane: u32,
    at: f64,
    wire: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

impl Feed {
    /// Times count from now.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            waiting: Mutex::default(),
            has_more: Notify::new(),
        }
    }

    /// Has a line be read, which is given its time in milliseconds since the feed began. Whether there was room for it.
    pub(super) fn tell<L: Serialize>(&self, line: impl FnOnce(f64) -> L) -> bool {
        let mut waiting = self.waiting();
        // Under the lock, so that lines stand in the order of their times; as fine as the page draws, and short.
        let at = (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        // Our own types have nothing that JSON lacks.
        let Ok(line) = serde_json::to_vec(&line(at)) else {
            return false;
        };
        if waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            waiting.missed += 1;
            return false;
        }
        waiting.lines.extend_from_slice(&line);
        waiting.lines.push(b'\n');
        drop(waiting);
        self.has_more.notify_one();
        true
    }

    /// Waits until there is something to read. Cancel safe.
    pub(super) async fn filled(&self) {
        self.has_more.notified().await;
    }

    /// All that waits, and how many lines were missed before it.
    pub(super) fn take(&self) -> (Vec<u8>, u64) {
        let waiting = std::mem::take(&mut *self.waiting());
        (waiting.lines, waiting.missed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What passes on one lane, told in its visit's feed.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) feed: std::sync::Arc<Feed>,
    pub(super) lane: u32,
}

impl Tap for Told {
    fn hear(&self, heard: Heard<'_>) {
        let (wire, told) = match heard.transport {
            Transport::Tcp => ("tcp", TCP_BYTES_TOLD),
            Transport::Udp => ("udp", UDP_BYTES_TOLD),
        };
        let (event, bytes, size) = match heard.event {
            Event::Open => ("open", None, None),
            Event::Passed(Direction::Up, bytes) => ("up", Some(bytes), Some(bytes.len())),
            Event::Passed(Direction::Down, bytes) => ("down", Some(bytes), Some(bytes.len())),
            Event::Lost(size) => ("lost", None, Some(size)),
            Event::Close => ("close", None, None),
            Event::Refused => ("refused", None, None),
        };
        let bytes = bytes.map(|bytes| STANDARD.encode(&bytes[..bytes.len().min(told)]));
        self.feed.tell(|at| Line {
            lane: self.lane,
            at,
            wire,
            connection: (heard.connection > 0).then_some(heard.connection),
            event,
            bytes,
            size,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_counted() {
        let feed = Arc::new(Feed::new());
        let tap = Told {
            feed: Arc::clone(&feed),
            lane: 1,
        };
        let bytes = [7; 2 * TCP_BYTES_TOLD];
        let passed = Heard {
            transport: Transport::Tcp,
            connection: 3,
            event: Event::Passed(Direction::Up, &bytes),
        };
        for _ in 0..2 * WAITING_BYTES_MAX / TCP_BYTES_TOLD {
            tap.hear(passed);
        }
        let (lines, missed) = feed.take();
        assert!(missed > 0 && lines.len() <= WAITING_BYTES_MAX + 1);
        let first = lines.split(|byte| *byte == b'\n').next().unwrap();
        let first: serde_json::Value = serde_json::from_slice(first).unwrap();
        assert_eq!(first["size"], bytes.len());
        let told = STANDARD.decode(first["bytes"].as_str().unwrap()).unwrap();
        assert_eq!(told.len(), TCP_BYTES_TOLD);
        assert_eq!(feed.take(), (Vec::new(), 0));
    }
}
