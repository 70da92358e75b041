//! The ways for messages to come that are compared.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tidings_wire::Format;

/// How messages come to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// A request a second, each on a connection of its own.
    #[value(name = "poll-1s-close")]
    #[serde(rename = "poll-1s-close")]
    Poll1sClose,
    /// A request a second on one connection.
    #[value(name = "poll-1s")]
    #[serde(rename = "poll-1s")]
    Poll1s,
    /// A request every 5 seconds, each on a connection of its own.
    #[value(name = "poll-5s-close")]
    #[serde(rename = "poll-5s-close")]
    Poll5sClose,
    /// A request every 5 seconds on one connection.
    #[value(name = "poll-5s")]
    #[serde(rename = "poll-5s")]
    Poll5s,
    /// A request is answered when something happens.
    LongPoll,
    /// Server-sent events: one answer that does not end.
    Sse,
    /// WebSocket over HTTP/1.1.
    Websocket,
    /// The same, with permessage-deflate.
    WebsocketDeflate,
    /// WebSocket in a stream of HTTP/2.
    WebsocketH2,
    /// The same, with permessage-deflate.
    WebsocketH2Deflate,
    /// WebTransport: a stream of QUIC, over UDP.
    Webtransport,
    /// Datagrams of WebTransport, which carry signals: sent once, and never again.
    WebtransportDatagram,
}

impl Way {
    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Poll1sClose => "poll 1 s, new connection",
            Self::Poll1s => "poll 1 s, kept alive",
            Self::Poll5sClose => "poll 5 s, new connection",
            Self::Poll5s => "poll 5 s, kept alive",
            Self::LongPoll => "long poll",
            Self::Sse => "SSE",
            Self::Websocket => "WebSocket",
            Self::WebsocketDeflate => "WebSocket, deflate",
            Self::WebsocketH2 => "WebSocket on HTTP/2",
            Self::WebsocketH2Deflate => "WebSocket on h2, deflate",
            Self::Webtransport => "WebTransport stream",
            Self::WebtransportDatagram => "WebTransport datagram",
        }
    }

    /// How often a client asks, where it asks by the clock.
    pub(super) fn every(self) -> Option<Duration> {
        match self {
            Self::Poll1sClose | Self::Poll1s => Some(Duration::from_secs(1)),
            Self::Poll5sClose | Self::Poll5s => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// Whether a request leaves its connection to the next one.
    pub(super) fn keeps(self) -> bool {
        !matches!(self, Self::Poll1sClose | Self::Poll5sClose)
    }

    /// Whether it speaks `format`. An event stream is text, and so is not CBOR.
    pub(super) fn speaks(self, format: Format) -> bool {
        format == Format::Json || self != Self::Sse
    }

    /// Whether every message comes. A datagram may be lost.
    pub(super) fn is_reliable(self) -> bool {
        self != Self::WebtransportDatagram
    }

    /// Whether WebSocket carries it.
    pub(super) fn websocket(self) -> Option<WebSocketWay> {
        let (over_http2, deflate) = match self {
            Self::Websocket => (false, false),
            Self::WebsocketDeflate => (false, true),
            Self::WebsocketH2 => (true, false),
            Self::WebsocketH2Deflate => (true, true),
            _ => return None,
        };
        Some(WebSocketWay {
            over_http2,
            deflate,
        })
    }
}

/// How a WebSocket is opened; as ever, if nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WebSocketWay {
    /// In a stream of HTTP/2 (RFC 8441), in place of a connection of its own.
    pub(super) over_http2: bool,
    /// Messages are compressed (RFC 7692).
    pub(super) deflate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_called_the_same_on_the_command_line_and_in_json() {
        for way in Way::value_variants() {
            let value = way.to_possible_value().unwrap();
            let json = serde_json::to_string(way).unwrap();
            assert_eq!(json, format!("\"{}\"", value.get_name()));
        }
    }

    #[test]
    fn names_fit_their_column() {
        for way in Way::value_variants() {
            assert!(way.name().len() <= super::super::table::NAME_CHARS);
        }
    }
}
