//! An address of the metrics' own, for servers whose public port is not to show them.
//!
//! It lives beside the shards, on the thread that waits for signals.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tidings_wire::Code;
use tokio::net::{TcpListener, TcpStream};

use super::Metrics;
use crate::few;
use crate::http::{api, problem};

/// The path under which the metrics are.
pub(crate) const PATH: &str = "/metrics";

/// Connections at a time; of more, the oldest is closed. Those who scrape are few.
const CONNECTIONS_MAX: usize = 16;

/// How long a request may take to come, a connection may wait for the next one, and an answer may stay
/// unread: two scrapes apart at Prometheus' usual pace.
const SILENT_WITHIN: Duration = Duration::from_secs(30);

/// Answers scrapes on `listener` for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let carry = |stream| answer_all(stream, metrics.clone());
    few::accept(
        listener,
        CONNECTIONS_MAX,
        "a connection to the metrics",
        carry,
    )
    .await;
}

async fn answer_all(stream: TcpStream, metrics: Arc<Metrics>) -> io::Result<()> {
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(SILENT_WITHIN));
    let service = service_fn(move |request| answer(request, metrics.clone()));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENT_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    metrics: Arc<Metrics>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let refuse = |code, detail: &str| problem::answer(&problem::refusal(code, detail));
    Ok(match (request.uri().path(), request.method()) {
        (PATH, &Method::GET | &Method::HEAD) => api::exposed(metrics.text().await),
        (PATH, _) => {
            let mut response = refuse(Code::MethodNotAllowed, "metrics are read with GET");
            let get = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, get);
            response
        }
        _ => refuse(Code::NotFound, "there is nothing here but /metrics"),
    })
}
