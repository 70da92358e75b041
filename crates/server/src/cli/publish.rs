//! `tidings publish`: messages from the command line or from standard input.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::ServerArgs;
use super::client::{Client, Failure};
use crate::fault::Fault;

/// Publish messages to a channel.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings publish chat:lobby 'hello, everybody'
  tidings publish alerts --json '{\"disk\":\"/\",\"free\":0.03}'
  tail -f app.log | tidings publish logs -          each line is a message")]
pub(super) struct PublishArgs {
    /// Where.
    channel: String,
    /// What; `-` publishes each line of standard input.
    text: String,
    /// The text is JSON, and not a string.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// How often a publish is tried; its id lets the server know a message that it has already.
const TRIES: u32 = 5;

/// How long to wait before the second try; each wait is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Publishes what was given.
pub(super) async fn run(args: PublishArgs) -> Result<(), Fault> {
    let mut publisher = Publisher {
        client: Client::new(&args.server)?,
        path: format!("/v1/channels/{}/messages", Client::encode(&args.channel)),
        json: args.json,
    };
    if args.text != "-" {
        return publisher.publish(&args.text).await;
    }
    // Nothing else is to be done while the input is waited for, so it may block.
    for line in std::io::stdin().lines() {
        let line =
            line.map_err(|error| Fault::failure(format!("cannot read the input: {error}")))?;
        publisher.publish(&line).await?;
    }
    Ok(())
}

struct Publisher {
    client: Client,
    path: String,
    json: bool,
}

#[derive(Serialize)]
struct Said<'a, D> {
    data: D,
    id: &'a str,
}

impl Publisher {
    async fn publish(&mut self, text: &str) -> Result<(), Fault> {
        let id = format!("{:032x}", fastrand::u128(..));
        let body = match self.json {
            true => {
                let data: &RawValue = serde_json::from_str(text).map_err(|error| {
                    Fault::setup(format!("{text:?} is not JSON: {error}"))
                        .advise("Without --json it is published as the text that it is.")
                })?;
                serde_json::to_string(&Said { data, id: &id })
            }
            false => serde_json::to_string(&Said {
                data: text,
                id: &id,
            }),
        };
        let body = body.map_err(|error| Fault::failure(format!("cannot be sent: {error}")))?;
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.client.post(&self.path, body.clone()).await {
                Ok(_) => return Ok(()),
                Err(Failure::Lasting(fault)) => return Err(fault),
                Err(Failure::Passing { after, .. }) => sleep(after.unwrap_or(wait)).await,
            }
            wait *= 2;
        }
        match self.client.post(&self.path, body).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure
                .into_fault()
                .advise("Does the server run, and is --url where it listens?")),
        }
    }
}
