//! tokio-tungstenite, as its `examples/echo-server.rs`, and tuned.

use std::net::SocketAddr;

use futures_util::{FutureExt, SinkExt, StreamExt, TryStreamExt, future};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::serve::serve;
use crate::{Mode, Outcome};

pub(crate) fn run(address: SocketAddr, _: Mode) -> Outcome {
    serve(address, async |stream| {
        let websocket = tokio_tungstenite::accept_async(stream).await?;
        let (write, read) = websocket.split();
        read.try_filter(|message| future::ready(message.is_text() || message.is_binary()))
            .forward(write)
            .await?;
        Ok(())
    })
}

pub(crate) fn run_tuned(address: SocketAddr, _: Mode) -> Outcome {
    serve(address, tuned)
}

/// Answers all that has come, then flushes once. The read buffer is zeroed before each read, so
/// that the default of 128 KiB costs a third of the time of small messages.
async fn tuned(stream: TcpStream) -> Outcome {
    let config = WebSocketConfig::default().read_buffer_size(8 << 10);
    let mut websocket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = websocket.next().await {
        let mut message = message?;
        loop {
            if message.is_text() || message.is_binary() {
                websocket.feed(message).await?;
            }
            match websocket.next().now_or_never() {
                Some(Some(next)) => message = next?,
                Some(None) => return Ok(()),
                None => break,
            }
        }
        websocket.flush().await?;
    }
    Ok(())
}
