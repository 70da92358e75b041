//! Echoes every message: `cargo run --release -p tidings-websocket --example echo --
//! 127.0.0.1:9001 [--deflate | --takeover] [--comfortable] [--tls CHAIN.pem KEY.pem]`.
//!
//! One thread. The server loop holds all sockets; with `--comfortable`, and under TLS, each
//! connection has a task of its own. The program that conformance tests and benchmarks run
//! against.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_websocket::Config;
#[cfg(feature = "deflate")]
use tidings_websocket::deflate::{ContextTakeover, Policy};
use tidings_websocket::handshake::server;
#[cfg(target_os = "linux")]
use tidings_websocket::tokio::event_loop::{self, EventLoop};
#[cfg(feature = "rustls")]
use tidings_websocket::tokio::tls::{self, rustls::ServerConfig};
use tidings_websocket::tokio::{self as websocket, Options, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        address,
        comfortable,
        security,
        options,
    } = Arguments::parse(std::env::args().skip(1))?;
    let listener = listen(address)?;
    let scheme = security.scheme();
    println!("echoing at {scheme}://{}", listener.local_addr()?);
    let (accepted, mut handshakes) = mpsc::channel(ACCEPTED_MAX);
    tokio::spawn(accept_all(listener, security, options, accepted));
    #[cfg(target_os = "linux")]
    if !comfortable {
        // In a task, because tokio wakes a task with less ado than `main` itself.
        return Ok(tokio::spawn(serve(handshakes)).await??);
    }
    let _ = comfortable; // elsewhere there is no other way
    while let Some(websocket) = handshakes.recv().await {
        tokio::spawn(echo(websocket));
    }
    Ok(())
}

/// The server loop: every socket in one task.
#[cfg(target_os = "linux")]
async fn serve(mut handshakes: mpsc::Receiver<WebSocket<TcpStream>>) -> io::Result<()> {
    let mut sockets = EventLoop::new(event_loop::Options::default())?;
    let mut newcomers = Vec::new();
    loop {
        tokio::select! {
            1.. = handshakes.recv_many(&mut newcomers, ACCEPTED_MAX) => {
                for websocket in newcomers.drain(..) {
                    if let Err(error) = sockets.insert(websocket, ()) {
                        eprintln!("{error}");
                    }
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
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut websocket: WebSocket<S>) {
    while let Ok(Some(event)) = websocket.recv().await {
        if event.is_message() && websocket.feed(event).is_err() {
            break;
        } // what is fed is written when `recv` has to wait
    }
}

/// Does the handshakes, each in a task that ends with it.
async fn accept_all(
    listener: TcpListener,
    security: Security,
    options: Options,
    accepted: mpsc::Sender<WebSocket<TcpStream>>,
) {
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
        let (security, accepted) = (security.clone(), accepted.clone());
        tokio::spawn(async move {
            let offer = server::Options::default(); // compression is in the configuration
            match security {
                Security::Plain => {
                    if let Ok(done) = websocket::accept(stream, &offer, options).await {
                        // It fails when the server ends.
                        let _ = accepted.send(done.websocket).await;
                    }
                }
                #[cfg(feature = "rustls")]
                Security::Tls(config) => {
                    let done = tls::accept(stream, config, &offer, options).await;
                    drop(permit);
                    if let Ok(done) = done {
                        echo(done.websocket).await;
                    }
                    return;
                }
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

/// How many accepted connections wait for the loop at a time: as many as tokio accepts before it
/// lets others have their turn, so that none waits in a task with all that its handshake needed.
const ACCEPTED_MAX: usize = 128;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that wait to be accepted: a thousand may come at once in a benchmark.
const BACKLOG: u32 = 4096;

/// The largest message of the Autobahn suite.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

struct Arguments {
    address: SocketAddr,
    comfortable: bool,
    security: Security,
    options: Options,
}

#[derive(Clone)]
enum Security {
    Plain,
    #[cfg(feature = "rustls")]
    Tls(Arc<ServerConfig>),
}

impl Security {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Plain => "ws",
            #[cfg(feature = "rustls")]
            Self::Tls(_) => "wss",
        }
    }
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let config = Config {
            frame_bytes_max: MESSAGE_BYTES_MAX,
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..Config::default()
        };
        let mut parsed = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9001)),
            comfortable: false,
            security: Security::Plain,
            options: Options {
                config,
                unsent_bytes_max: MESSAGE_BYTES_MAX,
                ..Options::default()
            },
        };
        let mut next = || arguments.next();
        while let Some(argument) = next() {
            match argument.as_str() {
                "--comfortable" => parsed.comfortable = true,
                #[cfg(feature = "deflate")]
                "--deflate" => parsed.options.config.deflate = Some(Policy::default()),
                #[cfg(feature = "deflate")]
                "--takeover" => {
                    parsed.options.config.deflate = Some(Policy {
                        server_context_takeover: ContextTakeover::Allow,
                        client_context_takeover: ContextTakeover::Allow,
                        ..Policy::default()
                    });
                }
                #[cfg(feature = "rustls")]
                "--tls" => {
                    let mut file = || -> Result<Vec<u8>, Box<dyn Error>> {
                        let path = next().ok_or("--tls CHAIN.pem KEY.pem")?;
                        Ok(std::fs::read(path)?)
                    };
                    parsed.security = Security::Tls(tls::server_config(&file()?, &file()?)?);
                }
                option if option.starts_with('-') => {
                    return Err(format!("{option} is unknown, or its feature not built in").into());
                }
                address => parsed.address = address.parse()?,
            }
        }
        Ok(parsed)
    }
}
