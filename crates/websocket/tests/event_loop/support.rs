//! A loop to examine, and clients of all kinds.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Buf;
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::event_loop::{EventLoop, Key, Options, Sockets};
use tidings_websocket::tokio::{self as websocket, Error, WebSocket};
use tidings_websocket::{Config, Connection, Event};
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

    /// A client's bare stream after its handshake, and our end of its connection.
    pub(crate) async fn connect_bare(&self) -> (TcpStream, WebSocket<TcpStream>) {
        let uri = self.url().parse().unwrap();
        let dial = async {
            let stream = TcpStream::connect(self.listener.local_addr().unwrap()).await;
            let offer = client::Options::default();
            let opened =
                websocket::open(stream.unwrap(), &uri, &offer, websocket::Options::default());
            opened.await.unwrap().websocket.into_parts().stream
        };
        tokio::join!(dial, self.accept())
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

/// Turns until `done` says so, and gives what it says.
pub(crate) async fn turn_until<T, R>(
    sockets: &mut EventLoop<T>,
    mut handle: impl FnMut(&mut Sockets<T>, Key, Result<Event<'_>, Error>),
    mut done: impl FnMut(&mut Sockets<T>) -> Option<R>,
) -> R {
    in_time(async {
        loop {
            if let Some(result) = done(sockets.sockets()) {
                return result;
            }
            sockets.turn(&mut handle).await.unwrap();
        }
    })
    .await
}

/// What a client would write to say this.
pub(crate) fn from_client<'e>(events: impl IntoIterator<Item = Event<'e>>) -> Vec<u8> {
    let mut connection = Connection::client(Config::default(), || [0x37, 0xfa, 0x21, 0x3d]);
    for event in events {
        connection.send(event).unwrap();
    }
    let output = connection.output();
    output.copy_to_bytes(output.remaining()).into()
}

/// What a client would read in this.
pub(crate) fn to_client(mut bytes: Vec<u8>) -> Vec<Event<'static>> {
    let config = Config {
        frame_bytes_max: bytes.len(),
        message_bytes_max: bytes.len(),
        ..Config::default()
    };
    let mut connection = Connection::client(config, || [0; 4]);
    let (mut input, mut events) = (&mut bytes[..], Vec::new());
    while let Some(event) = connection.receive(&mut input).unwrap() {
        events.push(event.into_owned());
    }
    events
}

/// Every end that was told, by key.
pub(crate) type Ends = Vec<(Key, Result<Event<'static>, Error>)>;

/// Keeps the ends, and nothing else.
pub(crate) fn note_end<T>(
    ends: &mut Ends,
) -> impl FnMut(&mut Sockets<T>, Key, Result<Event<'_>, Error>) {
    |_, key, event| match event {
        Ok(event @ Event::Close(_)) => ends.push((key, Ok(event.into_owned()))),
        Ok(_) => {}
        Err(error) => ends.push((key, Err(error))),
    }
}

/// Turns until nothing is left, not even what lingers.
pub(crate) async fn turn_to_the_end<T>(sockets: &mut EventLoop<T>) -> Ends {
    let mut ends = Ends::new();
    turn_until(sockets, note_end(&mut ends), |sockets| {
        (sockets.is_empty() && sockets.lingering() == 0).then_some(())
    })
    .await;
    ends
}
