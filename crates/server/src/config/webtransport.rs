//! `[webtransport]`: whether there is a door over UDP.

use serde::Deserialize;

/// Whether WebTransport is served, on the same port as everything else, but of UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebTransportConfig {
    /// Where it is not set: where there is TLS, and for guests on this machine. What is asked for by name and cannot be
    /// had is a reason not to start.
    pub(crate) enabled: Option<bool>,
}
