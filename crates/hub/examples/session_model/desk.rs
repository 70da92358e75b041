//! HTTP's doors that answer one question each, without HTTP.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidings_hub::{Hub, Identity, Refusal};
use tidings_wire::{Command, Reply, ReplyBody, Request};
use tokio::task::spawn_local;

/// Where somebody's answers lie until they are fetched. They come when they come.
#[derive(Clone, Default)]
pub(crate) struct Desk(Rc<RefCell<Vec<Reply>>>);

impl Desk {
    /// Asks; the answer will lie here.
    pub(crate) fn ask(&self, hub: Arc<Hub>, who: Identity, request: Request) {
        let answers = self.0.clone();
        spawn_local(async move {
            let reply = match answer(&hub, &who, request.command).await {
                Ok(body) => Reply {
                    req: request.req,
                    body,
                },
                Err(refusal) => Reply::error(request.req, refusal.code, refusal.detail),
            };
            answers.borrow_mut().push(reply);
        });
    }

    /// Fetches what has come.
    pub(crate) fn fetch(&self) -> Vec<Reply> {
        self.0.take()
    }
}

async fn answer(hub: &Hub, who: &Identity, command: Command) -> Result<ReplyBody, Refusal> {
    Ok(match command {
        Command::Publish { channel, data, id } => {
            let published = hub.publish(who, channel, data, id).await?;
            ReplyBody::Published {
                seq: published.seq,
                id: published.id,
                at: published.at,
            }
        }
        Command::History {
            channel,
            before,
            after,
            limit,
        } => {
            let page = hub.history(who, channel, before, after, limit).await?;
            ReplyBody::History {
                messages: page.messages,
                truncated: page.truncated,
            }
        }
        Command::Presence { channel } => ReplyBody::Presence(hub.presence(who, channel).await?),
        other => panic!("over HTTP nobody says {other:?}"),
    })
}
