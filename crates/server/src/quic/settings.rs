//! What a connection of QUIC may hold, and when it is over.

use std::sync::Arc;
use std::time::Duration;

use quinn::{
    ConnectionIdGenerator, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
    crypto,
};
use quinn_proto::RandomConnectionIdGenerator;

use crate::config::HeartbeatConfig;

/// Streams of both ways that a client may have open: that of its CONNECT, and the one with its frames. It gets no more
/// credit, so that a third waits for ever.
const BIDI_STREAMS: u32 = 2;

/// Streams of one way: HTTP/3's control stream, QPACK's two, and one of a kind that nobody knows, as browsers open now and
/// then to see that it is ignored (RFC 9114, section 6.2.3).
const UNI_STREAMS: u32 = 4;

/// What a client may send ahead of what is read, in bytes: in a stream, as over HTTP/2; and in all of its connection.
const STREAM_AHEAD_BYTES: u32 = 64 << 10;
const CONNECTION_AHEAD_BYTES: u32 = 128 << 10;

/// What was written and is not acknowledged, in bytes: what a reader that does not read pins here, besides the room that
/// it was given. As much as the kernel is to hold for a TCP connection.
const UNACKNOWLEDGED_BYTES: u64 = 128 << 10;

/// Datagrams that came and wait for their session, and those that wait to be sent, in bytes: some fifty of full size.
/// Older ones make room for newer ones, as signals may be lost.
const DATAGRAMS_RECEIVED_BYTES: usize = 64 << 10;
const DATAGRAMS_SENT_BYTES: usize = 64 << 10;

/// Handshakes that have begun to arrive and wait for us to take them up, and what is kept of each, and of all of them, in
/// bytes. We take them up at once, so they are as many as come in one turn.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES: u64 = 4 << 10;
const WAITING_BYTES_ALL: u64 = 1 << 20;

/// For how long an address that was seen to be the client's by a Retry is taken for it.
const RETRY_TOKEN_VALID_FOR: Duration = Duration::from_secs(10);

/// The ids that connections are known by, in bytes: all of them random. Of quinn's own, three are, and the rest follows from
/// them; and the one that a Retry gives out is not compared with those in use. With 3,000 connections, of some five ids
/// each, every thousandth handshake was taken for a part of somebody else's connection, and never answered.
const ID_BYTES: usize = 8;

/// How datagrams are told apart.
pub(super) fn endpoint() -> EndpointConfig {
    let mut endpoint = EndpointConfig::default();
    endpoint.cid_generator(ids);
    endpoint
}

fn ids() -> Box<dyn ConnectionIdGenerator> {
    Box::new(RandomConnectionIdGenerator::new(ID_BYTES))
}

/// How connections are taken and kept.
pub(super) fn server(
    crypto: Arc<dyn crypto::ServerConfig>,
    heartbeat: HeartbeatConfig,
) -> ServerConfig {
    let mut server = ServerConfig::with_crypto(crypto);
    server
        .transport_config(Arc::new(transport(heartbeat)))
        // A client behind a NAT that has forgotten it, or in another network, goes on.
        .migration(true)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_BYTES)
        .incoming_buffer_size_total(WAITING_BYTES_ALL)
        .retry_token_lifetime(RETRY_TOKEN_VALID_FOR);
    server
}

fn transport(heartbeat: HeartbeatConfig) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_AHEAD_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_AHEAD_BYTES))
        .send_window(UNACKNOWLEDGED_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAMS_RECEIVED_BYTES))
        .datagram_send_buffer_size(DATAGRAMS_SENT_BYTES)
        // Longer ones than QUIC can say are none.
        .max_idle_timeout(IdleTimeout::try_from(heartbeat.patience()).ok())
        .keep_alive_interval(Some(heartbeat.interval.0));
    transport
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        const IDS: usize = 100_000;
        let mut generator = ids();
        let ids: HashSet<_> = (0..IDS).map(|_| generator.generate_cid()).collect();
        assert_eq!(ids.len(), IDS);
    }
}
