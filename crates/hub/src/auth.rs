//! Who is there, and what they may do.
//!
//! A token is an HS256 JWT (RFC 7519, RFC 7515):
//!
//! ```json
//! {"sub":"alice","exp":1763800000,"channels":{"read":["chat:*"],"write":["chat:lobby"]}}
//! ```
//!
//! `sub` is the user's name. `exp` is optional, and without it the token never ends. A pattern in
//! `channels` is a channel's name, or the beginning of names and a `*`. A token without `channels`
//! allows nothing.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tidings_wire::{ChannelName, Code, User};

use crate::Refusal;

/// How the hub learns who is there.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Development mode: everybody may everything, under a name of their choice (`guest:NAME`).
    Guests,
    /// Tokens: HS256 JWTs signed with this secret are required, everywhere.
    Secret(Secret),
}

impl Auth {
    /// Who bears `token` at the time `now`; `number` makes the name of a guest who chose none.
    pub(crate) fn verify(
        &self,
        token: Option<&str>,
        now: SystemTime,
        number: u16,
    ) -> Result<Identity, Refusal> {
        match (self, token) {
            (Self::Guests, None) => guest(&format!("guest-{number:04x}")),
            (Self::Guests, Some(token)) => match token.strip_prefix("guest:") {
                Some(name) => guest(name),
                None => Err(unauthenticated(
                    "this server is in development mode and knows no tokens; come as guest:NAME",
                )),
            },
            (Self::Secret(_), None) => Err(unauthenticated(
                "a token is required; send it as \"Authorization: Bearer TOKEN\" or in hello",
            )),
            (Self::Secret(secret), Some(token)) => secret.verify(token, now),
        }
    }
}

fn unauthenticated(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::Unauthenticated, detail)
}

fn guest(name: &str) -> Result<Identity, Refusal> {
    let user = User::new(name.trim()).map_err(|error| unauthenticated(error.to_string()))?;
    Ok(Identity {
        user,
        permissions: Permissions::all(),
        expires: None,
    })
}

/// The secret that tokens are signed with.
#[derive(Clone)]
pub struct Secret(Arc<str>);

/// Bound of a secret from below, in bytes: RFC 7518, section 3.2: as many as the hash has.
const SECRET_BYTES_MIN: usize = 32;

impl Secret {
    /// Takes a text of at least 32 bytes.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        match text.len() >= SECRET_BYTES_MIN {
            true => Ok(Self(text.into())),
            false => Err(SecretError),
        }
    }

    fn verify(&self, token: &str, now: SystemTime) -> Result<Identity, Refusal> {
        // `alg` is fixed: a token that says "none", or anything else, is refused. The times are ours
        // to check, for the library would read the clock.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_secret(self.0.as_bytes());
        let decoded = jsonwebtoken::decode::<TokenClaims<f64>>(token, &key, &validation);
        let claims = decoded
            .map_err(|error| unauthenticated(format!("the token does not verify: {error}")))?
            .claims;
        let user = User::new(&claims.sub)
            .map_err(|error| unauthenticated(format!("the token's \"sub\": {error}")))?;
        let expires = claims.exp.map(time_of).transpose()?;
        if expires.is_some_and(|expires| expires <= now) {
            let detail = "the token is too old; get a new one";
            return Err(Refusal::new(Code::TokenExpired, detail));
        }
        if let Some(nbf) = claims.nbf
            && time_of(nbf)? > now
        {
            return Err(unauthenticated("the token is not valid yet (\"nbf\")"));
        }
        Ok(Identity {
            user,
            permissions: Permissions::new(claims.channels.read, claims.channels.write),
            expires,
        })
    }
}

impl fmt::Debug for Secret {
    /// Says nothing: secrets do not go into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// RFC 7519, section 2: a NumericDate may have a fraction.
fn time_of(seconds: f64) -> Result<SystemTime, Refusal> {
    let since = Duration::try_from_secs_f64(seconds).ok();
    let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    time.ok_or_else(|| unauthenticated("the token's times are no times"))
}

/// Milliseconds since the Unix epoch; 0 before it.
pub(crate) fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A secret is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at least {SECRET_BYTES_MIN} bytes; make one with `openssl rand -base64 32`")]
pub struct SecretError;

/// Somebody whom the hub knows.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name, which goes on everything that they say.
    pub user: User,
    /// What they may do.
    pub permissions: Permissions,
    /// When the token ends; `None`: never.
    pub expires: Option<SystemTime>,
}

impl Identity {
    /// Refuses to read `channel` where the token does not allow it.
    pub(crate) fn check_read(&self, channel: &ChannelName) -> Result<(), Refusal> {
        match self.permissions.may_read(channel) {
            true => Ok(()),
            false => Err(self.forbidden(channel, "read")),
        }
    }

    /// Refuses to write to `channel` where the token does not allow it.
    pub(crate) fn check_write(&self, channel: &ChannelName) -> Result<(), Refusal> {
        match self.permissions.may_write(channel) {
            true => Ok(()),
            false => Err(self.forbidden(channel, "write")),
        }
    }

    fn forbidden(&self, channel: &ChannelName, what: &str) -> Refusal {
        let detail = format!(
            "{} may not {what} \"{channel}\": the token has no pattern for it in \"channels\".\"{what}\"",
            self.user
        );
        Refusal::new(Code::Forbidden, detail)
    }
}

/// Which channels somebody may read and write. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Arc<Patterns>);

#[derive(Debug, PartialEq, Eq)]
struct Patterns {
    read: Vec<String>,
    write: Vec<String>,
}

impl Permissions {
    /// Everything, as guests in development mode have it.
    pub fn all() -> Self {
        /// One for all of them, for there may be thousands.
        static ALL: LazyLock<Permissions> =
            LazyLock::new(|| Permissions::new(["*".to_owned()], ["*".to_owned()]));
        ALL.clone()
    }

    /// May only what these patterns allow: a channel's name, or its beginning and a `*`.
    pub fn new(
        read: impl IntoIterator<Item = String>,
        write: impl IntoIterator<Item = String>,
    ) -> Self {
        Self(Arc::new(Patterns {
            read: read.into_iter().collect(),
            write: write.into_iter().collect(),
        }))
    }

    /// Whether `channel` may be followed and its history and presence read.
    pub fn may_read(&self, channel: &ChannelName) -> bool {
        self.0.read.iter().any(|pattern| matches(pattern, channel))
    }

    /// Whether messages and signals may be sent to `channel`.
    pub fn may_write(&self, channel: &ChannelName) -> bool {
        self.0.write.iter().any(|pattern| matches(pattern, channel))
    }
}

/// No channel's name has a `*` in it, so that one anywhere but at the end matches nothing.
fn matches(pattern: &str, channel: &ChannelName) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => channel.as_str().starts_with(beginning),
        None => channel.as_str() == pattern,
    }
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the user's name.
    pub sub: String,
    /// `exp`: when it ends, in seconds since the Unix epoch; absent: never.
    pub exp: Option<u64>,
    /// `channels.read`: patterns of the channels that may be read.
    pub read: Vec<String>,
    /// `channels.write`: patterns of the channels that may be written.
    pub write: Vec<String>,
}

/// A token that says `claims`, for whoever issues tokens (`tidings token`).
pub fn sign(secret: &Secret, claims: &Claims) -> String {
    let claims = TokenClaims {
        sub: claims.sub.clone(),
        exp: claims.exp,
        nbf: None,
        channels: ChannelPatterns {
            read: claims.read.clone(),
            write: claims.write.clone(),
        },
    };
    let key = EncodingKey::from_secret(secret.0.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .expect("texts and numbers are JSON, and HMAC takes every key")
}

/// The claims as they stand in the token. Others may write times with a fraction; we do not.
#[derive(Serialize, Deserialize)]
struct TokenClaims<Time> {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<Time>,
    #[serde(default)]
    channels: ChannelPatterns,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct ChannelPatterns {
    read: Vec<String>,
    write: Vec<String>,
}

/// Stands for an identity once, where a request cannot carry a token (`EventSource`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What goes into `?ticket=`: hexadecimal digits.
    pub text: String,
    /// For how long it can be redeemed.
    pub valid_for: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn verify(token: &str, now: u64) -> Result<Identity, Code> {
        let auth = Auth::Secret(Secret::new(SECRET).unwrap());
        auth.verify(Some(token), at(now), 0)
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_token_says_who_may_do_what_and_until_when() {
        let token = sign(
            &Secret::new(SECRET).unwrap(),
            &Claims {
                sub: "alice".into(),
                exp: Some(1000),
                read: vec!["chat:*".into(), "news".into()],
                write: vec!["chat:lobby".into()],
            },
        );
        let alice = verify(&token, 999).unwrap();
        assert_eq!(alice.user.as_str(), "alice");
        assert_eq!(alice.expires, Some(at(1000)));
        assert!(alice.check_read(&channel("chat:x")).is_ok());
        assert!(alice.check_read(&channel("news")).is_ok());
        assert!(alice.check_write(&channel("chat:lobby")).is_ok());
        for refusal in [
            alice.check_read(&channel("newsroom")).unwrap_err(),
            alice.check_write(&channel("chat:x")).unwrap_err(),
        ] {
            assert_eq!(refusal.code, Code::Forbidden);
        }
        assert_eq!(verify(&token, 1000).unwrap_err(), Code::TokenExpired);
    }

    #[test]
    fn what_others_signed_or_nobody_signed_is_refused() {
        let other = Secret::new(&SECRET.to_uppercase()).unwrap();
        let claims = Claims {
            sub: "alice".into(),
            ..Claims::default()
        };
        let foreign = sign(&other, &claims);
        // {"alg":"none"} {"sub":"alice"}
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
        for token in [&foreign, unsigned, "", "x", "a.b.c", "guest:alice"] {
            assert_eq!(verify(token, 0).unwrap_err(), Code::Unauthenticated);
        }
    }

    #[test]
    fn a_token_without_channels_allows_nothing() {
        let header = Header::new(Algorithm::HS256);
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let claims = serde_json::json!({"sub": "bob", "aud": "us", "iss": "them"});
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let bob = verify(&token, 0).unwrap();
        assert!(!bob.permissions.may_read(&channel("a")));
        assert!(!bob.permissions.may_write(&channel("a")));
        assert_eq!(bob.expires, None);
    }

    #[test]
    fn a_guest_has_a_good_name_or_gets_one() {
        let guest = |token| Auth::Guests.verify(token, at(0), 0x7f3a);
        assert_eq!(guest(None).unwrap().user.as_str(), "guest-7f3a");
        assert_eq!(guest(Some("guest:Ann Ö")).unwrap().user.as_str(), "Ann Ö");
        for bad in ["guest:", "guest:  ", "guest:a\nb", "alice"] {
            assert_eq!(guest(Some(bad)).unwrap_err().code, Code::Unauthenticated);
        }
        let longest = format!("guest:{}", "x".repeat(64));
        assert!(guest(Some(&longest)).is_ok());
        assert!(guest(Some(&format!("{longest}x"))).is_err());
    }

    #[test]
    fn a_secret_is_as_long_as_its_hash() {
        assert!(Secret::new(&SECRET[1..]).is_err());
        assert!(Secret::new(SECRET).is_ok());
        assert!(!format!("{:?}", Secret::new(SECRET)).contains("0123"));
    }
}
