//! `engine` and `[nats]`: where messages are kept when one machine is not enough.

use std::path::PathBuf;

use serde::Deserialize;

use crate::fault::Fault;

/// Where messages live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum EngineConfig {
    /// In a log in the data directory.
    #[default]
    Embedded,
    /// In NATS, at these servers.
    Nats(Vec<String>),
}

impl std::str::FromStr for EngineConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let Some((scheme, rest)) = text
            .split_once("://")
            .filter(|(scheme, _)| ["nats", "tls"].contains(scheme))
        else {
            return Err(format!(
                "{text:?} is no engine: it is \"embedded\", or NATS as \"nats://HOST:4222\" (\"tls://…\"), several servers separated by commas"
            ));
        };
        // The scheme and the login of the first one are those of all, unless they have their own.
        let login = rest
            .split(',')
            .next()
            .and_then(|first| first.rsplit_once('@'))
            .map(|(login, _)| login);
        let server = |host: &str| match (host.contains("://"), login) {
            (true, _) => host.to_owned(),
            (false, Some(login)) if !host.contains('@') => format!("{scheme}://{login}@{host}"),
            (false, _) => format!("{scheme}://{host}"),
        };
        let servers: Vec<_> = rest
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(server)
            .collect();
        match servers.is_empty() {
            true => Err(format!("{text:?} names no server")),
            false => Ok(Self::Nats(servers)),
        }
    }
}

impl<'de> Deserialize<'de> for EngineConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// How NATS is used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NatsConfig {
    /// What the names of streams and subjects begin with.
    pub(crate) name: String,
    /// Streams for each retention.
    pub(crate) shards: usize,
    /// Servers that have each message; `None`: three of a cluster, else one.
    pub(crate) replicas: Option<usize>,
    /// The JetStream domain.
    pub(crate) domain: Option<String>,
    /// A credentials file.
    pub(crate) credentials: Option<PathBuf>,
    /// The seed of an nkey.
    pub(crate) nkey: Option<String>,
    /// A user and its password.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// A token.
    pub(crate) token: Option<String>,
    /// Certificates to trust in place of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate, and its key.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            name: tidings_nats::NAME.to_owned(),
            shards: tidings_nats::SHARDS,
            replicas: None,
            domain: None,
            credentials: None,
            nkey: None,
            user: None,
            password: None,
            token: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }
}

impl NatsConfig {
    /// Whether all of it makes sense together.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let logins = [
            self.credentials.is_some(),
            self.nkey.is_some(),
            self.user.is_some(),
            self.token.is_some(),
        ];
        if logins.into_iter().filter(|is_there| *is_there).count() > 1 {
            return Err(
                Fault::setup("[nats] has several of credentials, nkey, user and token")
                    .advise("A server is logged in to in one way: keep one of them."),
            );
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(
                Fault::setup("[nats] has only one of user and password").advise("Set both.")
            );
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err(
                Fault::setup("[nats] has only one of certificate and key").advise("Set both.")
            );
        }
        if !matches!(self.replicas, None | Some(1 | 3 | 5)) {
            return Err(Fault::setup("replicas of [nats]").advise(
                "Choose 1, 3 or 5: most of them must be there for a message to be stored.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        match text.parse() {
            Ok(EngineConfig::Nats(servers)) => servers,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn servers_are_separated_by_commas() {
        assert_eq!(servers("nats://a:4222"), ["nats://a:4222"]);
        assert_eq!(
            servers("nats://a:4222,b:4222, c"),
            ["nats://a:4222", "nats://b:4222", "nats://c"]
        );
        assert_eq!(servers("tls://a,nats://b"), ["tls://a", "nats://b"]);
        assert_eq!(servers("nats://u:p@a,b"), ["nats://u:p@a", "nats://u:p@b"]);
        assert_eq!("embedded".parse(), Ok(EngineConfig::Embedded));
    }

    #[test]
    fn what_is_no_engine_is_said_to_be_none() {
        for text in ["", "redis://a", "nats", "nats://", "a:4222"] {
            let error = text.parse::<EngineConfig>().unwrap_err();
            assert!(
                error.contains("engine") || error.contains("server"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let base = NatsConfig::default;
        base().check().unwrap();
        for config in [
            NatsConfig {
                token: Some("a".into()),
                nkey: Some("b".into()),
                ..base()
            },
            NatsConfig {
                user: Some("a".into()),
                ..base()
            },
            NatsConfig {
                key: Some("a".into()),
                ..base()
            },
            NatsConfig {
                replicas: Some(2),
                ..base()
            },
        ] {
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
