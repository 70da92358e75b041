//! The requests of a connection: hyper reads them, and writes what is answered at once.
//!
//! For that it has a buffer of 8 KiB and the state of a whole HTTP/1.1 connection. So it comes when a
//! request does; and when that is to be answered later, hyper is taken apart, and the answer goes on
//! without it ([`parked`](crate::parked)).

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::connection::{ConnectionLimits, Permit};
use crate::http::Doors;
use crate::http::head::Manner;
use crate::http2;
use crate::parked::{Answered, Parked, Waiting};
use crate::socket::Socket;

/// What hyper holds at most of the answers to somebody who does not read them, in bytes, and of the
/// requests behind the one that it answers: a chunk of a large answer, or some two hundred requests. The
/// bound on a head may be larger.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// How the requests of a shard's connections are read.
pub(crate) struct Requests {
    /// Who answers them.
    pub(crate) doors: Doors,
    /// Within which bounds.
    pub(crate) limits: ConnectionLimits,
    http: http1::Builder,
}

/// A connection that begins: its socket, and what is spoken on it.
pub(crate) type Beginning = Pin<Box<dyn Future<Output = Option<(Socket, Spoken)>>>>;

/// The versions of HTTP, of which a connection speaks one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection that waits for its next request.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Option<Socket>>>>;

/// A connection whose requests are read.
pub(crate) type Reading = Pin<Box<dyn Future<Output = Option<Parked>>>>;

/// What lies between hyper and whoever carries the connection.
#[derive(Default)]
struct Desk {
    /// How the last request that was read is answered.
    later: Cell<Option<(Waiting, Manner)>>,
    /// Whether hyper has begun to write, and not come to the end of it.
    is_writing: Cell<bool>,
    /// Whether it has come to an end since this was looked at last.
    has_written: Cell<bool>,
}

impl Requests {
    /// Requests to `doors`.
    pub(crate) fn new(doors: Doors, limits: ConnectionLimits) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head_within)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(BUFFER_BYTES_MAX));
        Self {
            doors,
            limits,
            http,
        }
    }

    /// Waits for the first bytes of a connection, which say what is spoken; `None` as [`Requests::wait`].
    pub(crate) fn begin(self: Rc<Self>, socket: Socket) -> Beginning {
        Box::pin(async move {
            let within = self.limits.head_within;
            let mut socket = self.wait(socket).await?;
            let speaks_http2 = timeout(within, socket.begins_with(http2::PREFACE)).await;
            let spoken = match speaks_http2.ok()?.ok()? {
                true => Spoken::Http2,
                false => Spoken::Http1,
            };
            Some((socket, spoken))
        })
    }

    /// Waits until there is something to read, while there is nothing of hyper: for connections that are
    /// opened ahead of a request, and for thousands that come at once. `None` if nothing comes in time, or
    /// the server ends before.
    pub(crate) fn wait(self: Rc<Self>, mut socket: Socket) -> Coming {
        Box::pin(async move {
            if !socket.has_unread() {
                let readable = timeout(self.limits.head_within, socket.readable());
                let came = tokio::select! {
                    // What has come before the end is answered.
                    biased;
                    came = readable => came.is_ok_and(|came| came.is_ok()),
                    () = self.doors.app.drain.begun() => false,
                };
                if !came {
                    poll_fn(|context| socket.poll_close(context)).await;
                    return None;
                }
            }
            Some(socket)
        })
    }

    /// Reads and answers requests until one is to be answered later; `None` if the connection has ended
    /// before.
    pub(crate) fn read(self: Rc<Self>, socket: Socket, permit: Rc<Permit>) -> Reading {
        Box::pin(async move {
            let mut drained = pin!(self.doors.app.drain.begun());
            let mut is_draining = false;
            let desk = Rc::new(Desk::default());
            let service = service_fn(|request: Request<Incoming>| {
                let answering = self.doors.clone().answer(request, permit.clone());
                let desk = desk.clone();
                async move {
                    match answering.await {
                        (Answered::Now(response), _) => Ok::<_, Infallible>(response),
                        (Answered::Later(waiting), manner) => {
                            desk.later.set(Some((waiting, manner)));
                            // It never learns of the answer: it is dropped first.
                            pending().await
                        }
                    }
                }
            });
            let io = TokioIo::new(Watched {
                socket,
                desk: desk.clone(),
            });
            let mut connection = self.http.serve_connection(io, service);
            let later = poll_fn(|context| {
                if !is_draining && drained.as_mut().poll(context).is_ready() {
                    is_draining = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection failed");
                    }
                    return Poll::Ready(None);
                }
                if desk.has_written.take() {
                    permit.unsettle(&self.doors.app.spared);
                }
                // Taken apart, hyper would lose what it has not written of the answers before.
                if desk.is_writing.get() {
                    return Poll::Pending;
                }
                match desk.later.take() {
                    Some(later) => {
                        permit.settle();
                        Poll::Ready(Some(later))
                    }
                    None => Poll::Pending,
                }
            });
            let (waiting, manner) = later.await?;
            let parts = connection.into_parts();
            let mut socket = parts.io.into_inner().socket;
            socket.put_back(&parts.read_buf);
            Some(waiting.park(manner, socket, self.doors.app.drain.clone()))
        })
    }
}

/// The socket in hyper's hands. It flushes when all is written, which nothing else tells.
struct Watched {
    socket: Socket,
    desk: Rc<Desk>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.desk.is_writing.set(true);
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.desk.is_writing.set(true);
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        // Nothing of it waits on our side of the kernel.
        if self.desk.is_writing.replace(false) {
            self.desk.has_written.set(true);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
