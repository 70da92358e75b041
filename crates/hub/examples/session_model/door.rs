//! A transport's end of a link, without the transport.

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Waker};

use serde_json::{Value, json};
use tidings_hub::{Link, Push, Refusal, Room, Shard, StreamRequest};
use tidings_wire::{Format, Newest, Request, RequestError};

/// See the module.
pub(crate) struct Door(Link);

impl Door {
    /// As a WebSocket opens one.
    pub(crate) fn connect(shard: &Shard, user: &str) -> Result<Self, Refusal> {
        let who = shard.hub().authenticate(Some(&format!("guest:{user}")))?;
        Ok(Self(shard.connect(Some(who))?))
    }

    /// As a poll or an SSE stream opens one.
    pub(crate) async fn stream(
        shard: &Shard,
        user: &str,
        request: StreamRequest,
    ) -> Result<Self, Refusal> {
        let who = shard.hub().authenticate(Some(&format!("guest:{user}")))?;
        Ok(Self(shard.stream(who, request).await?))
    }

    /// How far everything was given, where the logs ended as the stream began, and which log each channel is in, if
    /// they are in several.
    pub(crate) fn beginning(&self) -> Value {
        let cursor = self.0.cursor();
        let newest = self.0.newest().map(Newest::from);
        json!({ "cursor": cursor, "newest": newest, "epochs": self.0.epochs() })
    }

    /// Takes a frame of the client's.
    pub(crate) fn say(&mut self, frame: &Value) -> Result<(), RequestError> {
        let request = Request::decode(frame.to_string().as_bytes(), Format::Json)?;
        self.0.handle(request);
        Ok(())
    }

    /// Gives the client what there is room for.
    pub(crate) fn offer(&mut self, room: Room) -> Result<Value, Box<dyn Error>> {
        let mut pushes = Vec::new();
        // As transports do: who is not told that there is something does not look.
        if self.is_ready() {
            self.0.poll(room, &mut pushes);
        }
        let mut frames: Vec<Value> = Vec::new();
        let mut closed = None;
        for push in pushes {
            match push {
                Push::Event(event) => {
                    frames.push(serde_json::from_slice(event.bytes(Format::Json))?);
                }
                Push::Reply(reply) => frames.push(serde_json::to_value(reply)?),
                Push::Close { code, reason } => closed = Some(format!("{code}: {reason}")),
            }
        }
        let mut told = self.beginning();
        told["frames"] = json!(frames);
        told["closed"] = json!(closed);
        Ok(told)
    }

    fn is_ready(&self) -> bool {
        let ready = pin!(self.0.ready());
        ready
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }
}
