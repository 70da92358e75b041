//! `[lab]`: whether there is the page that shows what each transport costs.

use serde::Deserialize;

/// Whether `/lab` is served, with the ports that it opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LabConfig {
    /// Where it is not set: for guests on this machine, without TLS.
    pub(crate) enabled: Option<bool>,
}
