//! Parked answers: what is left of a connection while it waits for events.
//!
//! hyper reads requests, and writes the answers that are there at once. For that, each connection has a
//! buffer of 8 KiB and the state of a whole HTTP/1.1 connection. An answer that waits needs none of it:
//! its door answers [`Answered::Later`], hyper is taken apart and dropped, and what is left is the
//! answer and the bare [`Socket`]. When the answer has been given, the connection is kept, and another
//! request comes, a fresh hyper reads that. So who polls now and then takes this way too, though there is
//! nothing to wait for: between two polls the connection holds no buffer.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::Response;

use crate::http::body::{Body, Whole};
use crate::http::head::{Framing, Manner};
use crate::http::pieces::Pieces;
use crate::http2::Tunnel;
use crate::shutdown::Drain;
use crate::socket::{Socket, Stream};
use crate::transport::sse::EventStream;

/// How a door answers.
pub(crate) enum Answered {
    /// Everything is there, and hyper writes it.
    Now(Response<Body>),
    /// Not yet, or there is no reason to keep hyper for it.
    Later(Waiting),
}

/// An answer that takes the socket over, or over HTTP/2 waits in its stream.
pub(crate) enum Waiting {
    /// It comes as a whole.
    Whole(Pin<Box<dyn Future<Output = Response<Whole>>>>),
    /// Its head is there, and its body comes piece by piece.
    Stream(Response<EventStream>),
    /// Its head is there, and then another protocol begins.
    Upgrade(Response<Upgrade>),
}

/// What another protocol is spoken on.
pub(crate) enum Opened {
    /// A whole connection.
    Stream(Stream),
    /// One stream of a connection of HTTP/2.
    Tunnel(Tunnel),
}

/// Carries another protocol until it ends, on what was opened and what was read of it already.
pub(crate) type Upgrade = Box<dyn FnOnce(Opened, Bytes) -> Pin<Box<dyn Future<Output = ()>>>>;

/// An answer with the socket that it took over. Gives the socket back if it can be kept for another
/// request, and an error if the client hung up, by which whatever the answer holds is freed.
pub(crate) type Parked = Pin<Box<dyn Future<Output = io::Result<Option<Socket>>>>>;

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Self {
        Self::Now(response)
    }
}

impl Waiting {
    /// Parks the answer on the socket, to be written in the manner that its request asked for.
    pub(crate) fn park(self, mut manner: Manner, socket: Socket, drain: Drain) -> Parked {
        manner.keeps &= !drain.has_begun();
        match self {
            Self::Whole(answer) => give_whole(answer, manner, socket, drain),
            Self::Stream(response) => give_pieces(response, manner, socket),
            Self::Upgrade(response) => give_over(response, manner, socket),
        }
    }
}

// Thousands of these futures wait at a time. So what one of them waits with is captured and used where it
// lies, for an `async fn` would hold its arguments twice; and each is in a box of its own size.

fn give_whole(
    mut answer: Pin<Box<dyn Future<Output = Response<Whole>>>>,
    mut manner: Manner,
    mut socket: Socket,
    drain: Drain,
) -> Parked {
    Box::pin(async move {
        // Who is answered at once is not asked first whether it has hung up, which takes a call of the kernel.
        let response = poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Ok(response)),
            Poll::Pending => socket.poll_hung_up(context).map(Err),
        });
        let response = response.await?;
        manner.keeps &= !drain.has_begun();
        let (head, body) = manner.whole(response);
        let mut written = 0;
        poll_fn(|context| socket.poll_write_parts(context, [&head, &body], &mut written)).await?;
        if !manner.keeps {
            poll_fn(|context| socket.poll_close(context)).await;
        }
        Ok(manner.keeps.then_some(socket))
    })
}

fn give_pieces(response: Response<EventStream>, mut manner: Manner, socket: Socket) -> Parked {
    let framing = manner.framing();
    manner.keeps &= framing != Framing::Close;
    let keeps = manner.keeps;
    let (head, mut events) = manner.head(response, framing);
    let mut body = Pieces::new(socket, head, framing);
    Box::pin(async move {
        loop {
            let piece = poll_fn(|context| match body.poll_hung_up(context) {
                Poll::Ready(error) => Poll::Ready(Err(error)),
                Poll::Pending => events.poll_piece(context).map(Ok),
            });
            let Some(piece) = piece.await? else { break };
            body.write(piece).await?;
        }
        body.write(Bytes::new()).await?;
        if !keeps {
            poll_fn(|context| body.poll_close(context)).await;
        }
        Ok(keeps.then(|| body.into_socket()))
    })
}

fn give_over(response: Response<Upgrade>, manner: Manner, mut socket: Socket) -> Parked {
    let (head, upgrade) = manner.head(response, Framing::Upgrade);
    Box::pin(async move {
        let mut written = 0;
        poll_fn(|context| socket.poll_write_parts(context, [&head], &mut written)).await?;
        // What comes may last for days.
        drop(head);
        let (stream, unread) = socket.into_parts();
        upgrade(Opened::Stream(stream), unread).await;
        Ok(None)
    })
}
