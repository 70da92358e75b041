//! The socket of a connection, whoever holds it: hyper while it reads requests, or an answer that
//! waits.
//!
//! Who waits holds no buffer. What a client sends meanwhile is its next requests, of which a little is
//! kept and the rest stays in the kernel; and the end of what it sends means that it hung up.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tidings_websocket::tokio::MaybeTls;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What carries a connection's bytes, encrypted or not.
pub(crate) type Stream = MaybeTls<TcpStream>;

/// What is kept of the requests that come while an answer waits, in bytes: one or two of them. The rest
/// stays in the kernel, and that the client hung up is then noticed when it is written to.
const UNREAD_BYTES_MAX: usize = 4 << 10;

/// How much is read at a time while an answer waits, in bytes; nearly always there is nothing.
const READ_BYTES: usize = 512;

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// What came and was not understood yet; it is read before what the kernel has.
    unread: Vec<u8>,
}

impl Socket {
    /// A socket of which nothing was read.
    pub(crate) fn new(stream: Stream) -> Self {
        let unread = Vec::new();
        Self { stream, unread }
    }

    /// Gives back what was read last, to be read again.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.unread.splice(..0, bytes.iter().copied());
    }

    /// Whether something was read and not understood yet.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Waits until there is something to read, be it the end. Cancel safe.
    pub(crate) async fn readable(&mut self) -> io::Result<()> {
        if let MaybeTls::Plain(stream) = &self.stream {
            // The runtime takes a new socket for readable until a read has found nothing.
            return stream.peek(&mut [0]).await.map(drop);
        }
        // What the kernel has may be nothing but TLS's own: only what was decrypted tells.
        poll_fn(|context| self.poll_more(context)).await.map(drop)
    }

    /// Whether what comes first are these bytes, as soon as that is certain; they are left where they are.
    /// Cancel safe.
    pub(crate) async fn begins_with(&mut self, prefix: &[u8]) -> io::Result<bool> {
        loop {
            let known = self.unread.len().min(prefix.len());
            if self.unread[..known] != prefix[..known] {
                return Ok(false);
            }
            let is_certain = known == prefix.len();
            if is_certain || poll_fn(|context| self.poll_more(context)).await? == 0 {
                return Ok(is_certain);
            }
        }
    }

    /// Reads a little of what the kernel has, to be read again; how many bytes: none at the end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; READ_BYTES];
        let mut space = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut space))?;
        self.unread.extend_from_slice(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    }

    /// The bare socket, and what was read of it and not understood.
    pub(crate) fn into_parts(self) -> (Stream, Bytes) {
        (self.stream, self.unread.into())
    }

    /// Ends the connection. Over TLS that is said, so that nobody takes what was sent for cut off
    /// (RFC 8446, section 6.1). Whether it is heard does not matter.
    pub(crate) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_shutdown(context).map(drop)
    }

    /// Waits until the client has hung up, and gives how. One that says that it will send no more has
    /// hung up as well: browsers and proxies do that when they have lost interest.
    pub(crate) fn poll_hung_up(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        while self.unread.len() < UNREAD_BYTES_MAX {
            match ready!(self.poll_more(context)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }

    /// Writes `parts`, one behind the other and at once if the kernel takes them, but for the bytes that
    /// are `written` already.
    ///
    /// # Errors
    ///
    /// The client hung up.
    pub(crate) fn poll_write_parts<const N: usize>(
        &mut self,
        context: &mut Context<'_>,
        parts: [&[u8]; N],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        while *written < whole {
            let mut slices = parts.map(IoSlice::new);
            let mut unwritten = &mut slices[..];
            IoSlice::advance_slices(&mut unwritten, *written);
            match Pin::new(&mut self.stream).poll_write_vectored(context, unwritten) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => *written += more,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_hung_up(context).map(Err),
            }
        }
        // TLS has taken it, and may hold some of it back.
        if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(context) {
            return Poll::Ready(flushed);
        }
        self.poll_hung_up(context).map(Err)
    }
}

/// What was put back, and then the kernel's.
impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let length = self.unread.len().min(into.remaining());
        into.put_slice(&self.unread[..length]);
        self.unread.drain(..length);
        if self.unread.is_empty() {
            // An idle connection owns no memory.
            self.unread = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A socket, and its client.
    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let stream = MaybeTls::Plain(accepted.unwrap().0);
        (Socket::new(stream), client.unwrap())
    }

    async fn read(socket: &mut Socket, bytes: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < bytes {
            let mut space = [0; 1000];
            let mut space = ReadBuf::new(&mut space);
            poll_fn(|context| Pin::new(&mut *socket).poll_read(context, &mut space))
                .await
                .unwrap();
            assert!(!space.filled().is_empty(), "the end");
            read.extend_from_slice(space.filled());
        }
        read
    }

    async fn hung_up(socket: &mut Socket) -> io::ErrorKind {
        poll_fn(|context| socket.poll_hung_up(context)).await.kind()
    }

    /// Looks for the end until so much was kept.
    async fn keep(socket: &mut Socket, bytes: usize) {
        poll_fn(|context| match socket.poll_hung_up(context) {
            Poll::Ready(error) => panic!("{error}"),
            Poll::Pending if socket.unread.len() >= bytes => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    #[tokio::test]
    async fn what_comes_while_one_waits_is_read_afterwards_in_its_order() {
        let (mut socket, mut client) = pair().await;
        socket.put_back(b"b");
        socket.put_back(b"a");
        client.write_all(b"c").await.unwrap();
        keep(&mut socket, 3).await;
        client.write_all(b"d").await.unwrap();
        assert_eq!(read(&mut socket, 4).await, b"abcd");
        client.shutdown().await.unwrap();
        assert_eq!(hung_up(&mut socket).await, io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn how_it_begins_is_known_as_soon_as_it_is_certain_and_nothing_is_taken() {
        let (mut socket, mut client) = pair().await;
        client.write_all(b"ab").await.unwrap();
        assert!(!socket.begins_with(b"ax").await.unwrap());
        assert!(socket.begins_with(b"abcd").now_or_never().is_none());
        client.write_all(b"cde").await.unwrap();
        assert!(socket.begins_with(b"abcd").await.unwrap());
        assert_eq!(read(&mut socket, 5).await, b"abcde");
        client.write_all(b"ab").await.unwrap();
        client.shutdown().await.unwrap();
        assert!(!socket.begins_with(b"abcd").await.unwrap(), "it has ended");
    }

    #[tokio::test]
    async fn a_little_of_what_comes_is_kept_and_the_rest_left_in_the_kernel() {
        let (mut socket, mut client) = pair().await;
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(20_000).collect();
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        keep(&mut socket, UNREAD_BYTES_MAX).await;
        assert!(hung_up(&mut socket).now_or_never().is_none());
        assert!(socket.unread.len() < UNREAD_BYTES_MAX + READ_BYTES);
        assert_eq!(read(&mut socket, sent.len()).await, sent);
        assert!(socket.unread.is_empty());
        assert_eq!(hung_up(&mut socket).await, io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn all_is_written_however_little_the_kernel_takes_at_a_time() {
        let (mut socket, client) = pair().await;
        let parts = [&vec![1; 3_000_000][..], &[], &[2], &vec![3; 5_000_000]];
        let mut written = 0;
        let write = async {
            poll_fn(|context| socket.poll_write_parts(context, parts, &mut written)).await
        };
        let mut client = Socket::new(MaybeTls::Plain(client));
        let (wrote, heard) = tokio::join!(write, read(&mut client, 8_000_001));
        wrote.unwrap();
        assert_eq!(heard, parts.concat());
    }

    #[tokio::test]
    async fn who_hangs_up_is_not_written_to_any_longer() {
        let (mut socket, mut client) = pair().await;
        let endless = vec![0; 64 << 20];
        let mut written = 0;
        let write = poll_fn(|context| socket.poll_write_parts(context, [&endless], &mut written));
        let (wrote, closed) = tokio::join!(write, client.shutdown());
        closed.unwrap();
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
