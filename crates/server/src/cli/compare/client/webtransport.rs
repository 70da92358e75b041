//! Following over WebTransport: messages on its stream, and signals beside it as datagrams.

use serde_json::json;
use tidings_wire::Format;
use tokio::time::{Instant, timeout};
use url::Url;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{RecvStream, SendStream, Session};

use super::super::super::client::{ANSWER_WITHIN, Client, Failure, OBJECT_BYTES_MAX};
use super::super::message::{Said, read};
use super::{Door, Never, Seat};
use crate::fault::Fault;
use crate::transport::webtransport::framing::{Deframer, write_varint};

/// One that has subscribed.
pub(in super::super) struct Follower {
    session: Session,
    /// Its end would be the session's.
    _send: SendStream,
    recv: RecvStream,
    deframer: Deframer,
    format: Format,
}

/// Opens a client.
pub(super) async fn open(door: &Door) -> Result<Follower, Failure> {
    let opened = timeout(ANSWER_WITHIN, begin(door)).await;
    opened.unwrap_or_else(|_| Err(Failure::passing("no session of WebTransport in time")))
}

async fn begin(door: &Door) -> Result<Follower, Failure> {
    let no_quic = || Failure::Lasting(Fault::setup("there is no socket for WebTransport"));
    let quic = door.quic.as_ref().ok_or_else(no_quic)?;
    let url = door.client.webtransport_url();
    let url = Url::parse(&url).map_err(Failure::passing)?;
    let mut request = ConnectRequest::new(url).with_protocol(door.format.subprotocol());
    request.headers = door.client.headers().clone();
    let session = quic.connect(request).await?;
    let (mut send, recv) = session.open_bi().await.map_err(Failure::passing)?;
    let mut said = Vec::new();
    for object in [
        json!({"type": "hello", "req": 0, "token": door.client.token()}),
        json!({"type": "subscribe", "req": 1, "channel": door.channel}),
    ] {
        let object = door.format.encode(&object);
        write_varint(object.len() as u64, &mut said);
        said.extend_from_slice(&object);
    }
    send.write_all(&said).await.map_err(Failure::passing)?;
    let mut follower = Follower {
        session,
        _send: send,
        recv,
        deframer: Deframer::new(OBJECT_BYTES_MAX),
        format: door.format,
    };
    let mut is_subscribed = false;
    while !is_subscribed {
        let heard = follower.hear(|said, _| {
            is_subscribed |= said.kind == "subscribed";
            said.complaint().map_or(Ok(()), Err)
        });
        heard.await.map_err(Failure::passing)?;
    }
    Ok(follower)
}

impl Follower {
    /// Reads until the session ends; gives why.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        let Err(broken) = self.read_on(seat).await;
        broken
    }

    async fn read_on(&mut self, seat: &Seat) -> Result<Never, String> {
        loop {
            self.hear(|said, now| seat.take(said, now)).await?;
        }
    }

    /// What the server says next, on the stream or beside it.
    async fn hear(
        &mut self,
        mut handle: impl FnMut(&Said, Instant) -> Result<(), String>,
    ) -> Result<(), String> {
        tokio::select! {
            datagram = self.session.read_datagram() => {
                let datagram = datagram.map_err(|error| error.to_string())?;
                handle(&read(self.format, &datagram)?, Instant::now())
            }
            chunk = self.recv.read_chunk(usize::MAX, true) => {
                let chunk = chunk.map_err(|error| error.to_string())?;
                let chunk = chunk.ok_or("the stream ended")?;
                let now = Instant::now();
                self.deframer.handle(&chunk.bytes);
                while let Some(object) = self.deframer.poll().map_err(|_| "a frame is too large")? {
                    handle(&read(self.format, &object)?, now)?;
                }
                Ok(())
            }
        }
    }
}

impl Client {
    /// The address of the door for WebTransport.
    fn webtransport_url(&self) -> String {
        // As the WebSocket's, but always by TLS.
        let url = self.websocket_url();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        format!("https://{rest}")
    }
}
