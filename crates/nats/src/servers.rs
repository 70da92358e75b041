//! Where NATS is: the URLs of its servers, and the login that they may bear.

use std::fmt;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use crate::config::{Login, NatsConfig};
use crate::error::NatsError;

/// Whom to ask, and as whom.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Without logins: the client library ignores them, and they are nobody's to read.
    pub(crate) addresses: Vec<ServerAddr>,
    pub(crate) login: Login,
}

impl Servers {
    /// Those of `config`, if each is a URL and there is one login at most.
    pub(crate) fn new(config: &NatsConfig) -> Result<Self, NatsError> {
        let mut servers = Self {
            addresses: Vec::new(),
            login: config.login.clone(),
        };
        for url in &config.servers {
            let (address, login) = read(url)?;
            servers.addresses.push(address);
            let Some(login) = login else { continue };
            if servers.login == Login::Anonymous {
                servers.login = login;
            } else if servers.login != login {
                return Err(NatsError::Settings(
                    "NATS is to be logged in to in two ways, by its URLs or by one and the settings: keep one of them"
                        .to_owned(),
                ));
            }
        }
        match servers.addresses.is_empty() {
            true => Err(NatsError::Settings("no server of NATS is named".to_owned())),
            false => Ok(servers),
        }
    }
}

/// One server, and its login.
fn read(url: &str) -> Result<(ServerAddr, Option<Login>), NatsError> {
    let host = url.rsplit('@').next().unwrap_or_default();
    let wrong = |error: &dyn fmt::Display| {
        NatsError::Settings(format!("the server {host} cannot be used: {error}"))
    };
    let address: ServerAddr = url.parse().map_err(|error| wrong(&error))?;
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| wrong(&"its login is no UTF-8"));
        text.map(|text| text.into_owned())
    };
    let login = match (address.username(), address.password()) {
        (None, _) => None,
        (Some(token), None) => Some(Login::Token(decoded(token)?)),
        (Some(user), Some(password)) => Some(Login::Password {
            user: decoded(user)?,
            password: decoded(password)?,
        }),
    };
    let mut bare = address.into_inner();
    // They fail for a URL without a host, which has no login.
    let _ = (bare.set_username(""), bare.set_password(None));
    let address = ServerAddr::from_url(bare).map_err(|error| wrong(&error))?;
    Ok((address, login))
}

/// The URLs, without logins.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.addresses.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{}", address.as_url_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(urls: &[&str], login: Login) -> Result<Servers, NatsError> {
        Servers::new(&NatsConfig {
            login,
            ..NatsConfig::new(urls.iter().copied())
        })
    }

    #[test]
    fn a_login_is_taken_out_of_a_url() {
        for (url, login) in [
            ("nats://a:4222", Login::Anonymous),
            ("nats://tick%21@a:4222", Login::Token("tick!".to_owned())),
            (
                "nats://ada:a%40b%3Ac@a:4222",
                Login::Password {
                    user: "ada".to_owned(),
                    password: "a@b:c".to_owned(),
                },
            ),
        ] {
            let servers = servers(&[url, "tls://b"], Login::Anonymous).unwrap();
            assert_eq!(servers.login, login, "{url}");
            assert_eq!(servers.to_string(), "nats://a:4222,tls://b");
        }
    }

    #[test]
    fn one_login_is_enough() {
        let token = |token: &str| Login::Token(token.to_owned());
        let same = servers(&["nats://x@a", "nats://x@b"], token("x")).unwrap();
        assert_eq!(same.login, token("x"));
        for (urls, login) in [
            (["nats://x@a", "nats://y@b"], Login::Anonymous),
            (["nats://x@a", "nats://b"], token("y")),
        ] {
            let error = servers(&urls, login).unwrap_err();
            assert!(error.to_string().contains("two ways"), "{error}");
        }
    }

    #[test]
    fn what_is_no_url_is_named_without_its_login() {
        for url in ["nats://ada:hidden@a:port", "http://ada:hidden@a:port"] {
            let error = servers(&[url], Login::Anonymous).unwrap_err().to_string();
            assert!(
                error.contains("a:port") && !error.contains("hidden"),
                "{error}"
            );
        }
        assert!(servers(&[], Login::Anonymous).is_err());
    }
}
