//! The answer to one request: as the doors give it, in the stream that the request came in.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use super::streams::Streams;
use super::tunnel::Tunnel;
use crate::connection::Permit;
use crate::http::Doors;
use crate::http::body::Body;
use crate::parked::{Answered, Opened, Upgrade, Waiting};

/// Answers a request, at once or later. Its stream's task ends when the client resets the stream or is gone,
/// and so whatever the answer holds is freed.
pub(super) fn answer(
    doors: &Doors,
    mut request: Request<Incoming>,
    permit: Rc<Permit>,
    streams: &Streams,
) -> impl Future<Output = Result<Response<Given>, Infallible>> + use<> {
    name_host(&mut request);
    tell(&request);
    let tunnel = hyper::upgrade::on(&mut request);
    let streams = streams.clone();
    // What answers is large, and gone when the stream waits.
    let answering = Box::pin(doors.clone().answer(request, permit.clone()));
    async move {
        let (answered, manner) = answering.await;
        permit.settle();
        let mut response = match answered {
            Answered::Now(response) => return Ok(response.map(|body| Given { body, streams })),
            Answered::Later(Waiting::Whole(answer)) => answer.await.map(Body::from),
            Answered::Later(Waiting::Stream(response)) => response.map(Body::from),
            Answered::Later(Waiting::Upgrade(response)) => response.map(|upgrade| {
                tokio::task::spawn_local(carry(upgrade, tunnel, streams.clone()));
                Body::default()
            }),
        };
        manner.mark(&mut response);
        Ok(response.map(|body| Given { body, streams }))
    }
}

/// A request names its host in `:authority`, and need not do so a second time (RFC 9113, section 8.3.1).
/// Where it does, `:authority` holds.
fn name_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority();
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
}

fn tell(request: &Request<Incoming>) {
    let (method, path) = (request.method(), request.uri().path());
    match request.extensions().get::<Protocol>() {
        Some(protocol) => {
            let protocol = protocol.as_str();
            tracing::debug!(%method, protocol, path, "a request over HTTP/2");
        }
        None => tracing::debug!(%method, path, "a request over HTTP/2"),
    }
}

/// Carries another protocol in the stream, once the answer is on its way.
async fn carry(upgrade: Upgrade, tunnel: OnUpgrade, streams: Streams) {
    // It fails where the client resets the stream before.
    if let Ok(upgraded) = tunnel.await {
        let tunnel = Tunnel::new(upgraded, streams);
        upgrade(Opened::Tunnel(tunnel), Bytes::new()).await;
    }
}

/// A body of which is counted what hyper was given.
pub(super) struct Given {
    body: Body,
    streams: Streams,
}

impl http_body::Body for Given {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.streams.give(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
