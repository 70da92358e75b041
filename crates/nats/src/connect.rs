//! Connecting: with our login and our certificates, and to a server that has what is needed.

use std::error::Error;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::rustls;
use async_nats::rustls::pki_types::pem::{self, PemObject};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, ReconnectToServer, Server, ServerInfo,
    jetstream,
};
use tokio::time::sleep;

use crate::config::{Login, NatsConfig, Tls};
use crate::error::NatsError;
use crate::link::Link;
use crate::servers::Servers;
use crate::shared::lock;

/// The oldest server that we have tried and found right: with 2.11, which has all that is needed, publishes into a cluster of three
/// got stuck in our tests.
pub const SERVER_VERSION: &str = "2.12.0";

/// How soon a connection is tried again while the engine is being opened.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How much may wait on its way from the connection to a log's follower: at 30,000 messages a second half a second. What
/// is too much is dropped by the client library, found out, and read again.
const LIVE_WAITING_MAX: usize = 16_384;

/// Connects, and waits until JetStream answers; for [`NatsConfig::connect_within`] at most, and not at all for what no waiting
/// mends.
pub(crate) async fn connect(
    config: &NatsConfig,
    link: Arc<Link>,
) -> Result<(Client, jetstream::Context), NatsError> {
    let servers = Servers::new(config)?;
    let started = Instant::now();
    let client = loop {
        let link = link.clone();
        let options = options(&servers.login, &config.tls).await?;
        let options = options.event_callback(move |event| {
            let link = link.clone();
            async move { link.hear(&event) }
        });
        match options.connect(servers.addresses.as_slice()).await {
            Ok(client) => break client,
            Err(error) => match refusal(&error, &servers, &config.tls) {
                Some(refusal) => return Err(refusal),
                None if started.elapsed() < config.connect_within => {
                    tracing::warn!(%servers, %error, "NATS cannot be reached yet");
                    sleep(AGAIN_AFTER).await;
                }
                None => {
                    return Err(NatsError::Unreachable {
                        servers: servers.to_string(),
                        reason: error.to_string(),
                    });
                }
            },
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
                tracing::warn!(%servers, %error, "JetStream does not answer yet");
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

/// Chooses the servers in turn once there was a connection; the one that is being left comes last. The library prefers those that
/// have failed least: where the others had once failed, it would come back again and again to one that is left because it has lost them.
fn in_turn() -> impl Fn(Vec<Server>, ServerInfo) -> Ready<Option<ReconnectToServer>> {
    // Each node has an order of its own, so that those that leave a server do not all go to the same one.
    let order = RandomState::new();
    let chosen = Mutex::new(None);
    move |mut servers, info| {
        if info.server_id.is_empty() {
            return ready(None);
        }
        servers.sort_by_cached_key(|it| order.hash_one(&it.addr));
        let mut chosen = lock(&chosen);
        let is_left = |it: &Server| match &*chosen {
            Some(chosen) => it.addr == *chosen,
            None => it.did_connect,
        };
        let behind = servers.iter().position(is_left).map_or(0, |left| left + 1);
        servers.rotate_left(behind);
        *chosen = servers.first().map(|it| it.addr.clone());
        ready(
            chosen
                .clone()
                .map(|addr| ReconnectToServer { addr, delay: None }),
        )
    }
}

async fn options(login: &Login, tls: &Tls) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name("tidings")
        .subscription_capacity(LIVE_WAITING_MAX)
        .ping_interval(Duration::from_secs(5))
        .reconnect_to_server_callback(in_turn());
    options = match login {
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
    if let Some(ca) = &tls.ca {
        has_certificates(ca)?;
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &tls.client {
        has_certificates(certificate)?;
        has_key(key)?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// The client library reads them itself at each connection, and names no file when it fails.
fn has_certificates(path: &Path) -> Result<(), NatsError> {
    let unread = |error| unusable(path, "certificate", &error);
    let certificates = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let mut count = 0;
    for certificate in certificates {
        certificate.map_err(unread)?;
        count += 1;
    }
    match count {
        0 => Err(unusable(path, "certificate", &pem::Error::NoItemsFound)),
        _ => Ok(()),
    }
}

/// As [`has_certificates`].
fn has_key(path: &Path) -> Result<(), NatsError> {
    let key = PrivateKeyDer::from_pem_file(path);
    key.map(drop)
        .map_err(|error| unusable(path, "private key", &error))
}

fn unusable(path: &Path, what: &str, error: &pem::Error) -> NatsError {
    let path = path.display();
    NatsError::Settings(match error {
        pem::Error::NoItemsFound => format!("{path} has no {what} (PEM)"),
        error => format!("the {what} in {path} cannot be read: {error}"),
    })
}

/// What a connection that failed means, if another try would fail as well.
fn refusal(error: &ConnectError, servers: &Servers, tls: &Tls) -> Option<NatsError> {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => Some(NatsError::Refused {
            servers: servers.to_string(),
            who: who(&servers.login),
        }),
        // Before anything is sent: it is we who cannot sign.
        ConnectErrorKind::Authentication => {
            let reason = match &servers.login {
                Login::Nkey(_) => "the nkey is no seed (SU…)".to_owned(),
                _ => format!("the login cannot be used: {error}"),
            };
            Some(NatsError::Settings(reason))
        }
        ConnectErrorKind::Tls => {
            let files = tls
                .ca
                .iter()
                .chain(tls.client.iter().flat_map(|(a, b)| [a, b]));
            let files: Vec<_> = files.map(|path| path.display().to_string()).collect();
            let files = files.join(", ");
            let reason = format!("TLS cannot be set up with {files}: {error}");
            Some(NatsError::Settings(reason))
        }
        _ => tls_error(error).map(|error| NatsError::Tls {
            servers: servers.to_string(),
            reason: match error {
                rustls::Error::InvalidMessage(_) => format!("it does not speak it ({error})"),
                error => error.to_string(),
            },
        }),
    }
}

/// Who is not let in, in words that are nobody's secret.
fn who(login: &Login) -> String {
    match login {
        Login::Anonymous => "somebody without a login".to_owned(),
        Login::Password { user, .. } => format!("the user {user} with this password"),
        Login::Token(_) => "the bearer of this token".to_owned(),
        Login::Nkey(_) => "the owner of this nkey".to_owned(),
        Login::Credentials(path) => format!("the user of the credentials in {}", path.display()),
    }
}

/// What the two sides of TLS disagree about, where that is why a connection failed.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let error = error.source()?.downcast_ref::<std::io::Error>()?;
    error.get_ref()?.downcast_ref()
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
    fn servers_have_their_turns_and_the_one_that_is_left_the_last() {
        let server = |number: usize| Server {
            addr: format!("nats://127.0.0.1:{number}").parse().unwrap(),
            failed_attempts: 4 - number,
            did_connect: number == 3,
            is_discovered: false,
            last_error: None,
        };
        let choose = in_turn();
        let connected = ServerInfo {
            server_id: "N".to_owned(),
            ..ServerInfo::default()
        };
        let next = |info: &ServerInfo| {
            let chosen = choose([1, 2, 3].map(server).into(), info.clone()).into_inner();
            chosen.map(|it| it.addr.port())
        };
        assert_eq!(
            next(&ServerInfo::default()),
            None,
            "the first is the library's"
        );
        let turns: Vec<_> = (0..6).map(|_| next(&connected).unwrap()).collect();
        let mut others = turns[..2].to_vec();
        others.sort_unstable();
        assert_eq!((&others[..], turns[2]), (&[1, 2][..], 3));
        assert_eq!(turns[..3], turns[3..]);
    }

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
