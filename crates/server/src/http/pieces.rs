//! A body whose end nobody knows yet, piece by piece: chunks (RFC 9112, section 7.1), or for HTTP/1.0
//! just bytes until the connection ends.

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::head::Framing;
use crate::socket::Socket;

/// An answer whose body comes piece by piece, on its way into a socket. Between two pieces it holds no
/// memory but its own.
#[derive(Debug)]
pub(crate) struct Pieces {
    socket: Socket,
    /// The answer's head until the first piece, with which it goes out.
    head: Vec<u8>,
    /// What is being written.
    piece: Bytes,
    written: usize,
    framing: Framing,
}

impl Pieces {
    /// Nothing is written yet, not even the head.
    pub(crate) fn new(socket: Socket, head: Vec<u8>, framing: Framing) -> Self {
        Self {
            socket,
            head,
            piece: Bytes::new(),
            written: 0,
            framing,
        }
    }

    /// Writes the next piece; an empty one is the end of the body. There is room for another when this
    /// one is written.
    ///
    /// # Errors
    ///
    /// The client hung up.
    pub(crate) fn write(&mut self, piece: Bytes) -> impl Future<Output = io::Result<()>> {
        self.piece = piece;
        self.written = 0;
        poll_fn(|context| self.poll_written(context))
    }

    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = [0; LINE_BYTES_MAX];
        let (line, end) = match self.framing {
            Framing::Chunks => (size_line(self.piece.len(), &mut line), &b"\r\n"[..]),
            _ => (&[][..], &[][..]),
        };
        // The piece is not copied: all of a channel's followers share a message's bytes.
        let parts = [&self.head, line, &self.piece, end];
        ready!(
            self.socket
                .poll_write_parts(context, parts, &mut self.written)
        )?;
        self.head = Vec::new();
        self.piece = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Waits until the client has hung up, and gives how.
    pub(crate) fn poll_hung_up(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.socket.poll_hung_up(context)
    }

    /// Ends the connection.
    pub(crate) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_close(context)
    }

    /// The socket, after the last piece.
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// Sixteen digits, and the line's end.
const LINE_BYTES_MAX: usize = 18;

/// What stands before a chunk of so many bytes.
fn size_line(bytes: usize, line: &mut [u8; LINE_BYTES_MAX]) -> &[u8] {
    let mut rest = &mut line[..];
    // The digits of any number fit.
    let _ = write!(rest, "{bytes:x}\r\n");
    let unused = rest.len();
    &line[..LINE_BYTES_MAX - unused]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_preceded_by_its_size() {
        let line = |bytes| size_line(bytes, &mut [0; LINE_BYTES_MAX]).to_owned();
        assert_eq!(line(1), b"1\r\n");
        assert_eq!(line(0xabc), b"abc\r\n");
        assert_eq!(line(usize::MAX), b"ffffffffffffffff\r\n");
    }
}
