//! HTTP: what stands before every door, and which door a request goes to.
//!
//! A request is first asked where it comes from ([`origin`]), then led to its door: the two that
//! stream, `/v1/events` and `/v1/connect`, live with the sessions on the shard's thread and are
//! answered here, at once or later ([`parked`](crate::parked)); all others are axum's ([`api`]).

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod head;
pub(crate) mod negotiate;
pub(crate) mod origin;
pub(crate) mod pieces;
pub(crate) mod problem;
pub(crate) mod query;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tidings_hub::{Hub, Push, Refusal, Shard};
use tidings_wire::Code;
use tower_service::Service;

use crate::balance::Share;
use crate::config::WebSocketConfig;
use crate::connection::Permit;
use crate::lab::Lab;
use crate::metrics::{Counts, Metrics};
use crate::parked::Answered;
use crate::places::Places;
use crate::quic::Told;
use crate::shutdown::Drain;
use crate::tls::Tls;
use crate::transport::{poll, sse, websocket, webtransport};
use body::{Body, BodyLimits};
use head::Manner;
use negotiate::Answer;
use origin::OriginPolicy;

/// What the doors of all shards share.
pub(crate) struct App {
    /// Sessions, permissions, messages.
    pub(crate) hub: Arc<Hub>,
    /// Whose pages are let in.
    pub(crate) origins: OriginPolicy,
    /// How connections are encrypted; `None` where they are not.
    pub(crate) tls: Option<Arc<Tls>>,
    /// What is told of WebTransport; `None` where there is none.
    pub(crate) webtransport: Option<Told>,
    /// Where transports are raced; `None` where there is none.
    pub(crate) lab: Option<Lab>,
    /// How WebSockets are spoken.
    pub(crate) websocket: WebSocketConfig,
    /// By which a browser is told to come by TLS only. There is TLS then, and no answer goes out without.
    pub(crate) hsts: Option<Arc<HeaderValue>>,
    /// What may be read of a body.
    pub(crate) body_limits: BodyLimits,
    /// What is shown under `/metrics`; `None` where that has an address of its own.
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// Whether the server is about to end.
    pub(crate) drain: Drain,
    /// The connections of all shards that can be spared: on which nothing was asked since their last answer.
    pub(crate) spared: Places,
}

/// The doors of one shard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Doors {
    /// What is shared with the other shards.
    pub(crate) app: Arc<App>,
    /// The sessions of this thread.
    pub(crate) shard: Shard,
    /// Where this thread counts.
    pub(crate) counts: Arc<Counts>,
    /// Where its WebSockets are held.
    pub(crate) websockets: websocket::Sockets,
    /// What its sessions of WebTransport share.
    pub(crate) webtransport: webtransport::Shared,
    /// Room for what a stream is given; empty when it is not being written.
    pub(crate) pushes: Rc<Cell<Vec<Push>>>,
    router: Router,
}

impl Doors {
    /// The doors to `shard`, on its thread.
    pub(crate) fn open(
        app: Arc<App>,
        shard: Shard,
        counts: Arc<Counts>,
        share: Share,
    ) -> io::Result<Self> {
        Ok(Self {
            router: api::router(app.clone()),
            websockets: websocket::Sockets::start(
                shard.clone(),
                counts.clone(),
                share,
                app.drain.clone(),
            )?,
            webtransport: webtransport::Shared::new(&counts, &app.drain),
            pushes: Rc::default(),
            app,
            shard,
            counts,
        })
    }

    /// Answers one request, and tells the manner in which to write the answer if it comes later. `permit`
    /// is the connection's, for what outlives the request.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
        permit: Rc<Permit>,
    ) -> (Answered, Manner) {
        let (parts, incoming) = request.into_parts();
        let admitted = self.admit(&parts);
        let page = admitted.as_ref().ok().cloned().flatten();
        let mut manner = Manner::of(&parts, page.as_ref(), self.app.hsts.clone());
        let is_http2 = parts.version == Version::HTTP_2;
        // What stands behind a body that nobody reads cannot be found.
        manner.keeps &= incoming.is_end_stream();
        let mut answered = match admitted {
            Err(refusal) => problem::answer(&refusal).map(Body::from).into(),
            Ok(_) if cors::is_preflight(&parts) => cors::preflight().map(Body::from).into(),
            Ok(_) => self.enter(parts, incoming, permit).await,
        };
        if let Answered::Now(response) = &mut answered {
            if let Some(code) = response.extensions().get::<Code>() {
                self.counts.refused(*code);
            }
            cors::mark(response.headers_mut(), page);
            head::demand_tls(response.headers_mut(), self.app.hsts.as_deref());
            // Over HTTP/2 the connection says it.
            if self.app.drain.has_begun() && !is_http2 {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
        }
        (answered, manner)
    }

    /// Whether a request may come in at all; on success the origin of the allowed page behind it.
    fn admit(&self, parts: &Parts) -> Result<Option<HeaderValue>, Refusal> {
        self.app.origins.check_host(&parts.headers)?;
        // Files are the same for everybody; what lies under /v1 is not.
        match parts.uri.path().starts_with("/v1/") {
            true => self.app.origins.check_origin(&parts.headers),
            false => Ok(None),
        }
    }

    async fn enter(&self, parts: Parts, incoming: Incoming, permit: Rc<Permit>) -> Answered {
        let answered = match parts.uri.path() {
            "/v1/events" => self.events(&parts).await,
            "/v1/connect" => websocket::answer(self, parts, permit),
            _ => {
                return self
                    .route(Request::from_parts(parts, incoming))
                    .await
                    .into();
            }
        };
        answered.unwrap_or_else(|refusal| refused(&refusal).into())
    }

    async fn events(&self, parts: &Parts) -> Result<Answered, Refusal> {
        if parts.method != Method::GET {
            return Err(problem::refusal(
                Code::MethodNotAllowed,
                "events are read with GET",
            ));
        }
        match Answer::of(&parts.headers) {
            Answer::EventStream => sse::answer(self, parts).await,
            Answer::Object(format) => poll::answer(self, parts, format).await,
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let mut router = self.router.clone();
        let counts = self.counts.clone();
        let request = request.map(|body| {
            body.map_frame(move |frame| {
                counts.http_received(frame.data_ref().map_or(0, Bytes::len));
                frame
            })
        });
        // A router is always ready, and its error is `Infallible`.
        match router.call(request).await {
            Ok(response) => {
                let bytes = response.body().size_hint().exact();
                self.counts.http_sent(bytes.unwrap_or(0) as usize);
                response.map(Body::Api)
            }
        }
    }
}

/// The refusal of a door that streams.
fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = problem::answer(refusal).map(Body::from);
    if refusal.code == Code::MethodNotAllowed {
        let get = HeaderValue::from_static("GET");
        response.headers_mut().insert(http::header::ALLOW, get);
    }
    response
}
