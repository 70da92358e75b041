//! Balance: which shard carries a connection.
//!
//! The kernel spreads connections over the shards' listeners by their addresses, without a look at what each
//! has to do. So the shard that accepts one hands it to another that clearly has less; and a shard that is
//! much busier than another, because the followers of a busy channel happen to be its own, sends some of
//! them there. Their clients notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::sync::mpsc;

use crate::connection::Accepted;
use crate::metrics::Counts;
use crate::transport::websocket::Moved;

/// How often a shard looks at how busy it is.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Connections or sockets on their way to one shard at a time; what finds no place stays where it is.
const ON_THE_WAY_MAX: usize = 256;

/// A connection is accepted elsewhere if that shard has so many fewer, and an eighth fewer: a few more or
/// less do not matter, and to hand one over is more work than to keep it.
const FEWER_CONNECTIONS: usize = 8;

/// It is also accepted elsewhere if this shard is so busy, and that one by so much less, in thousandths of
/// the time; but not beyond twice as many connections, for how busy a shard is shows with delay.
const BUSY: u32 = 500;
const LESS_BUSY: u32 = 200;

/// Sockets that are sent away between two looks, so that no turn is long because of them.
const SENT_AWAY_MAX: usize = 1_000;

/// What a shard has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    connections: usize,
    /// Of the last second, in thousandths.
    busy: u32,
}

impl Load {
    /// By which the lightest one is chosen: little differences in how busy two are do not matter.
    fn weight(self) -> (u32, usize) {
        (self.busy / LESS_BUSY, self.connections)
    }
}

/// One shard's share in the balance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Share {
    own: usize,
    relieve_at: u32,
    shards: Arc<[Place]>,
}

/// What all know of a shard.
struct Place {
    counts: Arc<Counts>,
    busy: AtomicU32,
    accepted: mpsc::Sender<Accepted>,
    moved: mpsc::Sender<Box<Moved>>,
}

/// What comes to a shard from others.
pub(crate) struct Inbox {
    /// Connections that others have accepted.
    pub(crate) accepted: mpsc::Receiver<Accepted>,
    /// Sockets, with their sessions.
    pub(crate) moved: mpsc::Receiver<Box<Moved>>,
}

/// The shares of the shards that count in `counts`, in their order. One that is busy for `relieve_at`
/// thousandths of the time, and twice as busy as another, sends sockets there.
pub(crate) fn shares(
    counts: impl IntoIterator<Item = Arc<Counts>>,
    relieve_at: u32,
) -> Vec<(Share, Inbox)> {
    let (shards, inboxes): (Vec<_>, Vec<_>) = counts.into_iter().map(place_of).unzip();
    let shards: Arc<[Place]> = shards.into();
    let share = |(own, inbox)| {
        let shards = shards.clone();
        let share = Share {
            own,
            relieve_at,
            shards,
        };
        (share, inbox)
    };
    inboxes.into_iter().enumerate().map(share).collect()
}

fn place_of(counts: Arc<Counts>) -> (Place, Inbox) {
    let (accepted, accepted_inbox) = mpsc::channel(ON_THE_WAY_MAX);
    let (moved, moved_inbox) = mpsc::channel(ON_THE_WAY_MAX);
    let place = Place {
        counts,
        busy: AtomicU32::new(0),
        accepted,
        moved,
    };
    let inbox = Inbox {
        accepted: accepted_inbox,
        moved: moved_inbox,
    };
    (place, inbox)
}

impl Share {
    /// Whether there is nobody to share with.
    pub(crate) fn is_alone(&self) -> bool {
        self.shards.len() == 1
    }

    /// The shard that a connection which was just accepted here is better carried by, if there is one.
    pub(crate) fn better_place(&self) -> Option<usize> {
        if self.is_alone() {
            return None;
        }
        better_place(self.own, &self.loads())
    }

    /// The shard that has least to do, for a connection that was accepted on none of them.
    pub(crate) fn least_laden(&self) -> usize {
        let loads = self.loads();
        let least = (0..loads.len()).min_by_key(|&at| loads[at].weight());
        least.unwrap_or(self.own)
    }

    /// Hands an accepted connection to a shard; gives it back if that has no room for it.
    pub(crate) fn hand_over(&self, to: usize, accepted: Accepted) -> Result<(), Accepted> {
        let sent = self.shards[to].accepted.try_send(accepted);
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Sends a socket away to a shard; gives it back if that has no room for it.
    pub(crate) fn send_away(&self, to: usize, moved: Box<Moved>) -> Result<(), Box<Moved>> {
        let sent = self.shards[to].moved.try_send(moved);
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Takes a socket back that was to be sent away, as one that comes from elsewhere.
    pub(crate) async fn take_back(&self, moved: Box<Moved>) {
        // It fails when the shard has ended, and so has the connection then.
        let _ = self.shards[self.own].moved.send(moved).await;
    }

    /// Tells the others how busy this shard was, in thousandths of the time; whom to relieve it by, and by
    /// how many of the `held` sockets.
    pub(crate) fn tell(&self, busy: u32, held: usize) -> Option<Relief> {
        self.shards[self.own].busy.store(busy, Relaxed);
        relief(self.own, held, self.relieve_at, &self.loads())
    }

    fn loads(&self) -> Vec<Load> {
        let load = |place: &Place| Load {
            connections: place.counts.connections(),
            busy: place.busy.load(Relaxed),
        };
        self.shards.iter().map(load).collect()
    }
}

/// Where sockets are to go, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relief {
    /// To this shard.
    pub(crate) to: usize,
    /// So many.
    pub(crate) sockets: usize,
}

fn better_place(own: usize, loads: &[Load]) -> Option<usize> {
    let here = loads[own];
    let fewer = |there: &Load| {
        there.connections + FEWER_CONNECTIONS.max(here.connections / 8) <= here.connections
    };
    let less_busy = |there: &Load| {
        here.busy >= BUSY
            && there.busy + LESS_BUSY <= here.busy
            && there.connections <= 2 * here.connections + FEWER_CONNECTIONS
    };
    let is_busier = |there: &Load| there.busy >= BUSY && here.busy + LESS_BUSY <= there.busy;
    let others = loads.iter().enumerate().filter(|(at, _)| *at != own);
    others
        .filter(|(_, there)| less_busy(there) || (fewer(there) && !is_busier(there)))
        .min_by_key(|(_, there)| there.weight())
        .map(|(at, _)| at)
}

/// Only if the other one is half as busy, and so stays less busy than this one was: none are sent to and fro.
fn relief(own: usize, held: usize, relieve_at: u32, loads: &[Load]) -> Option<Relief> {
    let here = loads[own].busy;
    let (to, there) = loads.iter().enumerate().min_by_key(|(_, load)| load.busy)?;
    if here < relieve_at || 2 * there.busy > here || here == 0 {
        return None;
    }
    // Half of what it has more to do, as if all sockets were alike.
    let sockets = held * (here - there.busy) as usize / (2 * here as usize);
    (sockets > 0).then_some(Relief {
        to,
        sockets: sockets.min(SENT_AWAY_MAX),
    })
}

/// Measures how busy a shard's thread is: how much of the time it does not wait for something to do.
pub(crate) struct Meter {
    runtime: RuntimeMetrics,
    looked_at: Instant,
    worked: Duration,
}

impl Meter {
    /// Begins to measure the runtime that it is called on, which has one thread.
    pub(crate) fn start() -> Self {
        let runtime = Handle::current().metrics();
        Self {
            looked_at: Instant::now(),
            worked: runtime.worker_total_busy_duration(0),
            runtime,
        }
    }

    /// How much of the time since it was read before the thread was at work, in thousandths.
    pub(crate) fn read(&mut self) -> u32 {
        let (now, worked) = (Instant::now(), self.runtime.worker_total_busy_duration(0));
        let elapsed = now - std::mem::replace(&mut self.looked_at, now);
        let at_work = worked.saturating_sub(std::mem::replace(&mut self.worked, worked));
        let busy = at_work.as_micros() * 1000 / elapsed.as_micros().max(1);
        busy.min(1000) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(loads: &[(usize, u32)]) -> Vec<Load> {
        let load = |&(connections, busy)| Load { connections, busy };
        loads.iter().map(load).collect()
    }

    #[test]
    fn a_connection_goes_where_there_are_clearly_fewer() {
        let place = |own, all: &[(usize, u32)]| better_place(own, &loads(all));
        assert_eq!(place(0, &[(8, 0), (0, 0)]), Some(1));
        assert_eq!(place(0, &[(7, 0), (0, 0)]), None);
        assert_eq!(place(0, &[(800, 0), (700, 0)]), Some(1));
        assert_eq!(place(0, &[(800, 0), (701, 0)]), None);
        assert_eq!(place(1, &[(800, 0), (100, 0)]), None, "it is here already");
        assert_eq!(place(2, &[(50, 0), (20, 0), (90, 0)]), Some(1));
    }

    #[test]
    fn a_connection_goes_where_there_is_clearly_less_to_do_within_bounds() {
        let place = |own, all: &[(usize, u32)]| better_place(own, &loads(all));
        assert_eq!(place(0, &[(100, 500), (100, 300)]), Some(1));
        assert_eq!(place(0, &[(100, 499), (100, 0)]), None);
        assert_eq!(place(0, &[(100, 500), (100, 301)]), None);
        assert_eq!(place(0, &[(100, 900), (208, 0)]), Some(1));
        assert_eq!(place(0, &[(100, 900), (209, 0)]), None);
        // Few connections that have much to do attract no more.
        assert_eq!(place(0, &[(100, 100), (10, 900)]), None);
    }

    #[test]
    fn a_shard_that_is_much_busier_than_another_is_relieved_of_half_the_difference() {
        let relieved = |own, held, all: &[(usize, u32)]| {
            let relief = relief(own, held, 600, &loads(all));
            relief.map(|relief| (relief.to, relief.sockets))
        };
        assert_eq!(relieved(0, 100, &[(0, 600), (0, 300)]), Some((1, 25)));
        assert_eq!(relieved(0, 100, &[(0, 599), (0, 0)]), None);
        assert_eq!(relieved(0, 100, &[(0, 600), (0, 301)]), None);
        assert_eq!(relieved(1, 100, &[(0, 900), (0, 100)]), None);
        assert_eq!(relieved(0, 10_000, &[(0, 1000), (0, 0)]), Some((1, 1000)));
        let alone = relieved(0, 1, &[(0, 1000), (0, 0)]);
        assert_eq!(alone, None, "one is not halved");
        assert_eq!(relieved(0, 100, &[(0, 1000)]), None);
    }

    #[tokio::test]
    async fn a_thread_that_works_is_busy() {
        let mut meter = Meter::start();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(5) {}
        // The runtime notes it when it waits the next time.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(meter.read() > 0);
    }
}
