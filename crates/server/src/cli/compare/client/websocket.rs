//! Following over a WebSocket, which has a connection of its own or a stream of HTTP/2.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tidings_websocket::Event;
use tidings_websocket::deflate::Policy;
use tidings_websocket::handshake::{client as offer, http2 as over_http2};
use tidings_websocket::tokio::{HandshakeError, Options, WebSocket, open as handshake};
use tidings_wire::Format;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::super::super::client::{ANSWER_WITHIN, Client, Failure, frame_limits};
use super::super::message::{Said, read};
use super::super::way::WebSocketWay;
use super::{Door, Never, Seat};
use crate::fault::Fault;

/// What a WebSocket can stand on.
pub(in super::super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A WebSocket on whatever it stands on.
pub(in super::super) struct Socket {
    pub(in super::super) websocket: WebSocket<Box<dyn Stream>>,
    format: Format,
}

/// One that has subscribed.
pub(in super::super) struct Follower(Box<Socket>);

/// Opens a WebSocket, over which both sides have said `hello`.
pub(in super::super) async fn open(
    client: &Client,
    how: WebSocketWay,
    format: Format,
) -> Result<Box<Socket>, Failure> {
    let subprotocols = [format.subprotocol()];
    let offer = offer::Options {
        subprotocols: &subprotocols,
        headers: client.headers().clone(),
        deflate: how.deflate.then(Policy::default),
    };
    let wrong = |error| Failure::Lasting(Fault::setup(format!("--url: {error}")));
    let uri = client.websocket_url().parse().map_err(wrong)?;
    client.traffic().request();
    let websocket = match how.over_http2 {
        false => on_a_connection(client, &uri, &offer).await?,
        true => in_a_stream(client, &uri, &offer).await?,
    };
    let mut socket = Box::new(Socket { websocket, format });
    let hello = json!({"type": "hello", "req": HELLO, "token": client.token()});
    socket.feed(&hello)?;
    socket.wait_for("hello").await?;
    Ok(socket)
}

async fn on_a_connection(
    client: &Client,
    uri: &http::Uri,
    offer: &offer::Options<'_>,
) -> Result<WebSocket<Box<dyn Stream>>, Failure> {
    let stream: Box<dyn Stream> = Box::new(client.dial().await?);
    let opened = handshake(stream, uri, offer, options()).await;
    Ok(opened.map_err(refused)?.websocket)
}

/// RFC 8441, on a connection that has this one stream, as the client of one page has.
async fn in_a_stream(
    client: &Client,
    uri: &http::Uri,
    offer: &offer::Options<'_>,
) -> Result<WebSocket<Box<dyn Stream>>, Failure> {
    let stream = TokioIo::new(client.dial_http2().await?);
    let shaken = http2::Builder::new(TokioExecutor::new()).handshake(stream);
    let (mut requests, connection) = shaken.await.map_err(Failure::passing)?;
    // Section 3: no extended CONNECT before the server's settings allow it. hyper tells when asked, and wakes nobody; they
    // are there within a round trip.
    let settings = async {
        while !connection.is_extended_connect_protocol_enabled() {
            yield_now().await;
        }
    };
    timeout(ANSWER_WITHIN, settings)
        .await
        .map_err(|_| Failure::passing("no WebSocket over HTTP/2 there"))?;
    tokio::spawn(connection);
    let wrong = |error| Failure::Lasting(Fault::setup(format!("--url: {error}")));
    let request = over_http2::request(uri, offer).map_err(wrong)?;
    let mut sent = request.clone().map(|()| Full::<Bytes>::default());
    let protocol = Protocol::from_static(over_http2::PROTOCOL);
    sent.extensions_mut().insert(protocol);
    let answer = timeout(ANSWER_WITHIN, requests.send_request(sent)).await;
    let response = answer
        .map_err(|_| Failure::passing("no answer in time"))?
        .map_err(Failure::passing)?;
    let agreed = over_http2::check(&request, &response).map_err(Failure::passing)?;
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(Failure::passing)?;
    let stream: Box<dyn Stream> = Box::new(TokioIo::new(upgraded));
    let websocket = WebSocket::client(stream, [], options());
    Ok(match agreed.deflate {
        Some(agreement) => websocket.with_deflate(agreement),
        None => websocket,
    })
}

fn options() -> Options {
    Options {
        config: frame_limits(),
        ..Options::default()
    }
}

fn refused(error: HandshakeError) -> Failure {
    Failure::passing(format!("no WebSocket: {error}"))
}

/// Opens a client.
pub(super) async fn follow(door: &Door, how: WebSocketWay) -> Result<Follower, Failure> {
    let mut socket = open(&door.another(), how, door.format).await?;
    let subscribe = json!({"type": "subscribe", "req": SUBSCRIBE, "channel": door.channel});
    socket.feed(&subscribe)?;
    socket.wait_for("subscribed").await?;
    Ok(Follower(socket))
}

const HELLO: u32 = 0;
const SUBSCRIBE: u32 = 1;

impl Socket {
    /// Has an object go out with the next that is received.
    pub(in super::super) fn feed(&mut self, object: &serde_json::Value) -> Result<(), Failure> {
        let bytes = self.format.encode(object);
        let fed = match self.format {
            Format::Json => {
                let text = std::str::from_utf8(&bytes).map_err(Failure::passing)?;
                self.websocket.feed(text)
            }
            Format::Cbor => self.websocket.feed(&bytes[..]),
        };
        fed.map_err(Failure::passing)
    }

    /// What the server says next, all that came with one read.
    ///
    /// # Errors
    ///
    /// Says why nothing comes any more, or what it complains of.
    pub(in super::super) async fn hear(
        &mut self,
        mut handle: impl FnMut(&Said, Instant) -> Result<(), String>,
    ) -> Result<(), String> {
        let format = self.format;
        let batch = self.websocket.recv_batch().await;
        let now = Instant::now();
        let Some(batch) = batch.map_err(|error| error.to_string())? else {
            return Err("it was closed".to_owned());
        };
        for event in batch {
            match event {
                Event::Text(text) => handle(&read(format, text.as_bytes())?, now)?,
                Event::Binary(bytes) => handle(&read(format, &bytes)?, now)?,
                Event::Close(close) => {
                    let (code, reason) = (u16::from(close.code), close.reason);
                    return Err(format!("closed by the server ({code}) {reason}"));
                }
                // Pings are answered by the connection itself.
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for an answer, past whatever else comes.
    async fn wait_for(&mut self, kind: &str) -> Result<(), Failure> {
        let waiting = async {
            let mut has_come = false;
            while !has_come {
                let heard = self.hear(|said, _| {
                    has_come |= said.kind == kind;
                    said.complaint().map_or(Ok(()), Err)
                });
                heard.await.map_err(Failure::passing)?;
            }
            Ok(())
        };
        let answer = timeout(ANSWER_WITHIN, waiting).await;
        answer.unwrap_or_else(|_| Err(Failure::passing(format!("no {kind:?} in time"))))
    }
}

impl Follower {
    /// Reads until the connection breaks; gives why.
    pub(super) async fn read(self, seat: &Seat) -> String {
        let Err(broken) = read_on(self.0, seat).await;
        broken
    }
}

async fn read_on(mut socket: Box<Socket>, seat: &Seat) -> Result<Never, String> {
    loop {
        socket.hear(|said, now| seat.take(said, now)).await?;
    }
}
