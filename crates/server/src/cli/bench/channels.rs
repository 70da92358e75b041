//! The channels of one run: of a name that nobody else has.

/// Numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    prefix: String,
    names: Vec<String>,
}

/// The namespace of all of them, for which a server can have policies of its own.
pub(super) const NAMESPACE: &str = "bench";

impl Channels {
    /// So many, named `bench:<random>:<number>`.
    pub(super) fn new(count: u32) -> Self {
        let prefix = format!("{NAMESPACE}:{:016x}:", fastrand::u64(..));
        let name = |number| format!("{prefix}{number}");
        Self {
            names: (0..count).map(name).collect(),
            prefix,
        }
    }

    /// The name of one.
    pub(super) fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    /// What all their names are, but for the number.
    pub(super) fn pattern(&self) -> String {
        format!("{}*", self.prefix)
    }
}
