//! What a server is told before it starts: defaults, overridden by a file, by the environment and
//! by the command line, in this order.
//!
//! The file is TOML with no unknown keys, so that a slip of the pen is noticed and not ignored.
//! [`EXAMPLE`] documents all of it; a test keeps it true.

mod error;
mod heartbeat;
mod lab;
mod nats;
mod tls;
mod units;
mod websocket;
mod webtransport;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidings_engine::{Retention, RetentionPolicies};
use tidings_hub::Behind;

use crate::fault::Fault;
use crate::http::origin::Origin;
use crate::logging::LogFormat;
pub(crate) use heartbeat::HeartbeatConfig;
pub(crate) use lab::LabConfig;
pub(crate) use nats::{EngineConfig, NatsConfig};
pub(crate) use tls::{AcmeConfig, CertificateSource, TlsConfig, TlsVersion};
pub(crate) use units::{Bound, Size, Span};
pub(crate) use websocket::WebSocketConfig;
pub(crate) use webtransport::WebTransportConfig;

/// A complete file with every setting at its default, explained.
pub(crate) const EXAMPLE: &str = include_str!("../../../../docs/tidings.toml");

/// Shortest secret for HS256, in bytes: as long as its hash (RFC 7518, section 3.2).
pub(crate) const SECRET_BYTES_MIN: usize = 32;

/// The longest for which who is away is waited for, and a server that ends.
const AWAY_MAX: Span = Span::seconds(300);

/// The whole configuration of a server; its serde form is the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `HOST:PORT` to listen on; port 0 lets the system choose.
    pub(crate) listen: String,
    /// Where the messages are kept.
    pub(crate) engine: EngineConfig,
    /// The directory of what is kept on this machine.
    pub(crate) data: PathBuf,
    /// Threads that carry connections.
    pub(crate) shards: usize,
    /// From how many percent of the time on a shard sends WebSockets to one that has less to do.
    pub(crate) relieve_at: u32,
    /// What a message survives once its publisher was told that it is stored.
    pub(crate) durability: Durability,
    /// For how long a message's id is known, so that a retry of its publish is not stored again.
    pub(crate) dedup_window: Span,
    /// Origins of pages that may use this server besides its own.
    pub(crate) allowed_origins: Vec<String>,
    /// How the lines are written that it tells while it runs.
    pub(crate) log_format: LogFormat,
    /// How connections are encrypted.
    pub(crate) tls: TlsConfig,
    /// How WebSockets are spoken.
    pub(crate) websocket: WebSocketConfig,
    /// Whether WebTransport is served.
    pub(crate) webtransport: WebTransportConfig,
    /// Whether there is the page that shows what each transport costs.
    pub(crate) lab: LabConfig,
    /// Who is let in.
    pub(crate) auth: AuthConfig,
    /// When silence is alarming.
    pub(crate) heartbeat: HeartbeatConfig,
    /// How long who is away is still seen.
    pub(crate) presence: PresenceConfig,
    /// How it ends.
    pub(crate) drain: DrainConfig,
    /// Where it shows how it does.
    pub(crate) metrics: MetricsConfig,
    /// Bounds of the doors and of the hub.
    pub(crate) limits: LimitsConfig,
    /// How NATS is used, where messages are kept there.
    pub(crate) nats: NatsConfig,
    /// How long messages are kept.
    pub(crate) retention: RetentionConfig,
    /// What differs in a namespace; `""` is that of channels without one.
    pub(crate) namespaces: BTreeMap<String, NamespaceConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7007".into(),
            engine: EngineConfig::default(),
            data: "tidings-data".into(),
            shards: 1,
            relieve_at: 60,
            durability: Durability::Process,
            dedup_window: Span::seconds(300),
            allowed_origins: Vec::new(),
            log_format: LogFormat::Text,
            tls: TlsConfig::default(),
            websocket: WebSocketConfig::default(),
            webtransport: WebTransportConfig::default(),
            lab: LabConfig::default(),
            auth: AuthConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            presence: PresenceConfig::default(),
            drain: DrainConfig::default(),
            metrics: MetricsConfig::default(),
            limits: LimitsConfig::default(),
            nats: NatsConfig::default(),
            retention: RetentionConfig::default(),
            namespaces: BTreeMap::new(),
        }
    }
}

/// What a message survives once it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// A crash of the process.
    Process,
    /// A loss of power: every batch is synced to the disk.
    Disk,
}

/// Who is let in. Without a secret: guests, on this machine only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthConfig {
    /// The secret of HS256 tokens, at least [`SECRET_BYTES_MIN`] bytes.
    pub(crate) secret: Option<String>,
}

/// How long who is away is still seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresenceConfig {
    /// After a connection is lost; zero: not at all.
    pub(crate) grace: Span,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            // A page that is loaded again, or a change of networks.
            grace: Span::seconds(5),
        }
    }
}

/// How the server ends, and how its clients come back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DrainConfig {
    /// Clients that are told to come back, a second.
    pub(crate) rate: u32,
    /// How long after the end has begun the first of them comes.
    pub(crate) restart: Span,
    /// How long it says that it is not ready before the end begins.
    pub(crate) notice: Span,
    /// How long connections have to end.
    pub(crate) within: Span,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            // Some twentieth of what one core can greet, so that everybody else is served as ever.
            rate: 1000,
            // A process that starts again by itself is back in much less.
            restart: Span::seconds(1),
            notice: Span::seconds(0),
            within: Span::seconds(5),
        }
    }
}

/// Where the server shows how it does. Without an address: under `/metrics`, beside everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// `HOST:PORT` to show it on, and nowhere else.
    pub(crate) listen: Option<String>,
}

/// Bounds: each has an error of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Connections at a time, over all transports.
    pub(crate) connections: usize,
    /// The head of an HTTP request.
    pub(crate) head: Size,
    /// How long a request's head may take, and how long a connection may wait for the next one.
    pub(crate) head_timeout: Span,
    /// The body of an HTTP request, and a WebSocket message.
    pub(crate) body: Size,
    /// How long a request's body may take.
    pub(crate) body_timeout: Span,
    /// The data of a message or a signal.
    pub(crate) data: Size,
    /// Channels that one session follows at a time.
    pub(crate) subscriptions: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            // More than a process may have files by default; the system's bound holds as well.
            connections: 100_000,
            // What browsers send with generous cookies, and what other servers take.
            head: Size::kib(16),
            head_timeout: Span::seconds(30),
            // Twice the data: base64 takes a third more, and names and braces take some.
            body: Size::kib(128),
            body_timeout: Span::seconds(30),
            data: Size::kib(64),
            subscriptions: 100,
        }
    }
}

/// How long messages are kept; what is absent is as [`Retention::default`] has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionConfig {
    /// The newest so many of each channel.
    pub(crate) messages: Option<Bound<u64>>,
    /// Younger than this.
    pub(crate) age: Option<Bound<Span>>,
    /// The newest of a namespace up to this sum of their data.
    pub(crate) bytes: Option<Bound<Size>>,
}

impl RetentionConfig {
    /// With `base` for what is absent.
    fn over(&self, base: Retention) -> Retention {
        Retention {
            messages: self.messages.map_or(base.messages, Bound::limit),
            age: self
                .age
                .map_or(base.age, |age| age.limit().map(|span| span.0)),
            bytes: self
                .bytes
                .map_or(base.bytes, |bytes| bytes.limit().map(|size| size.0)),
        }
    }
}

/// What differs in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceConfig {
    /// Whether followers are seen, and told of each other.
    pub(crate) presence: bool,
    /// What a follower is given that has fallen behind.
    pub(crate) behind: BehindConfig,
    /// How long its messages are kept; what is absent is as `[retention]` has it.
    pub(crate) retention: RetentionConfig,
}

impl Default for NamespaceConfig {
    fn default() -> Self {
        Self {
            presence: true,
            behind: BehindConfig::default(),
            retention: RetentionConfig::default(),
        }
    }
}

/// [`Behind`], as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BehindConfig {
    #[default]
    Everything,
    Newest,
}

impl From<BehindConfig> for Behind {
    fn from(config: BehindConfig) -> Self {
        match config {
            BehindConfig::Everything => Self::Everything,
            BehindConfig::Newest => Self::Newest,
        }
    }
}

impl Config {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Fault::setup(format!(
                "cannot read the configuration {}: {error}",
                path.display()
            ))
            .advise("`tidings config > tidings.toml` writes one with every setting explained.")
        })?;
        Self::parse(&text).map_err(|error| {
            Fault::setup(format!("{}, {}", path.display(), error.message)).advise(error.advice)
        })
    }

    fn parse(text: &str) -> Result<Self, error::ConfigError> {
        toml::from_str(text).map_err(|error| error::ConfigError::new(text, &error))
    }

    /// Whether all of it makes sense together.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if let Some(secret) = &self.auth.secret
            && secret.len() < SECRET_BYTES_MIN
        {
            return Err(Fault::setup(format!(
                "the secret of [auth] has {} bytes; it needs at least {SECRET_BYTES_MIN}",
                secret.len()
            ))
            .advise("`openssl rand -hex 32` makes a good one."));
        }
        if !(1..=256).contains(&self.shards) {
            return Err(Fault::setup(format!("shards = {}", self.shards))
                .advise("Choose from 1 to the number of the machine's cores."));
        }
        if self.relieve_at > 100 {
            return Err(Fault::setup(format!("relieve_at = {}", self.relieve_at))
                .advise("It is a percentage: choose from 0 to 100."));
        }
        for (name, span) in [
            ("heartbeat.interval", self.heartbeat.interval),
            ("heartbeat.timeout", self.heartbeat.timeout),
            ("limits.head_timeout", self.limits.head_timeout),
            ("limits.body_timeout", self.limits.body_timeout),
            ("tls.handshake_timeout", self.tls.handshake_timeout),
        ] {
            if !(Span::SHORTEST..=Span::seconds(3600)).contains(&span) {
                return Err(Fault::setup(format!("{name} is {:?}", span.0))
                    .advise("Choose from \"10ms\" to \"1h\"."));
            }
        }
        if !(1..=100).contains(&self.heartbeat.tries) {
            return Err(
                Fault::setup(format!("heartbeat.tries = {}", self.heartbeat.tries))
                    .advise("Choose from 1 to 100."),
            );
        }
        for (name, span) in [
            ("presence.grace", self.presence.grace),
            ("drain.restart", self.drain.restart),
            ("drain.notice", self.drain.notice),
            ("drain.within", self.drain.within),
        ] {
            if span > AWAY_MAX {
                return Err(Fault::setup(format!("{name} is {:?}", span.0))
                    .advise("Choose from \"0s\" to \"5min\"."));
            }
        }
        if !(1..=1_000_000).contains(&self.drain.rate) {
            return Err(Fault::setup(format!("drain.rate = {}", self.drain.rate))
                .advise("It is a number of clients a second: choose from 1 to 1000000."));
        }
        self.tls.check()?;
        self.nats.check()?;
        self.origins().map(drop)
    }

    /// The origins that are allowed besides the server's own.
    pub(crate) fn origins(&self) -> Result<Vec<Origin>, Fault> {
        let parse = |text: &String| {
            Origin::parse(text).ok_or_else(|| {
                Fault::setup(format!("{text:?} in allowed_origins is not an origin")).advise(
                    "An origin is a scheme, a host and a port where it is not the usual one, such \
                     as \"https://chat.example.org\"; each is named, there is no \"*\".",
                )
            })
        };
        self.allowed_origins.iter().map(parse).collect()
    }

    /// How long what is kept.
    pub(crate) fn retention(&self) -> RetentionPolicies {
        let default = self.retention.over(Retention::default());
        let namespaces = self
            .namespaces
            .iter()
            .map(|(name, namespace)| (name.clone(), namespace.retention.over(default)))
            .collect();
        RetentionPolicies {
            default,
            namespaces,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn broken(text: &str) -> (String, String) {
        let error = Config::parse(text).expect_err("it is broken");
        (error.message, error.advice)
    }

    #[test]
    fn the_documented_example_has_every_setting_at_its_default() {
        assert_eq!(
            Config::parse(EXAMPLE).unwrap(),
            Config {
                retention: Config::parse(EXAMPLE).unwrap().retention,
                ..Config::default()
            }
        );
        let spelled_out = Config::parse(EXAMPLE).unwrap().retention();
        assert_eq!(spelled_out, Config::default().retention());
        // What is commented out is a valid setting all the same.
        let all = EXAMPLE.replace("\n#: ", "\n");
        assert_ne!(all, EXAMPLE);
        let all = Config::parse(&all).unwrap();
        all.check().unwrap();
        assert!(all.auth.secret.is_some());
        assert!(all.metrics.listen.is_some());
        assert!(all.tls.certificate.is_some());
        assert!(all.namespaces.contains_key("chat"));
        let others = Config::parse(&EXAMPLE.replace("\n#| ", "\n")).unwrap();
        others.check().unwrap();
        let acme = others.tls.acme.unwrap();
        let spare = Config::parse("[tls.acme]\ndomains = [\"a.example\"]\n").unwrap();
        assert_eq!(acme.directory, spare.tls.acme.unwrap().directory);
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_likely_one() {
        let (message, advice) = broken("data = \"x\"\n\nlisen = \"127.0.0.1:1\"\n");
        assert!(message.starts_with("line 3: "), "{message}");
        assert!(message.contains("`lisen`"), "{message}");
        assert!(advice.contains("`listen`"), "{advice}");
        let (message, advice) = broken("[limits]\nboddy = 3\n");
        assert!(message.starts_with("line 2: "), "{message}");
        assert!(advice.contains("`body`"), "{advice}");
        let (_, advice) = broken("zzzzzzzz = 1\n");
        assert!(advice.contains("tidings config"), "{advice}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line() {
        for text in [
            "\nshards = \"many\"",
            "\n[limits]\nbody = \"huge\"",
            "\n[heartbeat]\ninterval = \"soon\"",
            "\nheartbeat = \"soon\"",
            "\nheartbeat = 5",
            "\n[heartbeat]\ntimeot = \"5s\"",
            "\n[namespaces.chat.retention]\nage = \"young\"",
            "\nlisten = ",
        ] {
            let (message, _) = broken(text);
            let line = text.lines().count();
            assert!(message.starts_with(&format!("line {line}: ")), "{message}");
        }
    }

    #[test]
    fn a_namespace_inherits_what_it_does_not_set() {
        let config = Config::parse(
            "[retention]\nage = \"1h\"\n[namespaces.chat.retention]\nmessages = \"unlimited\"\n",
        )
        .unwrap();
        let chat = config.retention().of_namespace("chat");
        assert_eq!(chat.messages, None);
        assert_eq!(chat.age, Some(Duration::from_secs(3600)));
        assert_eq!(chat.bytes, Retention::default().bytes);
    }

    #[test]
    fn a_secret_has_at_least_32_bytes() {
        let with = |length| Config {
            auth: AuthConfig {
                secret: Some("x".repeat(length)),
            },
            ..Config::default()
        };
        assert!(with(31).check().is_err());
        assert!(with(32).check().is_ok());
        assert!(with(33).check().is_ok());
    }

    #[test]
    fn spans_of_time_are_bounded() {
        let with = |interval: &str| Config::parse(&format!("heartbeat = {interval:?}")).unwrap();
        assert!(with("9ms").check().is_err());
        assert!(with("10ms").check().is_ok());
        assert!(with("1h").check().is_ok());
        assert!(with("3601s").check().is_err());
        for name in [
            "[presence]\ngrace",
            "[drain]\nnotice",
            "[drain]\nrestart",
            "[drain]\nwithin",
        ] {
            let with = |span: &str| Config::parse(&format!("{name} = {span:?}")).unwrap();
            assert!(with("0s").check().is_ok());
            assert!(with("5min").check().is_ok());
            assert!(with("301s").check().is_err(), "{name}");
        }
    }

    #[test]
    fn the_pace_of_a_drain_is_bounded() {
        let with = |rate: u32| Config::parse(&format!("[drain]\nrate = {rate}")).unwrap();
        assert!(with(0).check().is_err());
        assert!(with(1).check().is_ok());
        assert!(with(1_000_000).check().is_ok());
        assert!(with(1_000_001).check().is_err());
    }

    #[test]
    fn an_origin_is_not_a_url_and_not_a_star() {
        for text in ["*", "https://example.org/chat", "example.org", ""] {
            let config = Config {
                allowed_origins: vec![text.into()],
                ..Config::default()
            };
            assert!(config.check().is_err(), "{text}");
        }
    }
}
