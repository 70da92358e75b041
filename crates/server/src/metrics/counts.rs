//! What one shard counts: cells that its own thread writes and a scrape reads.
//!
//! A cell has one writer, so that counting is a load and a store without a locked instruction; and the cells
//! of two shards share no cache line, so that neither waits for the other. What happens by the delivery is
//! added up where it happens, and counted once a turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tidings_wire::Code;

use crate::transport::Transport;

/// The counts of one shard, from its start on.
#[derive(Debug, Default)]
// Two lines, for processors fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Counts {
    pub(super) connections: Existing,
    pub(super) connections_refused: Tally,
    /// Of those that have begun, the ones that came from another shard.
    pub(super) connections_moved: Tally,
    pub(super) tls_handshakes: PerHandshake,
    pub(super) links: PerTransport<Existing>,
    pub(super) deliveries: PerTransport<Tally>,
    pub(super) sent_bytes: PerTransport<Tally>,
    pub(super) http_sent_bytes: Tally,
    pub(super) http_received_bytes: Tally,
    /// Of transports with frames.
    pub(super) received_bytes: PerTransport<Tally>,
    pub(super) refusals: PerCode,
    pub(super) closes: PerCode,
    /// Connections of all shards that are open, which the limit is for.
    everywhere: Arc<AtomicUsize>,
}

/// Only ever grows. Written by the shard's thread alone.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    fn add(&self, count: usize) {
        // Nobody else writes in between.
        let sum = self.0.load(Relaxed).wrapping_add(count as u64);
        self.0.store(sum, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Things that begin and end.
#[derive(Debug, Default)]
pub(super) struct Existing {
    begun: Tally,
    ended: Tally,
}

impl Existing {
    /// How many have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// How many there are now.
    pub(super) fn now(&self) -> u64 {
        let ended = self.ended.get();
        self.begun.get().saturating_sub(ended)
    }
}

/// One of each transport, in the order of [`Transport::ALL`].
#[derive(Debug, Default)]
pub(super) struct PerTransport<T>([T; Transport::ALL.len()]);

impl<T> PerTransport<T> {
    pub(super) fn of(&self, transport: Transport) -> &T {
        &self.0[transport as usize]
    }
}

/// One of each code, in the order of [`Code::ALL`].
#[derive(Debug, Default)]
pub(super) struct PerCode([Tally; Code::ALL.len()]);

impl PerCode {
    pub(super) fn of(&self, code: Code) -> &Tally {
        &self.0[code as usize]
    }
}

/// How a TLS handshake has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// A new session has begun.
    Full,
    /// An earlier session goes on.
    Resumed,
    /// Neither: the client has gone, was too slow, or the two could not agree.
    Failed,
}

impl Handshake {
    /// All of them, in the order of their discriminants.
    pub(super) const ALL: [Self; 3] = [Self::Full, Self::Resumed, Self::Failed];

    /// As it is called in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
        }
    }
}

/// One of each way in which a handshake ends, in the order of [`Handshake::ALL`].
#[derive(Debug, Default)]
pub(super) struct PerHandshake([Tally; Handshake::ALL.len()]);

impl PerHandshake {
    pub(super) fn of(&self, handshake: Handshake) -> &Tally {
        &self.0[handshake as usize]
    }
}

impl Counts {
    /// Those of a shard that shares `everywhere` with the others.
    pub(super) fn new(everywhere: Arc<AtomicUsize>) -> Self {
        Self {
            everywhere,
            ..Self::default()
        }
    }

    /// A connection was opened; how many there are now on all shards.
    pub(crate) fn connection_opened(&self) -> usize {
        self.connections.begun.add(1);
        // Counted and looked at in one, so that two shards cannot both take the last one.
        self.everywhere.fetch_add(1, Relaxed) + 1
    }

    /// A connection came from another shard, which tells of its end there.
    pub(crate) fn connection_taken_over(&self) {
        self.connection_opened();
        self.connections_moved.add(1);
    }

    /// Connections of this shard that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.now() as usize
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&self) {
        self.connections.ended.add(1);
        self.everywhere.fetch_sub(1, Relaxed);
    }

    /// A connection was one more than the limit, whoever has to go for that.
    pub(crate) fn connection_over_limit(&self) {
        self.connections_refused.add(1);
    }

    /// A TLS handshake has ended.
    pub(crate) fn tls_handshake(&self, handshake: Handshake) {
        self.tls_handshakes.of(handshake).add(1);
    }

    /// A client waits for events over `transport`.
    pub(crate) fn link_opened(&self, transport: Transport) {
        self.links.of(transport).begun.add(1);
    }

    /// It waits no longer.
    pub(crate) fn link_closed(&self, transport: Transport) {
        self.links.of(transport).ended.add(1);
    }

    /// So many events were given to clients.
    pub(crate) fn delivered(&self, transport: Transport, events: usize) {
        self.deliveries.of(transport).add(events);
    }

    /// So many bytes were given to clients, as their transport frames them.
    pub(crate) fn sent(&self, transport: Transport, bytes: usize) {
        self.sent_bytes.of(transport).add(bytes);
    }

    /// So many bytes came from a client, in frames.
    pub(crate) fn received(&self, transport: Transport, bytes: usize) {
        self.received_bytes.of(transport).add(bytes);
    }

    /// So many bytes came in the body of a request.
    pub(crate) fn http_received(&self, bytes: usize) {
        self.http_received_bytes.add(bytes);
    }

    /// So many bytes were the body of an answer, of none that waits for events.
    pub(crate) fn http_sent(&self, bytes: usize) {
        self.http_sent_bytes.add(bytes);
    }

    /// A request or a command was refused.
    pub(crate) fn refused(&self, code: Code) {
        self.refusals.of(code).add(1);
    }

    /// A stream or a WebSocket was ended by the server.
    pub(crate) fn closed(&self, code: Code) {
        self.closes.of(code).add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_transports_and_handshakes_have_their_own_places() {
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place);
        }
        for (place, transport) in Transport::ALL.into_iter().enumerate() {
            assert_eq!(transport as usize, place);
        }
        for (place, handshake) in Handshake::ALL.into_iter().enumerate() {
            assert_eq!(handshake as usize, place);
        }
    }

    #[test]
    fn a_connection_that_moves_is_one_all_the_while() {
        let everywhere = Arc::new(AtomicUsize::new(0));
        let (from, to) = (Counts::new(everywhere.clone()), Counts::new(everywhere));
        assert_eq!(from.connection_opened(), 1);
        to.connection_taken_over();
        from.connection_closed();
        assert_eq!((from.connections(), to.connections()), (0, 1));
        assert_eq!(to.connections.begun() - to.connections_moved.get(), 0);
        assert_eq!(to.connection_opened(), 2);
        assert_eq!(to.connections.begun() - to.connections_moved.get(), 1);
    }

    #[test]
    fn two_shards_share_no_cache_line() {
        assert_eq!(align_of::<Counts>(), 128);
        assert_eq!(size_of::<Counts>() % 128, 0);
    }
}
