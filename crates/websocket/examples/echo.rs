//! Echoes every message: `cargo run --release -p tidings-websocket --example echo --
//! 127.0.0.1:9001 [--comfortable]`.
//!
//! One thread. The server loop holds all sockets; with `--comfortable` each connection has a
//! task of its own. The program that conformance tests and benchmarks run against.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidings_websocket::Config;
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::event_loop::{self, EventLoop};
use tidings_websocket::tokio::{self as websocket, Options, WebSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let listener = TcpListener::bind(&arguments.address).await?;
    println!("echoing at ws://{}", listener.local_addr()?);
    let (accepted, mut handshakes) = mpsc::channel(1);
    tokio::spawn(accept(listener, accepted));
    if arguments.comfortable {
        while let Some(websocket) = handshakes.recv().await {
            tokio::spawn(echo(websocket));
        }
        return Ok(());
    }
    // In a task, because tokio wakes a task with less ado than `main` itself.
    Ok(tokio::spawn(serve(handshakes)).await??)
}

/// The server loop: every socket in one task.
async fn serve(mut handshakes: mpsc::Receiver<WebSocket<TcpStream>>) -> io::Result<()> {
    let mut sockets = EventLoop::new(event_loop::Options {
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        ..event_loop::Options::default()
    })?;
    loop {
        tokio::select! {
            Some(websocket) = handshakes.recv() => {
                if let Err(error) = sockets.insert(websocket, ()) {
                    eprintln!("{error}");
                }
            }
            turned = sockets.turn(|sockets, key, event| match event {
                Ok(event) if event.is_message() => {
                    if let Some(mut socket) = sockets.get_mut(key) {
                        // It fails when the connection is closing, whose end will be told.
                        let _ = socket.send(event);
                    }
                }
                _ => {} // a ping, a pong, or the end
            }) => turned?,
        }
    }
}

/// The comfortable adapter: one connection in a task of its own.
async fn echo(mut websocket: WebSocket<TcpStream>) {
    while let Ok(Some(event)) = websocket.recv().await {
        if event.is_message() && websocket.feed(event).is_err() {
            break;
        } // what is fed is written when `recv` has to wait
    }
}

/// Does the handshakes, each in a task that ends with it.
async fn accept(listener: TcpListener, accepted: mpsc::Sender<WebSocket<TcpStream>>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many descriptors, most likely: wait until some are closed.
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let accepted = accepted.clone();
        tokio::spawn(async move {
            let offer = server::Options::default();
            if let Ok(connected) = websocket::accept(stream, &offer, options()).await {
                let _ = accepted.send(connected.websocket).await; // fails when the server ends
            }
            drop(permit);
        });
    }
}

/// How many handshakes run at a time; further connections wait in the kernel's backlog.
///
/// A handshake holds some kilobytes, and one that says nothing holds them for
/// `handshake_within`: a thousand are some megabytes, and more than a thread finishes in the
/// time of a few round trips.
const HANDSHAKES_MAX: usize = 1024;

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

struct Arguments {
    address: String,
    comfortable: bool,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            address: "127.0.0.1:9001".to_owned(),
            comfortable: false,
        };
        for argument in arguments {
            match argument.as_str() {
                "--comfortable" => parsed.comfortable = true,
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown option {flag}; there is --comfortable"));
                }
                address => parsed.address = address.to_owned(),
            }
        }
        Ok(parsed)
    }
}
