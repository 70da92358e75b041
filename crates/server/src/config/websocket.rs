//! `[websocket]`: how WebSockets are spoken.

use serde::Deserialize;

/// How WebSockets are spoken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebSocketConfig {
    /// Whether messages are compressed (permessage-deflate, RFC 7692) for clients that offer it.
    pub(crate) compression: bool,
    /// Whether they are opened in streams of HTTP/2 (RFC 8441), where the connection speaks that.
    pub(crate) over_http2: bool,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            // Done once for all followers it costs next to nothing, and an idle connection no memory.
            compression: true,
            // It takes half the memory that a connection with TLS of their own does.
            over_http2: true,
        }
    }
}
