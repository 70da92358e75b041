//! The transports: each reads its client's words, offers its session room, and writes what it is
//! given. None of them looks inside a message.

pub(crate) mod poll;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod websocket;

use std::fmt;
use std::sync::Arc;

use crate::metrics::Metrics;

/// The ways in which events reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// A request that is answered at once.
    Poll,
    /// A request that is answered when something happens.
    LongPoll,
    /// An answer that never ends.
    Sse,
    /// Frames both ways.
    WebSocket,
}

impl Transport {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 4] = [Self::Poll, Self::LongPoll, Self::Sse, Self::WebSocket];

    /// As it is called on the wire, in metrics and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts a client for as long as it waits for events.
pub(crate) struct Counted {
    metrics: Arc<Metrics>,
    transport: Transport,
}

impl Counted {
    /// One more client.
    pub(crate) fn new(metrics: &Arc<Metrics>, transport: Transport) -> Self {
        metrics.link_opened(transport);
        Self {
            metrics: metrics.clone(),
            transport,
        }
    }

    /// So many events were given to it.
    pub(crate) fn delivered(&self, events: usize) {
        self.metrics.delivered(self.transport, events);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.link_closed(self.transport);
    }
}
