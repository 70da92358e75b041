//! tokio-websockets, as its `examples/echo_server.rs`. Its stream flushes within `poll_next`, so
//! that feeding many and flushing once changes nothing: there is no tuned one.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{Config, Limits, ServerBuilder};

use crate::serve::serve;
use crate::{Mode, Outcome};

pub(crate) fn run(address: SocketAddr, _: Mode) -> Outcome {
    serve(address, async |stream| {
        let (_request, mut websocket) = ServerBuilder::new()
            .config(Config::default().frame_size(usize::MAX))
            .limits(Limits::unlimited())
            .accept(stream)
            .await?;
        while let Some(Ok(message)) = websocket.next().await {
            if message.is_text() || message.is_binary() {
                websocket.send(message).await?;
            }
        }
        Ok(())
    })
}
