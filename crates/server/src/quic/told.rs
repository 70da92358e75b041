//! What clients are told of WebTransport before they try it.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::tls::Hash;

/// See the module. Shared by all shards.
pub(crate) struct Told {
    /// The hashes of the certificates that a client may meet now, where it cannot know them otherwise.
    pub(crate) hashes: Option<watch::Receiver<Vec<Hash>>>,
    /// How long a handshake may take, up to the answer to its CONNECT.
    pub(crate) handshake_within: Duration,
}

/// As `/v1/info` has it.
#[derive(Debug, Serialize)]
pub(crate) struct WebTransportInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_hashes: Option<Vec<String>>,
}

impl Told {
    /// As it is now.
    pub(crate) fn info(&self) -> WebTransportInfo {
        WebTransportInfo {
            certificate_hashes: self
                .hashes
                .as_ref()
                .map(|hashes| hashes.borrow().iter().map(Hash::to_string).collect()),
        }
    }
}
