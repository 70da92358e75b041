//! A subscription: a cursor over one channel, and where its next messages come from.

use std::rc::Rc;
use std::sync::Arc;

use tidings_engine::{Page, Query};
use tidings_wire::{Encoded, Epoch, Event};

use crate::channel::Channel;
use crate::tail::seq;

/// One session's subscription to one channel.
pub(crate) struct Subscription {
    /// The channel's key, and the place in its list of followers.
    pub(crate) channel: usize,
    pub(crate) place: usize,
    /// The channel's log.
    pub(crate) log: u32,
    /// The number of the next passing event.
    pub(crate) passing: u64,
    /// How far the client has been sent, for as long as it catches up by itself; `None`: it goes with
    /// the session's main lane of its log, whose position is its own.
    pub(crate) own: Option<u64>,
    /// How it begins.
    pub(crate) begin: Begin,
    /// What was read from the log and not sent yet.
    pub(crate) page: Option<Kept>,
    /// The number of the read that is under way, or of the question how far the log goes.
    pub(crate) read: Option<u64>,
    /// The client is to be told of a hole; the oldest message kept (0: none).
    pub(crate) hole: Option<u64>,
    /// Whether the connection entered the channel, and will have to leave it.
    pub(crate) entered: bool,
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// It has begun.
    Running,
    /// With a hole, for the client's cursor means nothing here. What is read first tells the oldest.
    Lost,
    /// With the newest so many messages; only when they are read is it known where it starts.
    Newest { req: Option<u64>, count: usize },
    /// Behind `seq`, if the log is found to go as far, for another server may know more of it; else with a hole, from
    /// its own place on, which is where the log was known to end.
    Beyond { seq: u64 },
}

impl Begin {
    /// At once, with a hole or without.
    pub(crate) fn of(is_lost: bool) -> Self {
        if is_lost { Self::Lost } else { Self::Running }
    }
}

/// A page of the log as events, encoded once for all who asked for it.
pub(crate) struct Recovered {
    /// From behind where it was asked for; `None`: from the end.
    after: Option<u64>,
    pub(crate) events: Vec<Arc<Encoded>>,
    /// The channel has nothing but these events up to here.
    pub(crate) complete: u64,
    /// The log's head as it was read.
    pub(crate) head: u64,
    /// Whether some messages before the first one are lost.
    pub(crate) truncated: bool,
    /// The oldest message that the channel keeps; 0: none.
    pub(crate) oldest: u64,
}

impl Recovered {
    /// Makes events of the messages of `page`, which `query` asked for.
    pub(crate) fn new(query: &Query, page: Page, epoch: &Epoch) -> Self {
        let messages = page.messages.into_iter().map(Event::Message);
        let events: Vec<_> = messages
            .map(|event| Arc::new(Encoded::new(event, epoch.clone())))
            .collect();
        let complete = match events.last() {
            Some(last) if page.more && query.after.is_some() => seq(last),
            _ => page.head,
        };
        Self {
            after: query.after,
            events,
            complete,
            head: page.head,
            truncated: page.truncated,
            oldest: page.oldest,
        }
    }

    /// Whether somebody who is at `position` now asked for it from elsewhere: what others have read has
    /// brought them on meanwhile. What it says of a hole is not about them.
    pub(crate) fn is_stale(&self, position: u64) -> bool {
        self.after.is_some_and(|after| after != position)
    }

    /// `seq` of its first message.
    pub(crate) fn first(&self) -> Option<u64> {
        self.events.first().map(|event| seq(event))
    }

    /// Of a page of the newest message alone: what is to be told to whoever has had everything up to
    /// `position`, if messages before this one were not given to them.
    pub(crate) fn hole_before_newest(&self, position: u64) -> Option<u64> {
        let Some(newest) = self.events.first() else {
            return self.truncated.then_some(0);
        };
        match newest.event() {
            Event::Message(message) if message.prev > position => Some(message.seq),
            _ => None,
        }
    }
}

/// A page that is being sent, and how far it was.
pub(crate) struct Kept {
    page: Rc<Recovered>,
    place: usize,
}

impl Kept {
    pub(crate) fn new(page: Rc<Recovered>) -> Self {
        Self { page, place: 0 }
    }

    fn front(&self) -> Option<&Arc<Encoded>> {
        self.page.events.get(self.place)
    }
}

/// The next message of a subscription, and how far it is known.
pub(crate) struct Source {
    /// Up to here, what there is is at hand.
    pub(crate) complete: u64,
    /// The next message's `seq`, if it is at hand.
    pub(crate) next: Option<u64>,
    /// Its place in the tail; of no meaning when it is in the page.
    pub(crate) place: usize,
}

impl Subscription {
    /// Begins anew, with whatever position its lane has; what was read for the old one is ignored.
    pub(crate) fn restart(&mut self, begin: Begin) {
        self.begin = begin;
        self.page = None;
        self.read = None;
        self.hole = None;
    }

    /// Lets go of what is behind `position`, and of the page once it is all sent.
    pub(crate) fn pass(&mut self, position: u64) {
        let Some(page) = &mut self.page else {
            return;
        };
        while page.front().is_some_and(|event| seq(event) <= position) {
            page.place += 1;
        }
        if page.front().is_none() && page.page.complete <= position {
            self.page = None;
        }
    }

    /// Lets go of a page of which nothing is left to send; how far it was complete.
    pub(crate) fn finish_page(&mut self) -> Option<u64> {
        let page = self.page.take_if(|page| page.front().is_none())?;
        Some(page.page.complete)
    }

    /// Where to go on behind `position`.
    pub(crate) fn source(&self, position: u64, channel: &Channel, watermark: u64) -> Source {
        if let Some(page) = &self.page {
            return Source {
                complete: page.page.complete,
                next: page.front().map(|event| seq(event)),
                place: 0,
            };
        }
        if !self.is_running_on(channel, position) {
            return Source {
                complete: position,
                next: None,
                place: 0,
            };
        }
        let place = channel.tail.place_after(position);
        Source {
            complete: watermark,
            next: channel.tail.at(place).map(|event| seq(event)),
            place,
        }
    }

    /// The message at a place that [`source`](Self::source) gave, and the one behind it.
    pub(crate) fn take(
        &mut self,
        place: usize,
        channel: &Channel,
    ) -> (Option<Arc<Encoded>>, Option<u64>) {
        match &mut self.page {
            Some(page) => {
                let event = page.front().cloned();
                page.place += 1;
                (event, page.front().map(|event| seq(event)))
            }
            None => (
                channel.tail.at(place).cloned(),
                channel.tail.at(place + 1).map(|event| seq(event)),
            ),
        }
    }

    /// Whether nothing behind `position` is at hand, and no read is under way to bring it.
    pub(crate) fn must_read(&self, position: u64, channel: &Channel) -> bool {
        self.page.is_none() && self.read.is_none() && !self.is_running_on(channel, position)
    }

    /// Whether it holds or reads a page by itself, of which only so many are allowed at a time.
    pub(crate) fn catches_up(&self) -> bool {
        let holds = self.page.is_some() || self.read.is_some();
        self.own.is_some() && holds && !matches!(self.begin, Begin::Beyond { .. })
    }

    /// Whether it goes on from the channel's tail.
    pub(crate) fn is_running_on(&self, channel: &Channel, position: u64) -> bool {
        self.begin == Begin::Running && channel.tail.covers(position)
    }
}
