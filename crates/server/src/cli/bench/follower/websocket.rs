//! Following over a WebSocket.

use serde_json::json;
use tidings_websocket::Event;
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{HandshakeError, Options, WebSocket, open as handshake};
use tokio::time::{Instant, timeout};

use super::super::super::client::{ANSWER_WITHIN, Client, Dialled, Failure, frame_limits};
use super::super::payload::Said;
use super::Seat;
use crate::fault::Fault;

/// A WebSocket whose bytes are counted.
pub(in super::super) type Socket = WebSocket<Dialled>;

/// One that has subscribed.
pub(in super::super) struct Follower(Box<Socket>);

/// Opens a WebSocket, over which both sides have said `hello`.
pub(in super::super) async fn open(client: &Client) -> Result<Box<Socket>, Failure> {
    let offer = client::Options {
        subprotocols: &["tidings.v1.json"],
        ..client::Options::default()
    };
    let options = Options {
        config: frame_limits(),
        ..Options::default()
    };
    let wrong = |error| Failure::Lasting(Fault::setup(format!("--url: {error}")));
    let uri = client.websocket_url().parse().map_err(wrong)?;
    let stream = client.dial().await?;
    let connected = handshake(stream, &uri, &offer, options).await;
    let mut websocket = Box::new(connected.map_err(refused)?.websocket);
    let hello = json!({"type": "hello", "req": HELLO, "token": client.token()});
    websocket
        .feed(hello.to_string())
        .map_err(Failure::passing)?;
    wait_for(&mut websocket, "hello").await?;
    Ok(websocket)
}

/// Opens a client of `channel`.
pub(super) async fn follow(client: &Client, channel: &str) -> Result<Follower, Failure> {
    let mut websocket = open(client).await?;
    let subscribe = json!({"type": "subscribe", "req": SUBSCRIBE, "channel": channel});
    websocket
        .feed(subscribe.to_string())
        .map_err(Failure::passing)?;
    wait_for(&mut websocket, "subscribed").await?;
    Ok(Follower(websocket))
}

/// The requests of the beginning; the publishers' are numbered from 0, after it.
const HELLO: u32 = 0;
const SUBSCRIBE: u32 = 1;

/// Waits for an answer, past whatever else comes.
async fn wait_for(websocket: &mut Socket, kind: &str) -> Result<(), Failure> {
    let waiting = async {
        loop {
            match websocket.recv().await.map_err(Failure::passing)? {
                Some(Event::Text(text)) => {
                    let said = Said::parse(text.as_bytes()).map_err(Failure::passing)?;
                    if said.kind == kind {
                        return Ok(());
                    }
                    if let Some(complaint) = said.complaint() {
                        return Err(complaint.into_failure());
                    }
                }
                Some(Event::Close(close)) => {
                    return Err(Failure::passing(format!(
                        "the server closed the connection ({}) {}",
                        u16::from(close.code),
                        close.reason
                    )));
                }
                Some(_) => {}
                None => return Err(Failure::passing("the connection ended")),
            }
        }
    };
    let answer = timeout(ANSWER_WITHIN, waiting).await;
    answer.unwrap_or_else(|_| Err(Failure::passing(format!("no {kind:?} in time"))))
}

fn refused(error: HandshakeError) -> Failure {
    Failure::passing(format!("no WebSocket: {error}"))
}

impl Follower {
    /// Reads until the connection breaks; gives why.
    pub(super) async fn read(self, seat: &Seat) -> String {
        let Err(broken) = read(self.0, seat).await;
        broken
    }
}

/// Each read brings a batch, whose messages came at the same moment.
async fn read(mut websocket: Box<Socket>, seat: &Seat) -> Result<super::Never, String> {
    loop {
        let batch = websocket.recv_batch().await;
        let now = Instant::now();
        let Some(batch) = batch.map_err(|error| error.to_string())? else {
            return Err("it was closed".to_owned());
        };
        for event in batch {
            match event {
                Event::Text(text) => seat.take(text.as_bytes(), now)?,
                Event::Close(close) => {
                    let (code, reason) = (u16::from(close.code), close.reason);
                    return Err(format!("closed by the server ({code}) {reason}"));
                }
                // Pings are answered by the connection itself.
                _ => {}
            }
        }
    }
}
