//! What all clients and publishers of a run write into: promises, measurements, troubles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::time::Instant;

use super::ledger::Ledger;
use super::payload::Delivery;
use super::plan::{Plan, Slot};
use super::recorder::Recorder;

/// One thread has it all, and nobody holds it while waiting.
pub(super) type SharedTally = Rc<RefCell<Tally>>;

/// The state of a run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) ledger: Ledger,
    pub(super) recorder: Recorder,
    pub(super) troubles: Troubles,
    /// Messages that were sent, and those of them that were answered.
    pub(super) sent: u64,
    pub(super) answered: u64,
    start: Instant,
}

/// What went wrong on the way without ending the run.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Publishes that the server refused or did not answer, by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Connections that ended before the run did.
    pub(super) broken: u64,
    /// Polls that were tried again.
    pub(super) repeated_polls: u64,
    /// In words, the first of each.
    pub(super) words: Vec<String>,
}

/// How many different words are kept: a person reads a few.
const WORDS_MAX: usize = 5;

impl Troubles {
    /// Keeps what happened, once.
    fn say(&mut self, words: String) {
        if self.words.len() < WORDS_MAX && !self.words.contains(&words) {
            self.words.push(words);
        }
    }
}

impl Tally {
    /// Nothing yet. It begins at [`begin`](Self::begin).
    pub(super) fn new(plan: &Plan, now: Instant) -> Self {
        Self {
            ledger: Ledger::new(plan.channels),
            recorder: Recorder::new(plan.begin_us()..plan.end_us()),
            troubles: Troubles::default(),
            sent: 0,
            answered: 0,
            start: now,
        }
    }

    /// All times count from here.
    pub(super) fn begin(&mut self, start: Instant) {
        self.start = start;
    }

    /// A moment in microseconds since the start.
    pub(super) fn us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// The moment of a message.
    pub(super) fn moment(&self, slot: Slot) -> Instant {
        self.start + std::time::Duration::from_micros(slot.at_us)
    }

    /// A message went out.
    pub(super) fn send(&mut self, slot: Slot, now: Instant) {
        self.sent += 1;
        self.recorder.send(slot.at_us, self.us(now));
    }

    /// A message is stored.
    pub(super) fn acknowledge(&mut self, slot: Slot, seq: u64, now: Instant) {
        self.answered += 1;
        self.ledger.acknowledge(slot.channel, seq);
        self.recorder.acknowledge(slot.at_us, self.us(now));
    }

    /// A message is not stored, or nobody knows.
    pub(super) fn refuse(&mut self, code: &str, words: String) {
        self.answered += 1;
        *self.troubles.refused.entry(code.to_owned()).or_default() += 1;
        self.troubles.say(format!("a message was refused: {words}"));
    }

    /// A message came to a client. One that came before does not count again.
    pub(super) fn deliver(&mut self, follower: usize, delivery: Delivery, now: Instant) {
        if self.ledger.deliver(follower, delivery) {
            let now_us = self.us(now);
            self.recorder.deliver(delivery.at_us, now_us);
        }
    }

    /// A connection ended before the run did.
    pub(super) fn break_off(&mut self, words: String) {
        self.troubles.broken += 1;
        self.troubles.say(format!("a connection ended: {words}"));
    }

    /// A poll was not answered and is tried again.
    pub(super) fn repeat_poll(&mut self, words: String) {
        self.troubles.repeated_polls += 1;
        self.troubles.say(format!("a poll failed: {words}"));
    }
}
