//! How the engine is opened: where NATS is, what is kept there, and all bounds.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_engine::{Clock, DEDUP_WINDOW, RetentionPolicies, SystemClock};

/// The engine's settings. [`NatsConfig::new`] has the defaults.
#[derive(Clone)]
pub struct NatsConfig {
    /// The servers to connect to, `nats://host:4222` or `tls://host:4222`; one is enough, for it tells of the
    /// others. A URL may bear a login, `nats://user:password@host` or `nats://token@host`, which is then that of all.
    pub servers: Vec<String>,
    /// Who we are there.
    pub login: Login,
    /// How TLS is spoken; used where a server asks for it, and insisted on where a URL begins with `tls://`.
    pub tls: Tls,
    /// What the names of streams and subjects begin with: ASCII letters, digits, `-` and `_`. Those who share it are
    /// one cluster; several clusters may share a NATS account by different ones. [`NAME`] unless set.
    pub name: String,
    /// The JetStream domain, where NATS has several.
    pub domain: Option<String>,
    /// Over how many streams the channels of each retention are spread; [`SHARDS`] unless set. It cannot be changed
    /// once there are messages.
    pub shards: usize,
    /// On how many servers each message is; unless set three where NATS is a cluster, else one.
    pub replicas: Option<usize>,
    /// How long messages are kept.
    pub retention: RetentionPolicies,
    /// For how long a message's id is remembered, at most as long as messages are kept; five minutes unless set.
    pub dedup_window: Duration,
    /// How long a start waits for NATS; [`CONNECT_WITHIN`] unless set.
    pub connect_within: Duration,
    /// How long a publish waits for its turn and is tried; [`PUBLISH_WITHIN`] unless set.
    pub publish_within: Duration,
    /// How many publishes wait at most; [`PUBLISHES_WAITING_MAX`] unless set.
    pub publishes_waiting_max: usize,
    /// How many bytes of data wait to be published at most; [`BYTES_WAITING_MAX`] unless set.
    pub bytes_waiting_max: usize,
    /// How many reads are under way or wait at most; [`READS_WAITING_MAX`] unless set.
    pub reads_waiting_max: usize,
    /// Where the time of messages comes from; the computer's clock unless set.
    pub clock: Arc<dyn Clock>,
}

/// Who we are to NATS.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Whoever the servers' URLs say, or nobody in particular.
    #[default]
    Anonymous,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of an nkey (`SU…`).
    Nkey(String),
    /// A credentials file (`.creds`), as `nsc` makes it.
    Credentials(PathBuf),
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates to trust in place of those of the operating system, PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, PEM, for servers that verify clients.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Short, for it is in every subject.
pub const NAME: &str = "td";

/// One stream takes some 30,000 messages a second on three servers; more of them spread that over the servers, and
/// cost each a Raft group.
pub const SHARDS: usize = 1;

/// A cluster that was started at the same time elects its leaders within this.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Longer than a planned change of leader takes (under 1 s), shorter than a browser waits for an answer. An election
/// after a crash takes 4 to 9 s: who publishes then is told, and tries again by the same id.
pub const PUBLISH_WITHIN: Duration = Duration::from_secs(5);

/// Some 0.3 s of what one stream takes.
pub const PUBLISHES_WAITING_MAX: usize = 8192;

/// What may wait in memory when messages are large.
pub const BYTES_WAITING_MAX: usize = 64 << 20;

/// At some 1 ms a read and [`READS_AT_ONCE`] at a time, the last one waits for 0.1 s.
pub const READS_WAITING_MAX: usize = 4096;

/// How many reads are under way at a time: more only wait for each other in NATS.
pub const READS_AT_ONCE: usize = 64;

/// How many logs there may be, all shards of all retentions: cursors name each that they speak of.
pub const LOGS_MAX: usize = 64;

impl NatsConfig {
    /// The defaults, with NATS at `servers`.
    pub fn new(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            login: Login::default(),
            tls: Tls::default(),
            name: NAME.to_owned(),
            domain: None,
            shards: SHARDS,
            replicas: None,
            retention: RetentionPolicies::default(),
            dedup_window: DEDUP_WINDOW,
            connect_within: CONNECT_WITHIN,
            publish_within: PUBLISH_WITHIN,
            publishes_waiting_max: PUBLISHES_WAITING_MAX,
            bytes_waiting_max: BYTES_WAITING_MAX,
            reads_waiting_max: READS_WAITING_MAX,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Without the servers, whose URLs may bear a password, and the login.
impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("name", &self.name)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
            Self::Nkey(_) => "Nkey",
            Self::Credentials(_) => "Credentials",
        })
    }
}
