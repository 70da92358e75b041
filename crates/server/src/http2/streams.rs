//! The streams of a connection: their tasks, and what is known of them together.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::patience::Traffic;
use crate::socket::Socket;

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Rc<Known>);

#[derive(Debug, Default)]
struct Known {
    open: Cell<usize>,
    closed_at: Cell<Option<Instant>>,
    given: Cell<u64>,
    written: Cell<u64>,
}

impl Streams {
    /// What they have done so far.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            open: self.0.open.get(),
            closed_at: self.0.closed_at.get(),
            given: self.0.given.get(),
            written: self.0.written.get(),
        }
    }

    /// So many bytes of an answer were given to hyper.
    pub(super) fn give(&self, bytes: usize) {
        self.0.given.set(self.0.given.get() + bytes as u64);
    }
}

/// Runs what hyper does for a stream, on this thread. A stream is open as long as something of it runs.
impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let open = OpenStream::new(self);
        // In a box, for a task would hold it twice: as it came and as it runs.
        let mut future = Box::pin(future);
        tokio::task::spawn_local(async move {
            (&mut future).await;
            drop(open);
        });
    }
}

/// Counts as open.
struct OpenStream(Streams);

impl OpenStream {
    fn new(streams: &Streams) -> Self {
        streams.0.open.set(streams.0.open.get() + 1);
        Self(streams.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let known = &self.0.0;
        known.open.set(known.open.get() - 1);
        known.closed_at.set(Some(Instant::now()));
    }
}

/// The socket in hyper's hands: what is written is counted.
pub(super) struct Metered {
    socket: Socket,
    streams: Streams,
}

impl Metered {
    /// Nothing was written yet.
    pub(super) fn new(socket: Socket, streams: Streams) -> Self {
        Self { socket, streams }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            let known = &self.streams.0;
            known.written.set(known.written.get() + bytes as u64);
        }
        written
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
