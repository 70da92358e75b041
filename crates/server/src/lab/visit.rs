//! A visit: its lanes, and the stream that tells what passes on them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use serde_json::json;
use tidings_hub::Refusal;
use tidings_wire::Code;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::feed::{Feed, Told};
use super::lane::{Lane, Total};
use crate::http::problem::refusal;
use crate::shutdown::Drain;

/// See the module.
#[derive(Debug)]
pub(super) struct Visit {
    name: String,
    feed: Arc<Feed>,
    lanes: Mutex<Lanes>,
}

#[derive(Debug, Default)]
struct Lanes {
    /// How many there have been.
    opened: u32,
    /// How many are about to be.
    opening: usize,
    open: BTreeMap<u32, Arc<Lane>>,
}

/// Lanes of a visit at a time: one for each transport, and some to compare.
const LANES_MAX: usize = 8;

/// How often it is looked whether totals have changed.
const TOTALS_EVERY: Duration = Duration::from_millis(250);

/// So many looks make a second, in which at least the time is told: a page sees that it is still heard.
const LOOKS_A_SECOND: u32 = 4;

/// How long lines are gathered that come one upon the other.
const GATHERED_FOR: Duration = Duration::from_millis(10);

impl Visit {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            feed: Arc::new(Feed::new()),
            lanes: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Opens a lane on `ip`, for the server at `to`; gives its number and its port.
    pub(super) async fn open(&self, ip: IpAddr, to: SocketAddr) -> Result<(u32, u16), Refusal> {
        let number = {
            let mut lanes = self.lanes();
            if lanes.open.len() + lanes.opening >= LANES_MAX {
                return Err(refusal(
                    Code::LimitReached,
                    format!("a visit has {LANES_MAX} lanes at the most"),
                ));
            }
            lanes.opened += 1;
            lanes.opening += 1;
            lanes.opened
        };
        let tap = Told {
            feed: Arc::clone(&self.feed),
            lane: number,
        };
        // It is not given up half-way: it has a task of its own.
        let lane = Lane::open(ip, to, Arc::new(tap)).await;
        let mut lanes = self.lanes();
        lanes.opening -= 1;
        let lane = lane.map_err(|error| {
            refusal(
                Code::Unavailable,
                format!("a lane cannot be opened: {error}"),
            )
        })?;
        let port = lane.port();
        lanes.open.insert(number, Arc::new(lane));
        Ok((number, port))
    }

    /// Ends a lane and all its connections.
    pub(super) fn close(&self, number: u32) -> Result<(), Refusal> {
        let lane = self.lanes().open.remove(&number);
        lane.map(drop).ok_or_else(no_lane)
    }

    /// The lane of that number.
    pub(super) fn lane(&self, number: u32) -> Result<Arc<Lane>, Refusal> {
        let lane = self.lanes().open.get(&number).cloned();
        lane.ok_or_else(no_lane)
    }

    /// Tells what passes until the server ends, and is the visit's life.
    pub(super) fn read(self: Arc<Self>, drain: Drain) -> impl Stream<Item = Bytes> + Send {
        self.feed.tell(|_| json!({"visit": self.name, "now": 0}));
        let mut ticks = interval(TOTALS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reader = Reader {
            visit: self,
            drain,
            ticks,
            looks: 0,
            totals: BTreeMap::new(),
        };
        futures_util::stream::unfold(reader, Reader::next)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_lane() -> Refusal {
    refusal(Code::NotFound, "the visit has no such lane")
}

/// Who reads a visit.
struct Reader {
    visit: Arc<Visit>,
    drain: Drain,
    ticks: tokio::time::Interval,
    looks: u32,
    /// Those that were told last.
    totals: BTreeMap<u32, Total>,
}

impl Reader {
    /// Some lines; `None` when the server ends.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            tokio::select! {
                () = self.drain.begun() => return None,
                () = self.visit.feed.filled() => sleep(GATHERED_FOR).await,
                _ = self.ticks.tick() => self.look(),
            }
            let (lines, missed) = self.visit.feed.take();
            if missed > 0 {
                self.visit
                    .feed
                    .tell(|at| json!({"at": at, "missed": missed}));
            }
            if !lines.is_empty() {
                return Some((lines.into(), self));
            }
        }
    }

    /// Tells what has changed, and the time.
    fn look(&mut self) {
        let feed = &self.visit.feed;
        let lanes: Vec<_> = self
            .visit
            .lanes()
            .open
            .iter()
            .map(|(number, lane)| (*number, lane.total()))
            .collect();
        for (number, total) in lanes {
            let line = |at| json!({"lane": number, "at": at, "total": total});
            // What finds no room is told the next time.
            if self.totals.get(&number) != Some(&total) && feed.tell(line) {
                self.totals.insert(number, total);
            }
        }
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_A_SECOND) {
            feed.tell(|at| json!({"now": at}));
        }
    }
}
