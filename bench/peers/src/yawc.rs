//! yawc, as its examples, and tuned.

use std::net::SocketAddr;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use yawc::frame::OpCode;
use yawc::{DeflatePool, HttpWebSocket, Options};

use crate::serve::serve;
use crate::{Mode, Outcome};

/// A message of the largest scenario, 1 MiB, with room.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(crate) fn run(address: SocketAddr, mode: Mode) -> Outcome {
    accept(address, mode, plain)
}

pub(crate) fn run_tuned(address: SocketAddr, mode: Mode) -> Outcome {
    accept(address, mode, tuned)
}

fn accept<F>(address: SocketAddr, mode: Mode, echo: fn(HttpWebSocket) -> F) -> Outcome
where
    F: Future<Output = yawc::Result<()>> + Send + 'static,
{
    let options = options(mode);
    serve(address, move |stream| {
        let options = options.clone();
        async move {
            let upgrade = service_fn(async |mut request| {
                let (response, upgraded) =
                    HttpWebSocket::upgrade_with_options(&mut request, options.clone())?;
                tokio::task::spawn(tokio::task::unconstrained(async move {
                    if let Ok(websocket) = upgraded.await {
                        let _ = echo(websocket).await;
                    }
                }));
                Ok::<_, yawc::WebSocketError>(response)
            });
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), upgrade)
                .with_upgrades()
                .await?;
            Ok(())
        }
    })
}

/// Text is checked, as all others do. Compression as its documentation advises for many
/// connections: without context takeover, and then with a pool.
fn options(mode: Mode) -> Options {
    let options = Options::default()
        .with_utf8()
        .with_limits(MESSAGE_BYTES_MAX, 2 * MESSAGE_BYTES_MAX);
    match mode {
        Mode::Plain => options.without_compression(),
        Mode::Takeover => options.with_low_latency_compression(),
        Mode::Deflate => options
            .with_low_latency_compression()
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(DeflatePool::new(64)),
    }
}

async fn plain(mut websocket: HttpWebSocket) -> yawc::Result<()> {
    while let Some(frame) = websocket.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            websocket.send(frame).await?;
        }
    }
    Ok(())
}

/// Answers what is there, as many as yawc's own benchmark does at once, then flushes.
async fn tuned(mut websocket: HttpWebSocket) -> yawc::Result<()> {
    const BATCH: usize = 32;
    while let Some(mut frame) = websocket.next().await {
        let mut answered = 0;
        loop {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                websocket.feed(frame).await?;
            }
            answered += 1;
            if answered == BATCH {
                break;
            }
            match websocket.next().now_or_never() {
                Some(Some(next)) => frame = next,
                Some(None) => return Ok(()),
                None => break,
            }
        }
        websocket.flush().await?;
    }
    Ok(())
}
