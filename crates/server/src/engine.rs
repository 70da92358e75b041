//! The engine that the settings name: opened, and watched over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tidings_engine::{Engine, EngineError};
use tidings_log::{Log, LogConfig};
use tidings_nats::{Login, Nats, NatsConfig, Tls};
use tokio::time::sleep;

use crate::config::{Config, Durability, EngineConfig};
use crate::fault::Fault;

/// An engine that is open.
pub(crate) enum OpenEngine {
    Log(Arc<Log>),
    Nats(Arc<Nats>),
}

/// One that may have ended.
pub(crate) enum WatchedEngine {
    Log(Weak<Log>),
    Nats(Weak<Nats>),
}

/// How an engine is.
pub(crate) enum EngineStatistics {
    Log(tidings_log::Statistics),
    Nats(tidings_nats::Statistics),
}

impl OpenEngine {
    /// Opens the one that `config` names.
    pub(crate) fn open(config: &Config) -> Result<Self, Fault> {
        match nats_config(config) {
            None => {
                let log = Log::open(log_config(config)).map_err(Fault::setup)?;
                Ok(Self::Log(Arc::new(log)))
            }
            Some(nats) => {
                let nats = Nats::open(nats).map_err(|error| fault(&error))?;
                Ok(Self::Nats(Arc::new(nats)))
            }
        }
    }

    /// What the hub works with.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        match self {
            Self::Log(log) => log.clone(),
            Self::Nats(nats) => nats.clone(),
        }
    }

    /// Where to look at it, without keeping it alive.
    pub(crate) fn watched(&self) -> WatchedEngine {
        match self {
            Self::Log(log) => WatchedEngine::Log(Arc::downgrade(log)),
            Self::Nats(nats) => WatchedEngine::Nats(Arc::downgrade(nats)),
        }
    }
}

/// How often it is looked at whether the engine goes on.
const GLANCE: Duration = Duration::from_secs(1);

impl WatchedEngine {
    /// Waits until the engine can never again be used as it was opened; why.
    pub(crate) async fn failure(&self) -> String {
        loop {
            sleep(GLANCE).await;
            if let Self::Nats(nats) = self
                && let Some(nats) = nats.upgrade()
                && let Err(EngineError::Failed(why)) = nats.check()
            {
                return why;
            }
        }
    }

    /// How it is; `None` when it has ended.
    pub(crate) fn statistics(&self) -> Option<EngineStatistics> {
        match self {
            Self::Log(log) => Some(EngineStatistics::Log(log.upgrade()?.statistics())),
            Self::Nats(nats) => Some(EngineStatistics::Nats(nats.upgrade()?.statistics())),
        }
    }
}

/// What happened, and what to do.
pub(crate) fn fault(error: &tidings_nats::NatsError) -> Fault {
    Fault::setup(error).advise(error.advice())
}

/// The log that the settings name.
pub(crate) fn log_config(config: &Config) -> LogConfig {
    LogConfig {
        durability: match config.durability {
            Durability::Process => tidings_log::Durability::Process,
            Durability::Disk => tidings_log::Durability::Disk,
        },
        retention: config.retention(),
        dedup_window: config.dedup_window.0,
        ..LogConfig::new(&config.data)
    }
}

/// How NATS is to be used, if it is.
pub(crate) fn nats_config(config: &Config) -> Option<NatsConfig> {
    let EngineConfig::Nats(servers) = &config.engine else {
        return None;
    };
    let nats = config.nats.clone();
    let login = match (
        nats.credentials,
        nats.nkey,
        nats.token,
        nats.user.zip(nats.password),
    ) {
        (Some(path), ..) => Login::Credentials(path),
        (_, Some(seed), ..) => Login::Nkey(seed),
        (_, _, Some(token), _) => Login::Token(token),
        (_, _, _, Some((user, password))) => Login::Password { user, password },
        _ => Login::Anonymous,
    };
    Some(NatsConfig {
        login,
        tls: Tls {
            ca: nats.ca,
            client: nats.certificate.zip(nats.key),
        },
        name: nats.name,
        domain: nats.domain,
        shards: nats.shards,
        replicas: nats.replicas,
        retention: config.retention(),
        dedup_window: config.dedup_window.0,
        ..NatsConfig::new(servers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nats(settings: &str) -> NatsConfig {
        let text = format!("engine = \"nats://a,b\"\n[nats]\n{settings}");
        let config: Config = toml::from_str(&text).unwrap();
        config.check().unwrap();
        nats_config(&config).unwrap()
    }

    #[test]
    fn nats_is_logged_in_to_as_the_settings_say() {
        let (user, password) = ("ada".to_owned(), "secret".to_owned());
        for (settings, login) in [
            ("", Login::Anonymous),
            (
                "user = \"ada\"\npassword = \"secret\"",
                Login::Password { user, password },
            ),
            ("token = \"tick\"", Login::Token("tick".to_owned())),
            ("nkey = \"SUA\"", Login::Nkey("SUA".to_owned())),
            (
                "credentials = \"a.creds\"",
                Login::Credentials("a.creds".into()),
            ),
        ] {
            assert_eq!(nats(settings).login, login, "{settings}");
        }
    }

    #[test]
    fn nats_is_trusted_and_shown_a_certificate_as_the_settings_say() {
        let tls = nats("ca = \"ca.pem\"\ncertificate = \"a.pem\"\nkey = \"a.key\"").tls;
        assert_eq!(tls.ca, Some("ca.pem".into()));
        assert_eq!(tls.client, Some(("a.pem".into(), "a.key".into())));
        let tls = nats("").tls;
        assert_eq!((tls.ca, tls.client), (None, None));
    }
}
