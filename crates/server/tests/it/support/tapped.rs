//! A stream that keeps what came over it: a server's frames as they were on the wire, which a client hides.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whatever a WebSocket is spoken over.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// See the module.
pub(crate) struct Tapped {
    stream: Box<dyn Duplex>,
    tap: Tap,
}

/// What has come over a [`Tapped`] stream.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Vec<u8>>>);

/// A server's data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether RSV1 is set (RFC 7692, section 6).
    pub(crate) is_compressed: bool,
    pub(crate) payload_bytes: usize,
}

impl Tapped {
    /// The stream, and where to look.
    pub(crate) fn new(stream: impl Duplex + 'static) -> (Self, Tap) {
        let tap = Tap::default();
        let tapped = Self {
            stream: Box::new(stream),
            tap: tap.clone(),
        };
        (tapped, tap)
    }
}

impl Tap {
    /// Forgets what has come: a handshake.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The data frames that have come, of which none is cut.
    pub(crate) fn frames(&self) -> Vec<Seen> {
        let bytes = self.0.lock().unwrap();
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while let [first, second, tail @ ..] = rest {
            let length_bytes = match second {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let (length, tail) = tail.split_at(length_bytes);
            let payload_bytes = match length_bytes {
                0 => usize::from(*second),
                _ => length
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            };
            if first & 0x08 == 0 {
                frames.push(Seen {
                    is_compressed: first & 0x40 != 0,
                    payload_bytes,
                });
            }
            rest = &tail[payload_bytes..];
        }
        frames
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        self.tap.0.lock().unwrap().extend_from_slice(came);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
