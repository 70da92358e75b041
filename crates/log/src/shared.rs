//! What the log's threads and its callers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_engine::{Clock, Notifier, Roster};
use tidings_wire::{ChannelName, Encoded, Epoch, Event};

use crate::channels::Channel;
use crate::queue::Queue;
use crate::statistics::Statistics;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) epoch: Epoch,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notifier: Notifier,
    pub(crate) roster: Mutex<Roster>,
    /// `seq` of the newest committed message.
    head: AtomicU64,
    /// Where channels end whose rows are behind their messages; bounded as those are.
    unsaved: Mutex<HashMap<ChannelName, u64>>,
    /// Publishes that wait for the writer.
    pub(crate) queue: Queue,
    /// Locked once a batch or a read, and by whoever watches.
    pub(crate) statistics: Mutex<Statistics>,
}

impl Shared {
    pub(crate) fn new(epoch: Epoch, clock: Arc<dyn Clock>, head: u64, queue: Queue) -> Self {
        Self {
            epoch,
            clock,
            notifier: Notifier::default(),
            roster: Mutex::default(),
            head: AtomicU64::new(head),
            unsaved: Mutex::default(),
            queue,
            statistics: Mutex::default(),
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// The head of a channel whose row is behind. To be asked for *before* a snapshot is taken: the
    /// snapshot then has at least what is told here.
    pub(crate) fn unsaved_head(&self, name: &ChannelName) -> Option<u64> {
        lock(&self.unsaved).get(name).copied()
    }

    /// A commit changed these channels. To be called before anybody is told of its messages.
    pub(crate) fn committed(&self, changed: Vec<(ChannelName, Option<Channel>)>, head: u64) {
        let mut unsaved = lock(&self.unsaved);
        for (name, channel) in changed {
            match channel {
                Some(channel) => drop(unsaved.insert(name, channel.head)),
                None => drop(unsaved.remove(&name)),
            }
        }
        drop(unsaved);
        self.head.store(head, Ordering::Release);
    }

    pub(crate) fn encoded(&self, event: Event) -> Arc<Encoded> {
        Arc::new(Encoded::new(event, self.epoch.clone()))
    }
}

/// What is behind these locks is whole between any two statements, so that a panic elsewhere is no
/// reason not to go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
