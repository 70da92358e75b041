//! A good client: it keeps cursors, drops what it has by `seq`, and notices gaps by `prev`.
//!
//! It listens to old links as well, whose bytes may come late; but it believes a hole only when its
//! newest link tells of it.

use std::collections::{BTreeMap, BTreeSet};

use tidings_wire::{ChannelName, Epoch, Event, Message, MessageId, StreamCursor};

use super::truth::Truth;

/// How messages reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    ShortPoll,
    LongPoll,
    Stream,
    Framed,
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [Self::ShortPoll, Self::LongPoll, Self::Stream, Self::Framed];

    /// Whether one cursor covers all channels, whose messages come in one order a log.
    pub(super) fn is_ordered(self) -> bool {
        self != Self::Framed
    }

    /// Whether it is one request and one answer.
    pub(super) fn is_poll(self) -> bool {
        matches!(self, Self::ShortPoll | Self::LongPoll)
    }
}

/// What a client has of one channel.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Everything behind this is to be seen; `None`: it has not begun.
    pub(super) start: Option<u64>,
    /// The newest seen, or known to be lost.
    pub(super) last: u64,
    got: Vec<u64>,
    /// Between these, ends not included, the server has told of a hole.
    holes: Vec<(u64, u64)>,
    /// The same, while the end is not known.
    open_hole: Option<u64>,
}

/// What one link has brought of one channel.
#[derive(Clone, Copy, Debug)]
struct Brought {
    /// Where it started, or what it brought last.
    last: u64,
    /// Whether it started with a cursor that means nothing to the server.
    lost: bool,
}

/// See the module.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) session: Option<MessageId>,
    pub(super) views: BTreeMap<ChannelName, View>,
    /// Which log each channel is in.
    epochs: BTreeMap<ChannelName, Epoch>,
    /// Ordered shapes: everything up to here is had.
    pub(super) cursor: Option<StreamCursor>,
    /// The newest link.
    pub(super) link: Option<usize>,
    brought: BTreeMap<(usize, ChannelName), Brought>,
    /// Ordered shapes: the newest `seq` of any channel of a log that a link brought.
    order: BTreeMap<(usize, String), u64>,
    /// Framed: what is published and not acknowledged.
    pub(super) outbox: BTreeMap<MessageId, ChannelName>,
    /// With the link that brought it, unless the same session goes on over many links.
    signals: BTreeSet<(Option<usize>, String)>,
}

impl Client {
    pub(super) fn new(name: String, shape: Shape, epochs: BTreeMap<ChannelName, Epoch>) -> Self {
        let view = |channel: &ChannelName| (channel.clone(), View::default());
        Self {
            name,
            shape,
            session: None,
            views: epochs.keys().map(view).collect(),
            epochs,
            cursor: None,
            link: None,
            brought: BTreeMap::new(),
            order: BTreeMap::new(),
            outbox: BTreeMap::new(),
            signals: BTreeSet::new(),
        }
    }

    pub(super) fn channels(&self) -> Vec<ChannelName> {
        self.views.keys().cloned().collect()
    }

    /// The log that a channel of its own is in.
    pub(super) fn epoch(&self, channel: &ChannelName) -> &Epoch {
        &self.epochs[channel]
    }

    /// A link starts to bring `channel` behind `seq`. `lost`: the client's cursor meant nothing.
    pub(super) fn starts(&mut self, link: usize, channel: &ChannelName, seq: u64, lost: bool) {
        let brought = Brought { last: seq, lost };
        self.brought.insert((link, channel.clone()), brought);
        let Some(view) = self.views.get_mut(channel) else {
            return;
        };
        if self.link != Some(link) {
            return;
        }
        if view.start.is_none() {
            view.start = Some(seq);
            view.last = seq;
        } else if lost && seq > view.last {
            view.holes.push((view.last, seq + 1));
            view.last = seq;
        }
    }

    /// An event that a link brought.
    pub(super) fn takes(&mut self, link: usize, event: &Event, truth: &Truth) {
        match event {
            Event::Message(message) => self.takes_message(link, message),
            Event::Truncated { channel, oldest } => {
                self.takes_hole(link, channel, *oldest, truth);
            }
            Event::Signal { data, .. } => {
                let link = self.session.is_none().then_some(link);
                let fresh = self.signals.insert((link, format!("{data:?}")));
                assert!(fresh, "{}: a signal came twice", self.name);
            }
            Event::Join { .. } | Event::Leave { .. } => {}
        }
    }

    fn takes_message(&mut self, link: usize, message: &Message) {
        let (name, seq) = (&self.name, message.seq);
        let current = self.link == Some(link);
        if self.shape.is_ordered() {
            let log = self.epochs[&message.channel].to_string();
            let order = self.order.entry((link, log)).or_default();
            assert!(*order < seq, "{name}: {seq} came after {order}");
            *order = seq;
        }
        let key = (link, message.channel.clone());
        let brought = self.brought.get_mut(&key);
        let brought = brought.unwrap_or_else(|| panic!("{name}: {seq} was not asked for"));
        assert!(brought.last < seq, "{name}: {seq} came twice over one link");
        brought.last = seq;
        let Some(view) = self.views.get_mut(&message.channel) else {
            return;
        };
        if seq <= view.last || view.start.is_none() {
            return;
        }
        if let Some(after) = view.open_hole.take_if(|_| current) {
            view.holes.push((after, seq));
        } else if message.prev > view.last {
            assert!(!current, "{name}: {} before {seq} is missing", message.prev);
            return;
        }
        view.got.push(seq);
        view.last = seq;
        if current && let Some(cursor) = self.cursor.as_mut().filter(|_| !self.shape.is_poll()) {
            cursor.advance(&self.epochs[&message.channel], seq);
        }
    }

    fn takes_hole(&mut self, link: usize, channel: &ChannelName, oldest: u64, truth: &Truth) {
        let Some(brought) = self.brought.get_mut(&(link, channel.clone())) else {
            panic!("{}: {channel} was not asked for", self.name);
        };
        // Only what such a link tells first is about its start.
        let lost = std::mem::take(&mut brought.lost);
        let end = if oldest == 0 { u64::MAX } else { oldest };
        let real = truth.between(channel, brought.last, end).next().is_some();
        assert!(
            real || lost,
            "{}: nothing of {channel} is lost between {} and {oldest}",
            self.name,
            brought.last
        );
        let Some(view) = self.views.get_mut(channel) else {
            return;
        };
        if self.link != Some(link) {
            return;
        }
        if oldest == 0 {
            view.open_hole = Some(view.last);
        } else if oldest > view.last + 1 {
            view.holes.push((view.last, oldest));
            view.last = oldest - 1;
        }
    }

    /// Whether it has all that there is up to each channel's `head`, or knows that it is lost.
    pub(super) fn has_all(&self, truth: &Truth, head: impl Fn(&ChannelName) -> u64) -> bool {
        self.outbox.is_empty()
            && self.views.iter().all(|(channel, view)| {
                let start = view.start.unwrap_or(0);
                let newest = truth.between(channel, start, head(channel) + 1).last();
                view.start.is_some() && newest.is_none_or(|newest| newest <= view.last)
            })
    }

    /// Every message was seen once and in order, or is in a hole that was told, and gone.
    pub(super) fn check(
        &self,
        truth: &Truth,
        head: impl Fn(&ChannelName) -> u64,
        oldest: impl Fn(&ChannelName) -> u64,
    ) {
        assert!(self.outbox.is_empty(), "{}: not acknowledged", self.name);
        for (channel, view) in &self.views {
            let start = view.start.expect("it has begun");
            assert!(view.got.is_sorted(), "{}: out of order", self.name);
            let got: BTreeSet<_> = view.got.iter().copied().collect();
            assert_eq!(got.len(), view.got.len(), "{}: twice", self.name);
            for seq in truth.between(channel, start, head(channel) + 1) {
                let told = |hole: &(u64, u64)| hole.0 < seq && seq < hole.1;
                let is_told = view.holes.iter().any(told);
                assert!(
                    got.contains(&seq) || is_told,
                    "{}: {seq} of {channel} is missing (kept from {} on)",
                    self.name,
                    oldest(channel)
                );
            }
        }
    }
}
