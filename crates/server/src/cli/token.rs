//! `tidings token`: signs a token for a user, with the secret that the server has.

use std::time::{Duration, SystemTime};

use clap::Args;
use tidings_hub::auth::{Claims, sign};
use tidings_wire::User;

use super::serve::{ConfigArgs, secret};
use crate::fault::Fault;

/// Make a token for a user.
///
/// The secret is that of the server: TIDINGS_AUTH_SECRET, or auth.secret in the file that --config names.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings token --user alice --read 'chat:*' --write 'chat:*' --expires 12h
  curl -H \"Authorization: Bearer $(tidings token --user bot --write alerts)\" \\
       -H 'content-type: text/plain' -d 'disk is full' http://127.0.0.1:7007/v1/channels/alerts/messages")]
pub(super) struct TokenArgs {
    /// The user's name, which goes on everything that they say.
    #[arg(long)]
    user: String,
    /// A channel that may be read; `chat:*` is all that begin so. May be given many times.
    #[arg(long, value_name = "CHANNEL")]
    read: Vec<String>,
    /// A channel that may be written. May be given many times.
    #[arg(long, value_name = "CHANNEL")]
    write: Vec<String>,
    /// How long it is good for: 12h, 30days, never.
    #[arg(long, default_value = "12h", value_parser = parse_expiry)]
    expires: Expiry,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    After(Duration),
    Never,
}

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    humantime::parse_duration(text)
        .map(Expiry::After)
        .map_err(|_| "write it as 12h, 30days or never".to_owned())
}

/// Prints the token alone, so that `$(tidings token …)` is it.
pub(super) fn run(args: &TokenArgs) -> Result<(), Fault> {
    let config = args.config.load()?;
    config.check()?;
    let secret = secret(&config)?.ok_or_else(|| {
        Fault::setup("there is no secret to sign with").advise(
            "Set TIDINGS_AUTH_SECRET, or name the server's file with --config. A server without a \
             secret needs no tokens: there --token guest:NAME does.",
        )
    })?;
    let user = User::new(&args.user)
        .map_err(|error| Fault::setup(format!("--user {:?}: {error}", args.user)))?;
    if args.read.is_empty() && args.write.is_empty() {
        return Err(Fault::setup("a token without channels may do nothing")
            .advise("Give --read 'chat:*' and --write 'chat:*', or single channels."));
    }
    let claims = Claims {
        sub: user.as_str().to_owned(),
        exp: expiry(args.expires)?,
        read: args.read.clone(),
        write: args.write.clone(),
    };
    println!("{}", sign(&secret, &claims));
    Ok(())
}

/// In seconds since the Unix epoch, as RFC 7519 has it.
fn expiry(expiry: Expiry) -> Result<Option<u64>, Fault> {
    let Expiry::After(after) = expiry else {
        return Ok(None);
    };
    let at = SystemTime::now().checked_add(after);
    let since = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    match since {
        Some(since) => Ok(Some(since.as_secs())),
        None => Err(Fault::setup(
            "--expires is further away than this machine counts",
        )),
    }
}
