//! The transports: each reads its client's words, offers its session room, and writes what it is
//! given. None of them looks inside a message.

mod framed;
pub(crate) mod poll;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod websocket;
pub(crate) mod webtransport;

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use tidings_wire::Code;

use crate::metrics::Counts;

/// The ways in which events reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "WebTransport is a name of its own"
)]
pub(crate) enum Transport {
    /// A request that is answered at once.
    Poll,
    /// A request that is answered when something happens.
    LongPoll,
    /// An answer that never ends.
    Sse,
    /// Frames both ways.
    WebSocket,
    /// Frames both ways over QUIC, and signals beside them.
    WebTransport,
}

impl Transport {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 5] = [
        Self::Poll,
        Self::LongPoll,
        Self::Sse,
        Self::WebSocket,
        Self::WebTransport,
    ];

    /// As it is called on the wire, in metrics and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::WebTransport => "webtransport",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts a client for as long as it waits for events. It stays on the shard's thread, which alone may count
/// there; a client that moves to another shard is counted anew.
pub(crate) struct Counted {
    counts: Arc<Counts>,
    transport: Transport,
    _stays: PhantomData<Rc<Counts>>,
}

impl Counted {
    /// One more client.
    pub(crate) fn new(counts: &Arc<Counts>, transport: Transport) -> Self {
        counts.link_opened(transport);
        Self {
            counts: counts.clone(),
            transport,
            _stays: PhantomData,
        }
    }

    /// So many events were given to it.
    pub(crate) fn delivered(&self, events: usize) {
        self.counts.delivered(self.transport, events);
    }

    /// So many bytes were given to it.
    pub(crate) fn sent(&self, bytes: usize) {
        self.counts.sent(self.transport, bytes);
    }

    /// So many bytes came from it, in frames.
    pub(crate) fn received(&self, bytes: usize) {
        self.counts.received(self.transport, bytes);
    }

    /// A command of its was refused.
    pub(crate) fn refused(&self, code: Code) {
        self.counts.refused(code);
    }

    /// It is ended by us.
    pub(crate) fn closed(&self, code: Code) {
        self.counts.closed(code);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.link_closed(self.transport);
    }
}
