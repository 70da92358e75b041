//! The laws hold for an engine of several logs: here each is an in-memory engine.

use std::sync::{Mutex, PoisonError};

use tidings_engine::laws::{Setup, Subject};
use tidings_engine::{
    Answer, Batch, Draft, Engine, Entry, MemoryEngine, Notice, Notifier, Page, Published, Query,
    Watch,
};
use tidings_wire::{ChannelName, Data, Epoch, Presence, User};

const LOGS: usize = 3;

struct Several {
    logs: Vec<MemoryEngine>,
    epochs: Vec<Epoch>,
    /// What each log tells, and is still to be told on.
    told: Mutex<Vec<Watch>>,
    notifier: Notifier,
}

impl Several {
    fn new(logs: Vec<MemoryEngine>) -> Self {
        Self {
            epochs: logs.iter().flat_map(|log| log.epochs().to_vec()).collect(),
            told: Mutex::new(logs.iter().map(Engine::watch).collect()),
            notifier: Notifier::default(),
            logs,
        }
    }

    fn tell_on(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (log, watch) in told.iter_mut().enumerate() {
            while let Some(notice) = watch.try_next() {
                self.notifier.tell(match notice {
                    Notice::Committed(batch) => Notice::Committed(
                        Batch {
                            log,
                            after: batch.after,
                            events: batch.events.clone(),
                        }
                        .into(),
                    ),
                    other => other,
                });
            }
        }
    }

    fn log(&self, channel: &ChannelName) -> &MemoryEngine {
        &self.logs[self.log_of(channel)]
    }
}

impl Engine for Several {
    fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    fn log_of(&self, channel: &ChannelName) -> usize {
        let sum: usize = channel.as_str().bytes().map(usize::from).sum();
        sum % LOGS
    }

    fn head(&self, log: usize) -> u64 {
        self.logs[log].head(0)
    }

    fn publish(&self, draft: Draft) -> Answer<Published> {
        let answer = self.log(&draft.channel).publish(draft);
        self.tell_on();
        answer
    }

    fn read(&self, query: Query) -> Answer<Page> {
        self.log(&query.channel).read(query)
    }

    fn signal(&self, channel: ChannelName, from: User, data: Data) {
        self.log(&channel).signal(channel.clone(), from, data);
        self.tell_on();
    }

    fn enter(&self, entry: Entry) {
        self.log(&entry.channel).enter(entry.clone());
        self.tell_on();
    }

    fn leave(&self, entry: Entry) {
        self.log(&entry.channel).leave(entry.clone());
        self.tell_on();
    }

    fn present(&self, channel: ChannelName) -> Answer<Presence> {
        self.log(&channel).present(channel)
    }

    fn watch(&self) -> Watch {
        self.notifier.watch()
    }
}

fn several(setup: Setup) -> Subject {
    let Setup {
        clock,
        retention,
        dedup_window,
    } = setup;
    let log = |_| MemoryEngine::with_policies(clock.clone(), retention.clone(), dedup_window);
    let engine = Several::new((0..LOGS).map(log).collect());
    Subject::on_clock(clock, engine)
}

tidings_engine::laws!(several);
tidings_engine::clock_laws!(several);
