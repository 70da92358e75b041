//! Sessions in step: those that are to be given nothing but what comes next in one channel.
//!
//! Most followers are. They follow one channel, have had everything, and wait; a committed batch gives
//! all of them the same stretch of the channel's tail. So the stretch is put together once, and each of
//! them costs no more than a move of its position, here, in an array without anything else.
//!
//! While a session is in step the position in the session itself is old. Whatever else happens to a
//! session, it falls out of step first and has its position back.

use std::sync::Arc;

use tidings_wire::Encoded;

use crate::Room;
use crate::tail::{Tail, seq};

/// Which sessions are in step with which channel, and where; by session.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

#[derive(Clone, Copy)]
struct Step {
    position: u64,
    channel: u32,
}

/// No slab has as many entries.
const NO_CHANNEL: u32 = u32::MAX;

impl Steps {
    /// A session, which has had everything up to `position`, goes in step with `channel`.
    pub(crate) fn begin(&mut self, session: usize, channel: usize, position: u64) {
        if self.0.len() <= session {
            let nowhere = Step {
                position: 0,
                channel: NO_CHANNEL,
            };
            self.0.resize(session + 1, nowhere);
        }
        self.0[session] = Step {
            position,
            channel: channel as u32,
        };
    }

    /// A session falls out of step; its position, if it was in step.
    pub(crate) fn end(&mut self, session: usize) -> Option<u64> {
        let step = self.0.get_mut(session)?;
        let was_in_step = step.channel != NO_CHANNEL;
        step.channel = NO_CHANNEL;
        was_in_step.then_some(step.position)
    }

    /// The channel and the position of a session in step.
    pub(crate) fn get(&self, session: usize) -> Option<(usize, u64)> {
        let step = self.0.get(session)?;
        (step.channel != NO_CHANNEL).then_some((step.channel as usize, step.position))
    }

    /// A session in step was given everything up to `position`.
    pub(crate) fn advance(&mut self, session: usize, position: u64) {
        self.0[session].position = position;
    }
}

/// The newest messages of a channel, as everybody is given them who has had those before.
#[derive(Default)]
pub struct Stretch {
    events: Vec<Arc<Encoded>>,
    has_more: bool,
    /// Whoever is given it has had everything up to here.
    end: u64,
    of: Option<Origin>,
}

/// What a stretch is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) channel: usize,
    pub(crate) after: u64,
    pub(crate) watermark: u64,
    pub(crate) room: Room,
}

impl Stretch {
    /// The messages, oldest first; at least one.
    pub fn events(&self) -> &[Arc<Encoded>] {
        &self.events
    }

    /// Whether there are more than there was room for.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Becomes the one that `of` says, unless it is that already. Its tail covers where it begins.
    pub(crate) fn become_that(&mut self, of: Origin, tail: &Tail) {
        if self.of == Some(of) {
            return;
        }
        self.of = Some(of);
        self.events.clear();
        self.end = of.watermark;
        let Room { mut bytes, events } = of.room;
        let mut place = tail.place_after(of.after);
        while let Some(event) = tail.at(place) {
            if bytes == 0 || self.events.len() == events {
                self.end = self.events.last().map_or(of.after, |event| seq(event));
                break;
            }
            bytes = bytes.saturating_sub(event.weight());
            self.events.push(event.clone());
            place += 1;
        }
        self.has_more = self.end < of.watermark && tail.at(place).is_some();
    }

    /// Lets go of the messages.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.of = None;
    }
}
