//! What all parts of the engine work with.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use tidings_engine::{Clock, EngineError, Notifier};
use tidings_wire::{Encoded, Epoch, Event};
use tokio::time::sleep;

use crate::api::{Api, ApiError, Extent};
use crate::known::Known;
use crate::layout::Layout;
use crate::link::{Lease, Link};
use crate::statistics::Statistics;
use crate::streams;

/// How soon a stream that has lost its end is given another identity once that has failed.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Shared {
    pub(crate) api: Api,
    jetstream: jetstream::Context,
    pub(crate) layout: Layout,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notifier: Notifier,
    pub(crate) link: Arc<Link>,
    pub(crate) known: Mutex<Known>,
    statistics: Mutex<Statistics>,
    /// Why nothing of what was told holds any longer.
    ruin: OnceLock<String>,
    /// By log: whether its stream has lost its end.
    lost: Vec<AtomicBool>,
    /// By log: the newest place that anybody here was told of.
    heads: Vec<AtomicU64>,
}

impl Shared {
    pub(crate) fn new(
        api: Api,
        jetstream: jetstream::Context,
        layout: Layout,
        epochs: Vec<Epoch>,
        clock: Arc<dyn Clock>,
        link: Arc<Link>,
    ) -> Self {
        let heads = epochs.iter().map(|_| AtomicU64::new(0)).collect();
        let lost = epochs.iter().map(|_| AtomicBool::new(false)).collect();
        Self {
            api,
            jetstream,
            layout,
            epochs,
            clock,
            notifier: Notifier::default(),
            link,
            known: Mutex::default(),
            statistics: Mutex::default(),
            ruin: OnceLock::new(),
            lost,
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

    /// How far a log goes, as a leader says that is certain to be one.
    pub(crate) async fn extent(&self, log: usize) -> Result<Extent, ApiError> {
        let (asked, connection) = (Instant::now(), self.api.connection());
        let extent = self.api.extent(&self.layout.logs()[log].stream).await?;
        let until = asked + extent.lease;
        self.link.lease(log, Lease { until, connection });
        Ok(extent)
    }

    /// What is known of a log's leader, asked for if need be.
    pub(crate) async fn lease(&self, log: usize) -> Result<Lease, ApiError> {
        let leased = || self.link.leased(log, self.api.connection());
        if let Some(lease) = leased() {
            return Ok(lease);
        }
        self.extent(log).await?;
        leased().ok_or_else(ApiError::unled)
    }

    /// Whether a log can be used now; if not, why.
    pub(crate) fn check(&self, log: usize) -> Result<(), EngineError> {
        self.check_identity()?;
        self.link.check_log(log)
    }

    /// Whether the logs are those that they were.
    pub(crate) fn check_identity(&self) -> Result<(), EngineError> {
        if let Some(why) = self.ruin.get() {
            return Err(EngineError::Failed(why.clone()));
        }
        match self.lost.iter().any(|lost| lost.load(Ordering::Acquire)) {
            true => Err(lost()),
            false => Ok(()),
        }
    }

    /// A stream is not the one that it was.
    pub(crate) fn is_another(&self, log: usize) {
        let stream = &self.layout.logs()[log].stream;
        let why = format!(
            "the stream {stream} is another one now; this server must be started again to go on with it"
        );
        if self.ruin.set(why).is_ok() {
            tracing::error!(stream, "the stream is another one now, or has lost its end");
        }
    }

    /// A stream has lost its end, or has given a place to a message that another one had. What was told of it must not be
    /// taken for what it is now: it is given another identity, and until it has one nothing is stored or told to be well.
    /// Gives what a publisher is told.
    pub(crate) fn has_lost_its_end(self: &Arc<Self>, log: usize) -> EngineError {
        if !self.lost[log].swap(true, Ordering::AcqRel) {
            let stream = &self.layout.logs()[log].stream;
            tracing::error!(
                stream,
                "the stream has lost its newest messages, as when all servers of NATS lose their power"
            );
            let shared = self.clone();
            tokio::spawn(async move { shared.renew(log).await });
        }
        lost()
    }

    /// Gives a log another identity. Without, whoever is started again would take it for what it was: so it is tried for as
    /// long as we are there.
    async fn renew(&self, log: usize) {
        let place = &self.layout.logs()[log];
        while let Err(error) = streams::renew(&self.jetstream, place, &self.epochs[log]).await {
            tracing::error!(%error, "its identity cannot be changed yet");
            sleep(RENEW_AGAIN_AFTER).await;
        }
        self.is_another(log);
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

fn lost() -> EngineError {
    EngineError::Unavailable("a stream has lost its end, and is given another identity".to_owned())
}

/// What is behind these locks is whole between any two statements, so that a panic elsewhere is no reason not to go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
