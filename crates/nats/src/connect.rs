//! Connecting: with our login and our certificates, and to a server that has what is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, jetstream};
use tokio::time::sleep;

use crate::config::{Login, NatsConfig};
use crate::error::NatsError;
use crate::link::Link;

/// The oldest server that we have tried and found right: with 2.11, which has all that is needed, publishes into a cluster of three
/// got stuck in our tests.
pub const SERVER_VERSION: &str = "2.12.0";

/// How soon a connection is tried again while the engine is being opened.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How much may wait on its way from the connection to a log's follower: at 30,000 messages a second half a second. What
/// is too much is dropped by the client library, found out, and read again.
const LIVE_WAITING_MAX: usize = 16_384;

/// Connects, and waits until JetStream answers; for [`NatsConfig::connect_within`] at most.
pub(crate) async fn connect(
    config: &NatsConfig,
    link: Arc<Link>,
) -> Result<(Client, jetstream::Context), NatsError> {
    let servers = config.servers.join(",");
    let started = Instant::now();
    let client = loop {
        let link = link.clone();
        let options = options(config).await?.event_callback(move |event| {
            let link = link.clone();
            async move { link.hear(&event) }
        });
        match options.connect(config.servers.as_slice()).await {
            Ok(client) => break client,
            Err(error) if started.elapsed() < config.connect_within => {
                tracing::warn!(servers, %error, "NATS cannot be reached yet");
                sleep(AGAIN_AFTER).await;
            }
            Err(error) => {
                return Err(NatsError::Unreachable {
                    servers,
                    reason: error.to_string(),
                });
            }
        }
    };
    let info = client.server_info();
    if is_older(&info.version, SERVER_VERSION) {
        return Err(NatsError::TooOld {
            name: info.server_name,
            version: info.version,
        });
    }
    let jetstream = match &config.domain {
        Some(domain) => jetstream::with_domain(client.clone(), domain),
        None => jetstream::new(client.clone()),
    };
    // A cluster that was only just started elects its leader first.
    loop {
        match jetstream.query_account().await {
            Ok(_) => return Ok((client, jetstream)),
            Err(error) if started.elapsed() < config.connect_within => {
                tracing::warn!(servers, %error, "JetStream does not answer yet");
                sleep(AGAIN_AFTER).await;
            }
            Err(error) => {
                return Err(NatsError::NoJetStream {
                    reason: error.to_string(),
                });
            }
        }
    }
}

async fn options(config: &NatsConfig) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name("tidings")
        .subscription_capacity(LIVE_WAITING_MAX)
        .ping_interval(Duration::from_secs(5));
    options = match &config.login {
        Login::Anonymous => options,
        Login::Password { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Login::Token(token) => options.token(token.clone()),
        Login::Nkey(seed) => options.nkey(seed.clone()),
        Login::Credentials(path) => {
            let named = |error| {
                NatsError::Settings(format!(
                    "the credentials in {} cannot be used: {error}",
                    path.display()
                ))
            };
            options.credentials_file(path).await.map_err(named)?
        }
    };
    if let Some(ca) = &config.tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &config.tls.client {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// Whether `version` is before `other`, by their three numbers.
fn is_older(version: &str, other: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        let digits = |part: &str| {
            part.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        };
        text.split('.')
            .take(3)
            .map(|part| digits(part).parse().unwrap_or(0))
            .collect()
    };
    numbers(version) < numbers(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_by_their_numbers() {
        for (version, older) in [
            ("2.9.10", true),
            ("2.11.11", true),
            ("2.15.1-RC.1", false),
            ("2.12.0-dev", false),
            ("1.99.99", true),
            ("3.0.0", false),
            ("", true),
        ] {
            assert_eq!(is_older(version, SERVER_VERSION), older, "{version}");
        }
    }
}
