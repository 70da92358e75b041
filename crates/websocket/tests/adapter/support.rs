//! Frames, streams that misbehave in a known way, and a deadline for all.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::mask;
use tidings_websocket::tokio::{Options, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it.
pub(crate) fn from_client(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        fin,
        compressed: false,
        opcode,
        mask: Some(KEY),
        payload_bytes: payload.len() as u64,
    };
    let mut frame = Vec::new();
    header.write(&mut frame);
    let begin = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[begin..], KEY);
    frame
}

/// A text message as a client sends it.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    from_client(true, Opcode::Text, payload.as_bytes())
}

/// A Close with code 1000 as a client sends it.
pub(crate) fn close() -> Vec<u8> {
    from_client(true, Opcode::Close, b"\x03\xe8")
}

/// A server's end, and the bare other end with as much room in either direction.
pub(crate) fn pair(room: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    pair_with(room, Options::default())
}

/// [`pair`] with options.
pub(crate) fn pair_with(room: usize, options: Options) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(room);
    (WebSocket::server(ours, Vec::new(), options), theirs)
}

/// Waits no longer than 20 s: long enough for anything that happens at all.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

/// Brings the same bytes again and again, takes whatever is written, and never has to wait.
pub(crate) struct Endless {
    bytes: Vec<u8>,
    /// So that a test of what would never end fails instead.
    reads_left: usize,
    pub(crate) writes: usize,
}

impl Endless {
    /// Fills each read with `frame` as often as it fits.
    pub(crate) fn new(frame: &[u8]) -> Self {
        Self {
            bytes: frame.to_vec(),
            reads_left: 200,
            writes: 0,
        }
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads_left > 0 {
            self.reads_left -= 1;
            while buffer.remaining() >= self.bytes.len() {
                buffer.put_slice(&self.bytes);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Does a byte at a time, and makes its caller wait before each: every point at which a future
/// can be dropped is met. Brings `incoming`, then ends.
#[derive(Debug, Default)]
pub(crate) struct Drip {
    pub(crate) incoming: VecDeque<u8>,
    pub(crate) written: Vec<u8>,
    pub(crate) is_shut_down: bool,
    waited: bool,
}

impl Drip {
    pub(crate) fn new(incoming: Vec<u8>) -> Self {
        Self {
            incoming: incoming.into(),
            ..Self::default()
        }
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.waited = !self.waited;
        if self.waited {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Drip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_turn(context));
        if let Some(byte) = self.incoming.pop_front() {
            buffer.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Drip {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_turn(context));
        self.written.push(bytes[0]);
        Poll::Ready(Ok(1))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_turn(context).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_turn(context));
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}
