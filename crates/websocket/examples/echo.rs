//! Echoes every message: `cargo run --release -p tidings-websocket --example echo --
//! 127.0.0.1:9001`.
//!
//! One thread. The program that conformance tests and benchmarks run against.

use std::error::Error;

use tidings_websocket::Config;
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::{Options, accept};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("echoing at ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut websocket = accept(stream, &server::Options::default(), options())
        .await?
        .websocket;
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?; // written when `recv` has to wait
        }
    }
    Ok(())
}

fn options() -> Options {
    let config = Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Config::default()
    };
    Options {
        config,
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        ..Options::default()
    }
}

/// The largest message of the Autobahn suite.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
