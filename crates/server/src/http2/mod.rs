//! HTTP/2 (RFC 9113): many requests at a time on one connection.
//!
//! hyper reads the requests and has a task for each, on the shard's thread. The doors answer them as over
//! HTTP/1.1 ([`answer`]). There a waiting answer takes the connection over; here it waits in its stream's
//! task, for the connection is everybody's. [`patience`] says when to give a connection up, [`refusal`] tells one that
//! is too many.

mod answer;
mod patience;
mod refusal;
mod streams;
mod tunnel;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};

use self::patience::{Patience, Verdict};
use self::streams::{Metered, Streams};
use crate::connection::{ConnectionLimits, Permit};
use crate::requests::Requests;
use crate::socket::Socket;

pub(crate) use refusal::turn_away;
pub(crate) use tunnel::Tunnel;

/// The first bytes of a connection that speaks HTTP/2, whether by ALPN or because the client knows
/// beforehand (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Streams of one connection at a time. All tabs of a browser share one: twenty of them, each with what it
/// follows and a few requests. RFC 9113, section 6.5.2, recommends no fewer than 100. What one client can
/// make us hold is so many times what it can over a connection of HTTP/1.1.
const STREAMS_MAX: u32 = 128;

/// What a client may send on one stream, in bytes, before we have read it: that of the RFC, the half of the
/// largest body. What clients say is small, and they say it now and then.
const STREAM_WINDOW_BYTES: u32 = (64 << 10) - 1;

/// The same of all streams together: one of the largest bodies. It cannot be less than a stream's.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;

/// What is held of one stream's answer while the socket takes no more, in bytes: as much as a piece of an
/// event stream. A piece that is larger is taken nevertheless, but no other behind it.
const SEND_BUFFER_BYTES_MAX: usize = 64 << 10;

/// Streams that a client resets before we have looked at them, at a time. Nobody does that by many; a client
/// that opens and resets as fast as it can (CVE-2023-44487) is sent away.
const RESET_UNSEEN_MAX: usize = 20;

/// Streams that we reset for faults of the client's, in a connection's life. A client that works makes none,
/// but may ask for everything at once before it has heard of [`STREAMS_MAX`].
const RESET_FOR_FAULTS_MAX: usize = 256;

/// A connection that is served.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Serves a connection of which nothing was read, or all of it put back, until it ends.
pub(crate) fn serve(socket: Socket, requests: Rc<Requests>, permit: Rc<Permit>) -> Serving {
    Box::pin(async move {
        let Requests { doors, limits, .. } = &*requests;
        let streams = Streams::default();
        let service =
            service_fn(|request| answer::answer(doors, request, permit.clone(), &streams));
        let io = TokioIo::new(Metered::new(socket, streams.clone()));
        let mut http = builder(limits, streams.clone());
        if doors.app.websocket.over_http2 {
            // A WebSocket is the stream of an extended CONNECT (RFC 8441).
            http.enable_connect_protocol();
        }
        let mut connection = pin!(http.serve_connection(io, service));
        let mut drained = pin!(doors.app.drain.begun());
        let mut patience = Patience::new(limits, Instant::now());
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(|context| {
            if !patience.has_parted() && drained.as_mut().poll(context).is_ready() {
                patience.part(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection failed");
                    }
                    return Poll::Ready(());
                }
                let traffic = streams.traffic();
                if traffic.open == 0 && permit.is_settled() {
                    permit.unsettle(&doors.app.spared);
                }
                match patience.judge(&traffic, Instant::now()) {
                    Verdict::Wait(until) => {
                        // The timer is not touched as long as it comes early enough.
                        if alarm.is_elapsed() || until < alarm.deadline() {
                            alarm.as_mut().reset(until);
                        }
                        if alarm.as_mut().poll(context).is_pending() {
                            return Poll::Pending;
                        }
                    }
                    Verdict::Part => connection.as_mut().graceful_shutdown(),
                    Verdict::Cut(reason) => {
                        tracing::debug!(reason, "a connection is cut");
                        return Poll::Ready(());
                    }
                }
            }
        })
        .await;
    })
}

fn builder(limits: &ConnectionLimits, streams: Streams) -> Builder<Streams> {
    let (pings_after, _) = limits.asks_after;
    let mut http = Builder::new(streams);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_UNSEEN_MAX)
        .max_local_error_reset_streams(RESET_FOR_FAULTS_MAX)
        .keep_alive_interval(pings_after)
        .keep_alive_timeout(limits.unsent_within.saturating_sub(pings_after));
    http
}
