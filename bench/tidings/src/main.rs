//! Echo servers on the comfortable adapter: `bench-tidings WAY ADDRESS [plain|deflate|takeover]`.
//!
//! The ways: `batch` looks at all messages of one read, `recv` at one after the other, `stream`
//! forwards a stream to a sink. The server loop has a program of its own, `examples/echo` of
//! the crate.

use std::error::Error;
use std::future::ready;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures_util::{StreamExt, TryStreamExt};
use tidings_websocket::Config;
use tidings_websocket::deflate::{ContextTakeover, Policy};
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::{Options, WebSocket, accept};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

type Outcome = Result<(), Box<dyn Error>>;

/// A message of the largest scenario that can be asked for.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-tidings: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let [way, address, rest @ ..] = arguments else {
        return Err("say WAY ADDRESS [MODE]; ways: batch, recv, stream".into());
    };
    let deflate = match rest.first().map(String::as_str) {
        None | Some("plain") => None,
        Some("deflate") => Some(Policy::default()),
        Some("takeover") => Some(Policy {
            server_context_takeover: ContextTakeover::Allow,
            client_context_takeover: ContextTakeover::Allow,
            ..Policy::default()
        }),
        Some(other) => return Err(format!("there is no mode '{other}'").into()),
    };
    let address = address.parse()?;
    match way.as_str() {
        "batch" => serve(address, deflate, batch),
        "recv" => serve(address, deflate, recv),
        "stream" => serve(address, deflate, stream),
        other => Err(format!("there is no way '{other}'").into()),
    }
}

/// One thread, one task per connection.
fn serve<F>(
    address: SocketAddr,
    deflate: Option<Policy>,
    echo: fn(WebSocket<TcpStream>) -> F,
) -> Outcome
where
    F: Future<Output = Outcome> + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                // That a client went away is not worth a word.
                if let Ok(websocket) = open(stream, deflate).await {
                    let _ = echo(websocket).await;
                }
            });
        }
    })
}

async fn open(
    stream: TcpStream,
    deflate: Option<Policy>,
) -> Result<WebSocket<TcpStream>, Box<dyn Error>> {
    let offer = server::Options {
        deflate,
        ..server::Options::default()
    };
    let config = Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        deflate,
        ..Config::default()
    };
    let options = Options {
        config,
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        ..Options::default()
    };
    Ok(accept(stream, &offer, options).await?.websocket)
}

async fn batch(mut websocket: WebSocket<TcpStream>) -> Outcome {
    while let Some(mut batch) = websocket.recv_batch().await? {
        while let Some(event) = batch.next() {
            if event.is_message() {
                batch.send(event)?;
            }
        }
    }
    Ok(())
}

async fn recv(mut websocket: WebSocket<TcpStream>) -> Outcome {
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?; // written when `recv` has to wait
        }
    }
    Ok(())
}

async fn stream(websocket: WebSocket<TcpStream>) -> Outcome {
    let (sink, stream) = websocket.split();
    let messages = stream.try_filter(|event| ready(event.is_message()));
    messages.forward(sink).await?;
    Ok(())
}
