//! Logs in memory under names of our choice, which can come back after a restart with less in them.

use std::sync::{Arc, Mutex, PoisonError};

use tidings_engine::{
    Answer, DEDUP_WINDOW, Draft, Engine, EngineError, Entry, ManualClock, MemoryEngine, Notice,
    Page, Published, Query, RetentionPolicies, Watch,
};
use tidings_wire::{ChannelName, Data, Epoch, Event, Message, MessageId, Presence, User};

/// An engine whose epochs are told and not made, and which remembers what it committed.
pub(crate) struct NamedLog {
    engine: MemoryEngine,
    epochs: Vec<Epoch>,
    clock: Arc<ManualClock>,
    watch: Mutex<Watch>,
}

impl NamedLog {
    /// Empty ones, one of each name.
    pub(crate) fn new(
        epochs: Vec<Epoch>,
        clock: Arc<ManualClock>,
        retention: RetentionPolicies,
    ) -> Self {
        let logs = epochs.len();
        let engine = MemoryEngine::with_logs(logs, clock.clone(), retention, DEDUP_WINDOW);
        let watch = Mutex::new(engine.watch());
        Self {
            engine,
            epochs,
            clock,
            watch,
        }
    }

    /// Where faults are asked for.
    pub(crate) fn faults(&self) -> &MemoryEngine {
        &self.engine
    }

    /// What was committed since the last time that somebody asked. Ask before
    /// [`WATCH_NOTICES_MAX`](tidings_engine::WATCH_NOTICES_MAX) more were.
    pub(crate) fn committed(&self) -> Vec<Arc<Message>> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages = Vec::new();
        while let Some(notice) = watch.try_next() {
            match notice {
                Notice::Committed(batch) => {
                    messages.extend(batch.events.iter().filter_map(|it| match it.event() {
                        Event::Message(message) => Some(message.clone()),
                        _ => None,
                    }));
                }
                Notice::Passing(_) => {}
                Notice::Lagged => panic!("nobody asked for too long"),
            }
        }
        messages
    }

    /// Stores again what a log had before, under the same `seq`s and at the same times.
    pub(crate) async fn refill(&self, messages: &[Arc<Message>]) -> Result<(), EngineError> {
        for message in messages {
            self.clock.set(message.at);
            let published = self.engine.publish(Draft {
                channel: message.channel.clone(),
                id: message.id.clone(),
                from: message.from.clone(),
                data: message.data.clone(),
                at: None,
            });
            assert_eq!(
                published.await?.seq,
                message.seq,
                "a refilled log is the same"
            );
        }
        Ok(())
    }

    /// Leaves `count` `seq`s out of each log, as a log does after a loss of power. Here they are messages of channels
    /// that nobody follows.
    pub(crate) async fn leave_out(&self, count: u64) -> Result<(), EngineError> {
        for log in 0..self.epochs.len() {
            let mut names = (0..).filter_map(|n| ChannelName::new(&format!("gap:{n}")).ok());
            let channel = names.find(|name| self.log_of(name) == log);
            let channel = channel.expect("every log has names");
            for _ in 0..count {
                let id = format!("gap-{}", self.head(log));
                let published = self.engine.publish(Draft {
                    channel: channel.clone(),
                    id: MessageId::new(&id).expect("it is short"),
                    from: User::new("nobody").expect("it is short"),
                    data: Data::from_text(""),
                    at: None,
                });
                published.await?;
            }
        }
        Ok(())
    }
}

impl Engine for NamedLog {
    fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    fn log_of(&self, channel: &ChannelName) -> usize {
        self.engine.log_of(channel)
    }

    fn head(&self, log: usize) -> u64 {
        self.engine.head(log)
    }

    fn publish(&self, draft: Draft) -> Answer<Published> {
        self.engine.publish(draft)
    }

    fn read(&self, query: Query) -> Answer<Page> {
        self.engine.read(query)
    }

    fn signal(&self, channel: ChannelName, from: User, data: Data) {
        self.engine.signal(channel, from, data);
    }

    fn enter(&self, entry: Entry) {
        self.engine.enter(entry);
    }

    fn leave(&self, entry: Entry) {
        self.engine.leave(entry);
    }

    fn present(&self, channel: ChannelName) -> Answer<Presence> {
        self.engine.present(channel)
    }

    fn watch(&self) -> Watch {
        self.engine.watch()
    }
}
