//! What a visitor does to the network of a lane, as the page says it, and which faults of TCP and UDP that makes. Pure.

use serde::Deserialize;
use tidings_middlebox::{BUFFER_BYTES_MAX, BlackHole, Faults, Upgrade};

/// See the module. What is absent is as it should be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Network {
    /// How long everything is under way, each way.
    latency_ms: Option<u64>,
    /// Up to so much longer.
    jitter_ms: Option<u64>,
    /// The share that gets lost, 0 to 1: datagrams vanish, what TCP carries is sent again and comes late.
    loss: f64,
    /// Bytes a second each way of each connection.
    bandwidth: Option<u64>,
    /// Where everything vanishes while connections seem to stand.
    black_hole: Option<BlackHole>,
    /// New connections are reset.
    refuse: bool,
    /// What becomes of a WebSocket.
    websocket: Option<WebSocket>,
    /// What becomes of UDP.
    udp: Option<Udp>,
    /// A proxy that holds back what has no length.
    buffer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WebSocket {
    /// Its handshake is answered 403.
    Block,
    /// It opens, and then nothing comes.
    Mute,
    /// Its handshake loses `Upgrade`.
    Strip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Udp {
    /// All datagrams vanish.
    Block,
}

impl Network {
    /// The faults of the lane's TCP.
    pub(super) fn tcp(&self) -> Faults {
        Faults {
            latency_ms: self.latency_ms,
            jitter_ms: self.jitter_ms,
            loss: self.loss,
            bandwidth: self.bandwidth,
            black_hole: self.black_hole,
            refuse: self.refuse,
            upgrade: self.websocket.map(|websocket| match websocket {
                WebSocket::Block => Upgrade::Answer(403),
                WebSocket::Mute => Upgrade::Mute,
                WebSocket::Strip => Upgrade::Strip,
            }),
            hold_chunked: self.buffer,
            buffer_bytes: self.buffer.then_some(BUFFER_BYTES_MAX),
            ..Faults::default()
        }
    }

    /// The faults of its UDP.
    pub(super) fn udp(&self) -> Faults {
        let blocked = self.udp.map(|Udp::Block| BlackHole::Both);
        Faults {
            latency_ms: self.latency_ms,
            jitter_ms: self.jitter_ms,
            loss: self.loss,
            black_hole: blocked.or(self.black_hole),
            ..Faults::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(json: &str) -> Network {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn nothing_said_is_no_fault() {
        assert_eq!(network("{}").tcp(), Faults::default());
        assert_eq!(network("{}").udp(), Faults::default());
    }

    #[test]
    fn each_fault_goes_where_it_belongs() {
        let blocked = network(r#"{"websocket":"block","udp":"block","latency_ms":5}"#);
        assert_eq!(blocked.tcp().upgrade, Some(Upgrade::Answer(403)));
        assert_eq!(blocked.tcp().black_hole, None);
        assert_eq!(blocked.udp().black_hole, Some(BlackHole::Both));
        assert_eq!(
            (blocked.tcp().latency_ms, blocked.udp().latency_ms),
            (Some(5), Some(5))
        );
        let hole = network(r#"{"black_hole":"up","loss":0.5,"buffer":true}"#);
        assert_eq!(hole.udp().black_hole, Some(BlackHole::Up));
        assert_eq!((hole.tcp().loss, hole.udp().loss), (0.5, 0.5));
        assert!(hole.tcp().hold_chunked);
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        assert!(serde_json::from_str::<Network>(r#"{"los":0.5}"#).is_err());
        assert!(serde_json::from_str::<Network>(r#"{"websocket":"blocked"}"#).is_err());
    }
}
