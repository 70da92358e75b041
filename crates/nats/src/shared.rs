//! What all parts of the engine work with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_engine::{Clock, Notifier};
use tidings_wire::{Encoded, Epoch, Event};

use crate::api::Api;
use crate::known::Known;
use crate::layout::Layout;
use crate::link::Link;
use crate::statistics::Statistics;

/// See the module.
pub(crate) struct Shared {
    pub(crate) api: Api,
    pub(crate) layout: Layout,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notifier: Notifier,
    pub(crate) link: Arc<Link>,
    pub(crate) known: Mutex<Known>,
    statistics: Mutex<Statistics>,
    /// By log: the newest place that anybody here was told of.
    heads: Vec<AtomicU64>,
}

impl Shared {
    pub(crate) fn new(
        api: Api,
        layout: Layout,
        epochs: Vec<Epoch>,
        clock: Arc<dyn Clock>,
        link: Arc<Link>,
    ) -> Self {
        let heads = epochs.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            api,
            layout,
            epochs,
            clock,
            notifier: Notifier::default(),
            link,
            known: Mutex::default(),
            statistics: Mutex::default(),
            heads,
        }
    }

    pub(crate) fn head(&self, log: usize) -> u64 {
        self.heads[log].load(Ordering::Acquire)
    }

    /// A log goes as far as `seq`; how far that is now known here.
    pub(crate) fn raise_head(&self, log: usize, seq: u64) -> u64 {
        self.heads[log].fetch_max(seq, Ordering::AcqRel).max(seq)
    }

    /// Counts something.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Statistics)) {
        count(&mut lock(&self.statistics));
    }

    /// What was counted.
    pub(crate) fn counted(&self) -> Statistics {
        lock(&self.statistics).clone()
    }

    pub(crate) fn encoded(&self, event: Event, log: usize) -> Arc<Encoded> {
        Arc::new(Encoded::new(event, self.epochs[log].clone()))
    }
}

/// What is behind these locks is whole between any two statements, so that a panic elsewhere is no reason not to go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
