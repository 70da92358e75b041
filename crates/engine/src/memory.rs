//! The in-memory engine: whole logs on one machine that are gone when the process ends.
//!
//! For tests, trials and nodes that need no history over a restart. Everything happens inside the
//! call: a publish is stored, told to the watchers and answered before [`Engine::publish`] returns,
//! so that a test with a clock of its own is deterministic. The decisions are in `store`, which is
//! pure; here are only the lock, the clock, and the faults that tests ask for.

mod store;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_wire::{ChannelName, Data, Encoded, Epoch, Event, Presence, User};

use self::store::{Store, Stored};
use crate::{
    Answer, Batch, Clock, DEDUP_KEYS_MAX, DEDUP_WINDOW, Draft, Engine, EngineError, Entry,
    Forgotten, Notice, Notifier, Page, Published, Query, RetentionPolicies, Roster, SystemClock,
    Watch, fresh_epoch,
};

/// An engine in this process's memory.
///
/// ```
/// use tidings_engine::{Draft, Engine, MemoryEngine};
/// use tidings_wire::{ChannelName, Data, MessageId, User};
///
/// let engine = MemoryEngine::new();
/// let draft = Draft {
///     channel: ChannelName::new("chat:lobby")?,
///     id: MessageId::new("1")?,
///     from: User::new("alice")?,
///     data: Data::from_text("hi"),
///     at: None,
/// };
/// assert_eq!(engine.publish(draft).wait()?.seq, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryEngine {
    epochs: Box<[Epoch]>,
    clock: Arc<dyn Clock>,
    notifier: Notifier,
    inner: Mutex<Inner>,
}

struct Inner {
    /// By log.
    stores: Vec<Store>,
    roster: Roster,
    faults: Faults,
}

/// What a test lets go wrong.
#[derive(Default)]
struct Faults {
    publishes: Option<EngineError>,
    reads: Option<EngineError>,
    reaches: Option<EngineError>,
    /// What is not known here yet; absent: everything is.
    behind: Option<Behind>,
    /// Answers that wait for [`MemoryEngine::release_answer`]; absent: none has to.
    held: Option<VecDeque<Box<dyn FnOnce() + Send>>>,
}

/// How far a node knows that others are ahead of.
struct Behind {
    /// By log.
    heads: Vec<u64>,
    untold: Vec<Notice>,
}

impl MemoryEngine {
    /// An empty log with the default retention, on the computer's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty log with the default retention, on `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self::with_policies(clock, RetentionPolicies::default(), DEDUP_WINDOW)
    }

    /// An empty log on `clock`, which keeps messages by `retention` and their ids for
    /// `dedup_window`.
    pub fn with_policies(
        clock: Arc<dyn Clock>,
        retention: RetentionPolicies,
        dedup_window: Duration,
    ) -> Self {
        Self::with_logs(1, clock, retention, dedup_window)
    }

    /// So many empty logs on `clock`, each of which keeps its messages by `retention` and their ids for
    /// `dedup_window`. Which one a channel is in depends on its name alone.
    ///
    /// # Panics
    ///
    /// If there is to be no log.
    pub fn with_logs(
        logs: usize,
        clock: Arc<dyn Clock>,
        retention: RetentionPolicies,
        dedup_window: Duration,
    ) -> Self {
        assert!(logs > 0, "an engine has a log");
        let store = |_| Store::new(retention.clone(), dedup_window, DEDUP_KEYS_MAX);
        Self {
            epochs: (0..logs).map(|_| fresh_epoch()).collect(),
            clock,
            notifier: Notifier::default(),
            inner: Mutex::new(Inner {
                stores: (0..logs).map(store).collect(),
                roster: Roster::default(),
                faults: Faults::default(),
            }),
        }
    }

    /// From now on every publish fails with `error`; `None`: they do well again.
    pub fn fail_publishes(&self, error: Option<EngineError>) {
        self.lock().faults.publishes = error;
    }

    /// From now on every read fails with `error`; `None`: they do well again.
    pub fn fail_reads(&self, error: Option<EngineError>) {
        self.lock().faults.reads = error;
    }

    /// From now on whoever asks whether a log [reaches](Engine::reach) so far is answered with `error`; `None`: they are told
    /// again.
    pub fn fail_reaches(&self, error: Option<EngineError>) {
        self.lock().faults.reaches = error;
    }

    /// From now on what is published is published as if by another node of a cluster: it is stored, but it
    /// is not told to the watchers here, and [`Engine::head`] knows nothing of it until somebody reads it or asks
    /// whether the log [reaches](Engine::reach) so far.
    pub fn fall_behind(&self) {
        let mut inner = self.lock();
        let heads = inner.stores.iter().map(Store::head).collect();
        let untold = Vec::new();
        let behind = Behind { heads, untold };
        inner.faults.behind.get_or_insert(behind);
    }

    /// Tells everything that was published meanwhile, and falls behind no more.
    pub fn catch_up(&self) {
        let mut inner = self.lock();
        let behind = inner.faults.behind.take();
        let untold = behind.into_iter().flat_map(|behind| behind.untold);
        untold.for_each(|notice| self.notifier.tell(notice));
    }

    /// From now on the answers to publishes and reads wait, though what they tell of is done and told
    /// to the watchers at once, until they are released.
    pub fn hold_answers(&self) {
        self.lock().faults.held.get_or_insert_default();
    }

    /// Gives the answer that has waited longest; false: none waits.
    pub fn release_answer(&self) -> bool {
        let next = self
            .lock()
            .faults
            .held
            .as_mut()
            .and_then(VecDeque::pop_front);
        next.map(|answer| answer()).is_some()
    }

    /// Gives all answers that wait, in their order, and holds no more.
    pub fn release_answers(&self) {
        let held = self.lock().faults.held.take();
        held.into_iter().flatten().for_each(|answer| answer());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here panics half-way through a change, so that a poisoned store is a whole one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encoded(&self, event: Event) -> Arc<Encoded> {
        let log = self.log_of(event.channel());
        Arc::new(Encoded::new(event, self.epochs[log].clone()))
    }

    /// Called under the lock, so that all watchers hear in the order of what happened.
    fn tell_passing(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.notifier.tell(Notice::Passing(self.encoded(event)));
        }
    }
}

impl Inner {
    fn head(&self, log: usize) -> u64 {
        match &self.faults.behind {
            Some(behind) => behind.heads[log],
            None => self.stores[log].head(),
        }
    }

    /// Everything in a log is known from now on, whether it was told or not.
    fn learn(&mut self, log: usize) {
        if let Some(behind) = &mut self.faults.behind {
            behind.heads[log] = self.stores[log].head();
        }
    }
}

impl Faults {
    fn answer<T: Send + 'static>(&mut self, result: Result<T, EngineError>) -> Answer<T> {
        let Some(held) = &mut self.held else {
            return Answer::ready(result);
        };
        let (responder, answer) = Answer::pending();
        held.push_back(Box::new(move || responder.answer(result)));
        answer
    }
}

impl Engine for MemoryEngine {
    fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    fn log_of(&self, channel: &ChannelName) -> usize {
        Forgotten::bucket(channel) % self.epochs.len()
    }

    fn head(&self, log: usize) -> u64 {
        self.lock().head(log)
    }

    fn is_head_certain(&self) -> bool {
        self.lock().faults.behind.is_none()
    }

    fn reach(&self, log: usize, _seq: u64) -> Answer<u64> {
        let mut inner = self.lock();
        let result = match inner.faults.reaches.clone() {
            Some(error) => Err(error),
            None => {
                inner.learn(log);
                Ok(inner.head(log))
            }
        };
        inner.faults.answer(result)
    }

    fn publish(&self, draft: Draft) -> Answer<Published> {
        let now = self.clock.now();
        let log = self.log_of(&draft.channel);
        let mut inner = self.lock();
        if let Some(error) = inner.faults.publishes.clone() {
            return inner.faults.answer(Err(error));
        }
        let after = inner.stores[log].head();
        let published = match inner.stores[log].publish(draft, now) {
            Stored::Before(published) => published,
            Stored::Now(message, published) => {
                let events = vec![self.encoded(Event::Message(message))];
                let batch = Batch { log, after, events };
                let notice = Notice::Committed(Arc::new(batch));
                match &mut inner.faults.behind {
                    Some(behind) => behind.untold.push(notice),
                    None => self.notifier.tell(notice),
                }
                published
            }
        };
        inner.faults.answer(Ok(published))
    }

    fn read(&self, query: Query) -> Answer<Page> {
        let now = self.clock.now();
        let log = self.log_of(&query.channel);
        let mut inner = self.lock();
        let result = match inner.faults.reads.clone() {
            Some(error) => Err(error),
            None => {
                inner.learn(log);
                Ok(inner.stores[log].read(&query, now))
            }
        };
        inner.faults.answer(result)
    }

    fn signal(&self, channel: ChannelName, from: User, data: Data) {
        let _order = self.lock();
        self.tell_passing(Some(Event::Signal {
            channel,
            from,
            data,
        }));
    }

    fn enter(&self, entry: Entry) {
        let now = self.clock.now();
        let mut inner = self.lock();
        self.tell_passing(inner.roster.enter(entry, now));
    }

    fn leave(&self, entry: Entry) {
        let now = self.clock.now();
        let mut inner = self.lock();
        self.tell_passing(inner.roster.leave(&entry, now));
    }

    fn present(&self, channel: ChannelName) -> Answer<Presence> {
        Answer::ready(Ok(self.lock().roster.present(&channel)))
    }

    fn watch(&self) -> Watch {
        self.notifier.watch()
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine")
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tidings_wire::MessageId;

    use super::*;

    fn draft(id: &str) -> Draft {
        draft_in("chat:lobby", id)
    }

    fn draft_in(channel: &str, id: &str) -> Draft {
        Draft {
            channel: ChannelName::new(channel).unwrap(),
            id: MessageId::new(id).unwrap(),
            from: User::new("alice").unwrap(),
            data: Data::from_text("hi"),
            at: None,
        }
    }

    #[test]
    fn watchers_have_heard_before_the_publish_returns() {
        let engine = MemoryEngine::new();
        let mut watch = engine.watch();
        let _answer = engine.publish(draft("1"));
        assert!(matches!(watch.try_next(), Some(Notice::Committed(_))));
    }

    #[test]
    fn a_namespace_is_full_to_the_byte() {
        let retention = crate::Retention {
            bytes: Some(2 * draft("1").data.len() as u64),
            ..Default::default()
        };
        let policies = RetentionPolicies {
            default: retention,
            ..Default::default()
        };
        let engine = MemoryEngine::with_policies(Arc::new(SystemClock), policies, DEDUP_WINDOW);
        for id in ["1", "2", "3"] {
            let _answer = engine.publish(draft(id));
        }
        let query = Query {
            channel: draft("1").channel,
            after: None,
            before: None,
            limit: 10,
        };
        assert_eq!(engine.read(query).wait().unwrap().messages.len(), 2);
    }

    #[test]
    fn faults_come_and_go() {
        let engine = MemoryEngine::new();
        engine.fail_publishes(Some(EngineError::StorageFull));
        assert_eq!(
            engine.publish(draft("1")).wait(),
            Err(EngineError::StorageFull)
        );
        assert_eq!(engine.head(0), 0);
        engine.fail_publishes(None);
        assert_eq!(engine.publish(draft("1")).wait().unwrap().seq, 1);
    }

    #[test]
    fn held_answers_come_late_though_the_deed_is_done() {
        let engine = MemoryEngine::new();
        engine.hold_answers();
        let answer = engine.publish(draft("1"));
        assert_eq!(engine.head(0), 1);
        assert!(engine.release_answer());
        assert_eq!(answer.wait().unwrap().seq, 1);
        assert!(!engine.release_answer());
        let answer = engine.publish(draft("2"));
        engine.release_answers();
        assert_eq!(answer.wait().unwrap().seq, 2);
    }

    #[test]
    fn each_log_counts_for_itself() {
        let engine = MemoryEngine::with_logs(
            3,
            Arc::new(SystemClock),
            RetentionPolicies::default(),
            DEDUP_WINDOW,
        );
        let mut watch = engine.watch();
        let mut heads = [0; 3];
        for n in 0..30 {
            let draft = draft_in(&format!("chat:{n}"), "1");
            let log = engine.log_of(&draft.channel);
            heads[log] += 1;
            assert_eq!(engine.publish(draft).wait().unwrap().seq, heads[log]);
            let Some(Notice::Committed(batch)) = watch.try_next() else {
                panic!("a batch was told");
            };
            let place = (batch.log, batch.after, batch.head());
            assert_eq!(place, (log, heads[log] - 1, heads[log]));
        }
        for (log, head) in heads.into_iter().enumerate() {
            assert!(head > 0, "nothing is in log {log}");
            assert_eq!(engine.head(log), head);
        }
    }

    #[test]
    fn who_has_fallen_behind_knows_what_it_has_asked_for_and_is_told_it_later() {
        let engine = MemoryEngine::new();
        let mut watch = engine.watch();
        engine.fall_behind();
        assert_eq!(engine.publish(draft("1")).wait().unwrap().seq, 1);
        assert_eq!(engine.head(0), 0);
        engine.fail_reaches(Some(EngineError::Busy));
        assert_eq!(engine.reach(0, 1).wait(), Err(EngineError::Busy));
        assert_eq!(engine.head(0), 0);
        engine.fail_reaches(None);
        assert_eq!(engine.reach(0, 1).wait(), Ok(1));
        assert_eq!(engine.head(0), 1);
        assert!(watch.try_next().is_none());
        engine.catch_up();
        assert!(matches!(watch.try_next(), Some(Notice::Committed(_))));
    }
}
