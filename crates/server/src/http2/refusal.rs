//! A connection that is one too many.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;

use super::streams::Streams;
use crate::http::body::Whole;
use crate::socket::Stream;

/// Answers what is asked by `answer`, without a look at it, and ends the connection with that (GOAWAY). It may take any
/// time.
///
/// # Errors
///
/// The client has gone, or does not speak HTTP/2.
pub(crate) async fn turn_away(
    stream: Stream,
    answer: impl Fn() -> Response<Whole> + 'static,
) -> io::Result<()> {
    let asked = Rc::new(Notify::new());
    let tell = asked.clone();
    let service = service_fn(move |_: Request<Incoming>| {
        tell.notify_one();
        ready(Ok::<_, Infallible>(answer()))
    });
    let mut http = Builder::new(Streams::default());
    // A WebSocket is told as well.
    http.timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(1);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = asked.notified() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(io::Error::other)
}
