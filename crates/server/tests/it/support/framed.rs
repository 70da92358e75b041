//! HTTP/2 by hand, for what no client does: frames (RFC 9113, section 4.1) as the test writes them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// The first bytes of a client.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub(crate) const ACK: u8 = 1;
/// Of HEADERS.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// Of DATA and HEADERS.
pub(crate) const PADDED: u8 = 8;

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or a GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A connection whose client keeps to nothing. It answers settings and pings, as long as it reads.
pub(crate) struct Framed {
    pub(crate) stream: TcpStream,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of `GET path`, nothing of them indexed (RFC 7541, section 6.2.2).
pub(crate) fn get(path: &str) -> Vec<u8> {
    // `:method: GET` and `:scheme: http` are in the static table, as are the names of the others.
    let mut fields = vec![0x82, 0x86];
    for (name, value) in [(1, "localhost"), (4, path)] {
        fields.extend([name, u8::try_from(value.len()).unwrap()]);
        fields.extend(value.bytes());
    }
    fields
}

/// The fields of `POST path` with a text.
pub(crate) fn post(path: &str) -> Vec<u8> {
    let mut fields = get(path);
    // `:method: POST`, and `content-type` by its name in the static table.
    fields[0] = 0x83;
    let value = "text/plain";
    fields.extend([0x0F, 0x10, u8::try_from(value.len()).unwrap()]);
    fields.extend(value.bytes());
    fields
}

impl Framed {
    /// Opens a connection; nothing is sent yet.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap();
        Self { stream }
    }

    /// Opens a connection with the preface and these settings.
    pub(crate) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut framed = Self::connect(address).await;
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        framed.write(PREFACE).await;
        framed.write(&frame(SETTINGS, 0, 0, &payload)).await;
        framed
    }

    /// Writes bytes as they are; whether the server takes them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = soon("room to write", self.stream.write_all(bytes)).await;
        written.is_ok()
    }

    /// The next frame that is neither settings nor a ping; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            let read = soon("a frame", self.stream.read_exact(&mut head)).await;
            read.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            let read = soon("a payload", self.stream.read_exact(&mut payload)).await;
            read.ok()?;
            let (kind, is_ack) = (head[3], head[4] & ACK != 0);
            match kind {
                SETTINGS | PING if is_ack => {}
                SETTINGS => drop(self.write(&frame(SETTINGS, ACK, 0, b"")).await),
                PING => drop(self.write(&frame(PING, ACK, 0, &payload)).await),
                _ => {
                    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                    return Some(Frame {
                        kind,
                        stream,
                        payload,
                    });
                }
            }
        }
    }

    /// The next frame of that kind, past all others; `None` if the connection ends before.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        soon("that frame", async {
            loop {
                let frame = self.next().await?;
                if frame.kind == kind {
                    return Some(frame);
                }
            }
        })
        .await
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) {
        soon("the end", async { while self.next().await.is_some() {} }).await;
    }
}
