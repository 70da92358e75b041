//! A stream with or without TLS, so that `ws:` and `wss:` connections are of one type.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[cfg(feature = "rustls")]
use tokio_rustls::TlsStream;

/// The stream `S`, with TLS around it or not. Both ends may have it.
#[derive(Debug)]
#[non_exhaustive]
pub enum MaybeTls<S> {
    /// Without: `ws:`.
    Plain(S),
    /// With: `wss:`. Boxed, because it is a kilobyte.
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<S>>),
}

impl<S> MaybeTls<S> {
    /// The stream that carries the bytes, encrypted or not: for its addresses and options.
    pub fn inner(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether what is sent is encrypted.
    pub fn is_encrypted(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

/// Calls the same method of whichever stream it is.
macro_rules! either {
    ($maybe:expr, $method:ident($($argument:expr),*)) => {
        match $maybe.get_mut() {
            MaybeTls::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "rustls")]
            MaybeTls::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(context, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(context))
    }
}
