//! Who is there, and what they may do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidings_wire::{ChannelName, User};

/// How the hub learns who is there.
#[derive(Clone)]
pub enum Auth {
    /// Development mode: everybody may everything, under a name of their choice (`guest:NAME`).
    Guests,
    /// Tokens: HS256 JWTs signed with this secret are required, everywhere.
    Secret(Secret),
}

/// The secret that tokens are signed with.
#[derive(Clone)]
pub struct Secret(#[expect(dead_code)] Arc<[u8]>);

impl Secret {
    /// Takes a text of at least 32 bytes (RFC 7518, section 3.2: as many as the hash has).
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let _ = text;
        todo!()
    }
}

/// A secret is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at least 32 bytes; make one with `openssl rand -base64 32`")]
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

/// Which channels somebody may read and write. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Permissions(#[expect(dead_code)] Arc<(Vec<String>, Vec<String>)>);

impl Permissions {
    /// Everything, as guests in development mode have it.
    pub fn all() -> Self {
        todo!()
    }

    /// May only what these patterns allow: a channel's name, or its beginning and a `*`.
    pub fn new(
        read: impl IntoIterator<Item = String>,
        write: impl IntoIterator<Item = String>,
    ) -> Self {
        let _ = (read.into_iter(), write.into_iter());
        todo!()
    }

    /// Whether `channel` may be followed and its history and presence read.
    pub fn may_read(&self, channel: &ChannelName) -> bool {
        let _ = channel;
        todo!()
    }

    /// Whether messages and signals may be sent to `channel`.
    pub fn may_write(&self, channel: &ChannelName) -> bool {
        let _ = channel;
        todo!()
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
    let _ = (secret, claims);
    todo!()
}

/// Stands for an identity once, where a request cannot carry a token (`EventSource`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What goes into `?ticket=`: letters and digits.
    pub text: String,
    /// For how long it can be redeemed.
    pub valid_for: Duration,
}
