//! Whoever arrives: let in, asked to show that they are where they say, or turned away; and handed to a shard.

use quinn::{Endpoint, Incoming};

use crate::balance::Share;
use crate::connection::Accepted;
use crate::places::{Place, Places};
use crate::shutdown::Drain;

/// Handshakes that are under way at a time, up to the answer to their CONNECT. Each takes some 40 KiB, and a millisecond of
/// its shard; of more, the oldest is given up.
const HANDSHAKES_MAX: usize = 1024;

/// From so many on, clients are asked to show that they receive what is sent to their address (Retry: RFC 9000, section
/// 8.1.2), which costs them a round trip, and us nothing that is kept. Where few come none is asked.
const VALIDATED_FROM: usize = 128;

/// A connection that has begun to arrive.
pub(crate) struct Arrival {
    pub(crate) incoming: Incoming,
    /// Its place among the handshakes.
    pub(crate) place: Place,
}

/// Hands whoever arrives to the shard that has least to do, until the drain begins. `share` is any shard's.
pub(super) async fn receive(endpoint: Endpoint, share: Share, drain: Drain) {
    let places = Places::default();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = drain.begun() => break,
        };
        let Some(incoming) = incoming else {
            return; // its socket is broken, which was told
        };
        if places.taken() >= VALIDATED_FROM
            && incoming.may_retry()
            && !incoming.remote_address_validated()
        {
            // It may be asked, so this does not fail.
            let _ = incoming.retry();
            continue;
        }
        let place = places.take_of(HANDSHAKES_MAX);
        let arrival = Box::new(Arrival { incoming, place });
        let to = share.least_laden();
        if let Err(Accepted::Quic(arrival)) = share.hand_over(to, Accepted::Quic(arrival)) {
            arrival.incoming.refuse();
        }
    }
    // Who comes now is told so, and comes again.
    while let Some(incoming) = endpoint.accept().await {
        incoming.refuse();
    }
}
