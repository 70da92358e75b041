//! The stream of a CONNECT: another protocol's bytes, both ways.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::streams::Streams;

/// What is written at a time, in bytes: a frame of HTTP/2, as large as all clients take it. hyper copies what
/// is written, and holds three of these for a client that has no room.
const WRITTEN_BYTES_MAX: usize = 16 << 10;

/// See the module.
pub(crate) struct Tunnel {
    upgraded: TokioIo<Upgraded>,
    streams: Streams,
}

impl Tunnel {
    /// A stream whose CONNECT was answered.
    pub(super) fn new(upgraded: Upgraded, streams: Streams) -> Self {
        let upgraded = TokioIo::new(upgraded);
        Self { upgraded, streams }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_read(context, into)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITTEN_BYTES_MAX)];
        let written = Pin::new(&mut self.upgraded).poll_write(context, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.streams.give(bytes);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_shutdown(context)
    }
}
