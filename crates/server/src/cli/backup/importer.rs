//! Brings the messages of a backup into an engine, in their order.
//!
//! One batch is on its way while the next is made, and no more: so a batch that fails is followed by
//! nothing, and order is kept whatever happens.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::Duration;

use tidings_engine::{Answer, Draft, Engine, EngineError, Published, RetentionPolicies};
use tidings_wire::{ChannelName, Message};

use super::known::{Known, Standing, Unknown};

/// Messages in a batch: as many as the log commits at once.
const BATCH_MESSAGES_MAX: usize = 1024;

/// Bytes of data in a batch, but for a single larger message: as many as the log commits at once.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How often an engine is asked that is busy.
const TRIES: u32 = 8;

/// How long to wait before the second try; each wait is twice the one before: 25 s in all.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// An import under way.
pub(super) struct Importer<'a> {
    engine: &'a dyn Engine,
    known: Known<'a>,
    retention: &'a RetentionPolicies,
    /// When it began, in milliseconds since the Unix epoch.
    now: u64,
    batch: Vec<Draft>,
    batch_bytes: usize,
    on_their_way: Vec<(Draft, Answer<Published>)>,
    tally: Tally,
    /// How many were brought to each channel.
    channels: HashMap<ChannelName, u64>,
}

/// What became of the messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Stored.
    pub(super) stored: u64,
    /// Not stored, for they were there.
    pub(super) there: u64,
    /// Not stored, for they are older than retention keeps messages.
    pub(super) too_old: u64,
    /// Not stored, for retention has cut off their channel behind them.
    pub(super) cut_off: u64,
    /// Of those stored, more than retention keeps of their channels, so that the oldest go again.
    pub(super) too_many: u64,
}

impl<'a> Importer<'a> {
    /// Brings messages to `engine`, whose settings are `retention` and `dedup_window`.
    pub(super) fn new(
        engine: &'a dyn Engine,
        retention: &'a RetentionPolicies,
        dedup_window: Duration,
        now: u64,
    ) -> Self {
        let window = u64::try_from(dedup_window.as_millis()).unwrap_or(u64::MAX);
        Self {
            engine,
            known: Known::new(engine, window),
            retention,
            now,
            batch: Vec::new(),
            batch_bytes: 0,
            on_their_way: Vec::new(),
            tally: Tally::default(),
            channels: HashMap::new(),
        }
    }

    /// Takes the next message of the backup. After an error nothing more is to be brought.
    pub(super) fn bring(&mut self, message: Message) -> Result<(), Unknown> {
        if self.is_too_old(&message) {
            self.tally.too_old += 1;
            return Ok(());
        }
        match self.known.standing(&message)? {
            Standing::There => self.tally.there += 1,
            Standing::CutOff => self.tally.cut_off += 1,
            Standing::New => {
                self.batch_bytes += message.data.len();
                self.batch.push(Draft {
                    channel: message.channel,
                    id: message.id,
                    from: message.from,
                    data: message.data,
                    at: Some(message.at),
                });
                if self.batch.len() >= BATCH_MESSAGES_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
                    self.send()?;
                }
            }
        }
        Ok(())
    }

    /// Waits until all that was taken is stored.
    pub(super) fn finish(&mut self) -> Result<(), EngineError> {
        self.send()?;
        self.settle()
    }

    /// What became of what was taken, and is certain.
    pub(super) fn tally(&self) -> Tally {
        let too_many = self.channels.iter().map(|(channel, brought)| {
            let kept = self.retention.of(channel).messages.unwrap_or(u64::MAX);
            let all = brought + self.known.count(channel) as u64;
            all.saturating_sub(kept).min(*brought)
        });
        Tally {
            too_many: too_many.sum(),
            ..self.tally
        }
    }

    fn is_too_old(&self, message: &Message) -> bool {
        let age = u128::from(self.now.saturating_sub(message.at));
        let bound = self.retention.of(&message.channel).age;
        bound.is_some_and(|bound| age >= bound.as_millis())
    }

    /// Sends the batch, after the one before is stored.
    fn send(&mut self) -> Result<(), EngineError> {
        self.settle()?;
        let drafts = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.publish(drafts);
        Ok(())
    }

    fn publish(&mut self, drafts: Vec<Draft>) {
        let answers = self.engine.publish_all(drafts.clone());
        self.on_their_way = drafts.into_iter().zip(answers).collect();
    }

    /// Waits for what is on its way. What the engine is too busy for is sent again.
    fn settle(&mut self) -> Result<(), EngineError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            let again = self.answered()?;
            if again.is_empty() {
                return Ok(());
            }
            sleep(wait);
            wait *= 2;
            self.publish(again);
        }
        match self.answered()?.is_empty() {
            true => Ok(()),
            false => Err(EngineError::Busy),
        }
    }

    /// Waits for the answers, and gives back what the engine was too busy for.
    fn answered(&mut self) -> Result<Vec<Draft>, EngineError> {
        let mut again = Vec::new();
        for (draft, answer) in std::mem::take(&mut self.on_their_way) {
            match answer.wait() {
                Ok(published) if published.repeated => self.tally.there += 1,
                Ok(_) => {
                    self.tally.stored += 1;
                    *self.channels.entry(draft.channel).or_default() += 1;
                }
                Err(EngineError::Busy) => again.push(draft),
                Err(error) => return Err(error),
            }
        }
        Ok(again)
    }
}
