//! A loop to examine, and clients of all kinds.

use std::future::Future;
use std::io;
use std::time::Duration;

use tidings_websocket::handshake::server;
use tidings_websocket::tokio::event_loop::{EventLoop, Key, Options, Sockets};
use tidings_websocket::tokio::{self as websocket, Error, WebSocket};
use tidings_websocket::{Config, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for anything that happens at all.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits no longer than [`DEADLINE`].
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

/// Another implementation's client.
pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A listener for sockets that go into a loop.
pub(crate) struct Door {
    listener: TcpListener,
    config: Config,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with_config(Config::default()).await
    }

    pub(crate) async fn with_config(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, config }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.listener.local_addr().unwrap())
    }

    /// Does a server's handshake with the next that knocks.
    pub(crate) async fn accept(&self) -> WebSocket<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        let options = websocket::Options {
            config: self.config,
            ..websocket::Options::default()
        };
        let offer = server::Options::default();
        let accepted = websocket::accept(stream, &offer, options).await;
        accepted.unwrap().websocket
    }

    /// Another implementation's client, and our end of its connection.
    pub(crate) async fn connect(&self) -> (Client, WebSocket<TcpStream>) {
        let url = self.url();
        let (connected, websocket) = tokio::join!(connect_async(&url), self.accept());
        (connected.unwrap().0, websocket)
    }
}

/// Answers messages with themselves.
pub(crate) fn echo<T>(sockets: &mut Sockets<T>, key: Key, event: Result<Event<'_>, Error>) {
    if let Ok(event) = event
        && event.is_message()
    {
        sockets.get_mut(key).unwrap().send(event).unwrap();
    }
}

/// Echoes for ever.
pub(crate) async fn echo_all<T>(sockets: &mut EventLoop<T>) -> io::Error {
    loop {
        if let Err(error) = sockets.turn(echo).await {
            return error;
        }
    }
}

/// A loop with the options that most tests want.
pub(crate) fn event_loop<T>() -> EventLoop<T> {
    EventLoop::new(Options::default()).unwrap()
}
