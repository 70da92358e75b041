//! `[websocket]`: how WebSockets are spoken.

use serde::Deserialize;

/// How WebSockets are spoken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebSocketConfig {
    /// Whether messages are compressed (permessage-deflate, RFC 7692) for clients that offer it.
    pub(crate) compression: bool,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        // Compressed once for all followers it costs next to nothing, and an idle connection no memory.
        Self { compression: true }
    }
}
