//! The doors that answer one question each: publish, signal, history, presence, tickets, and how the
//! server is.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response as AxumResponse};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use serde::Serialize;
use tidings_engine::Published;
use tidings_hub::{Auth, Identity, Refusal};
use tidings_wire::{ChannelName, Code, Heartbeat, Message, MessageId};

use super::body::{self, Said, Whole};
use super::negotiate::Answer;
use super::{App, access, problem, query};
use crate::assets;
use crate::lab;
use crate::metrics::{exposition, listener};
use crate::quic::{Told, WebTransportInfo};
use crate::transport::Transport;

type Answered = Result<Response<Whole>, Refused>;

/// Everything but the two doors that stream.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    if app.metrics.is_some() {
        router = router.route(listener::PATH, get(metrics));
    }
    router
        .route(
            "/v1/channels/{channel}/messages",
            get(history).post(publish),
        )
        .route("/v1/channels/{channel}/signals", post(signal))
        .route("/v1/channels/{channel}/presence", get(presence))
        .route("/v1/tickets", post(ticket))
        .route("/v1/info", get(info))
        .merge(lab::door::router())
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(assets::router(app.lab.is_some()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

async fn publish(
    State(app): State<Arc<App>>,
    Who(who): Who,
    Channel(channel): Channel,
    request: Request,
) -> Answered {
    let (parts, said) = read_said(&app, request).await?;
    let id = match said.id {
        Some(id) => Some(id),
        // Where the body is the data itself there is no other place for it.
        None => id_of(&parts.uri)?,
    };
    let published = app.hub.publish(&who, channel, said.data, id).await?;
    let Published {
        seq,
        id,
        at,
        repeated,
    } = published;
    let format = Answer::format_of(&parts.headers);
    let mut response = body::answer(format, &Stored { seq, id, at });
    if !repeated {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

#[derive(Serialize)]
struct Stored {
    seq: u64,
    id: MessageId,
    at: u64,
}

/// What the body says, and the request without it.
async fn read_said(app: &App, request: Request) -> Result<(Parts, Said), Refusal> {
    let (parts, body) = request.into_parts();
    let body = body::read(&parts.headers, body, app.body_limits).await?;
    let said = Said::parse(&parts.headers, &body)?;
    Ok((parts, said))
}

async fn signal(
    State(app): State<Arc<App>>,
    Who(who): Who,
    Channel(channel): Channel,
    request: Request,
) -> Answered {
    let (_, said) = read_said(&app, request).await?;
    app.hub.signal(&who, channel, said.data)?;
    let mut response = Response::new(Whole::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

async fn history(
    State(app): State<Arc<App>>,
    Who(who): Who,
    Channel(channel): Channel,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let (mut before, mut after, mut limit) = (None, None, None);
    for pair in query::pairs(&uri) {
        let (name, value) = pair?;
        match name.as_str() {
            "before" => before = Some(query::parse(&name, &value, "a seq")?),
            "after" => after = Some(query::parse(&name, &value, "a seq (not a cursor)")?),
            "limit" => limit = Some(query::parse(&name, &value, "a number")?),
            _ => {}
        }
    }
    let page = app.hub.history(&who, channel, before, after, limit).await?;
    let history = History {
        messages: page.messages.iter().map(|message| &**message).collect(),
        truncated: page.truncated,
    };
    Ok(body::answer(Answer::format_of(&headers), &history))
}

#[derive(Serialize)]
struct History<'a> {
    messages: Vec<&'a Message>,
    truncated: bool,
}

async fn presence(
    State(app): State<Arc<App>>,
    Who(who): Who,
    Channel(channel): Channel,
    headers: HeaderMap,
) -> Answered {
    let presence = app.hub.presence(&who, channel).await?;
    Ok(body::answer(Answer::format_of(&headers), &presence))
}

async fn ticket(State(app): State<Arc<App>>, Who(who): Who, headers: HeaderMap) -> Answered {
    let ticket = app.hub.ticket(&who)?;
    let answer = TicketAnswer {
        ticket: ticket.text,
        expires_in_ms: u64::try_from(ticket.valid_for.as_millis()).unwrap_or(u64::MAX),
    };
    let mut response = body::answer(Answer::format_of(&headers), &answer);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

#[derive(Serialize)]
struct TicketAnswer {
    ticket: String,
    expires_in_ms: u64,
}

async fn info(State(app): State<Arc<App>>, headers: HeaderMap) -> Answered {
    let config = app.hub.config();
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        protocol: tidings_wire::PROTOCOL_VERSION,
        auth: match config.auth {
            Auth::Guests => "guest",
            Auth::Secret(_) => "token",
        },
        transports: Transport::ALL
            .into_iter()
            .filter(|it| app.webtransport.is_some() || *it != Transport::WebTransport)
            .map(Transport::name)
            .collect(),
        webtransport: app.webtransport.as_ref().map(Told::info),
        lab: app.lab.is_some(),
        heartbeat: config.heartbeat,
    };
    Ok(body::answer(Answer::format_of(&headers), &info))
}

#[derive(Serialize)]
struct Info {
    version: &'static str,
    protocol: u32,
    auth: &'static str,
    transports: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webtransport: Option<WebTransportInfo>,
    /// Whether there is a page `/lab`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lab: bool,
    heartbeat: Heartbeat,
}

async fn healthz() -> Response<Whole> {
    text("ok\n".to_owned())
}

async fn readyz(State(app): State<Arc<App>>) -> Answered {
    let refused = |why: &str| Err(Refused(problem::refusal(Code::Unavailable, why)));
    match app.hub.engine().check() {
        _ if app.drain.is_announced() => refused("the server is shutting down"),
        Err(error) => refused(&error.to_string()),
        Ok(()) => Ok(text("ready\n".to_owned())),
    }
}

async fn metrics(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Whole>, Refused> {
    match &app.metrics {
        Some(metrics) => Ok(exposed(metrics.text().await)),
        None => Err(not_found(uri).await),
    }
}

/// An answer with metrics.
pub(crate) fn exposed(metrics: String) -> Response<Whole> {
    let mut response = text(metrics);
    let prometheus = HeaderValue::from_static(exposition::MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, prometheus);
    response
}

fn text(text: String) -> Response<Whole> {
    let mut response = Response::new(Whole::from(text));
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn not_found(uri: Uri) -> Refused {
    Refused(problem::refusal(
        Code::NotFound,
        format!("there is nothing under {}", uri.path()),
    ))
}

async fn method_not_allowed() -> Refused {
    Refused(problem::refusal(
        Code::MethodNotAllowed,
        "this path knows other methods; see the Allow header",
    ))
}

/// `?id=`, the idempotency key.
fn id_of(uri: &Uri) -> Result<Option<MessageId>, Refusal> {
    let id = query::first(uri, "id")?;
    id.map(|id| MessageId::new(&id))
        .transpose()
        .map_err(|error| problem::refusal(Code::BadRequest, error.to_string()))
}

/// The channel that the path names.
struct Channel(ChannelName);

impl<S: Send + Sync> FromRequestParts<S> for Channel {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let bad = |detail| Refused(problem::refusal(Code::BadRequest, detail));
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| bad(rejection.body_text()))?;
        match ChannelName::new(&name) {
            Ok(channel) => Ok(Self(channel)),
            Err(error) => Err(bad(error.to_string())),
        }
    }
}

/// Who asks.
pub(crate) struct Who(pub(crate) Identity);

impl FromRequestParts<Arc<App>> for Who {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        Ok(Self(access::identify(&app.hub, &app.origins, parts)?))
    }
}

/// A refusal as axum answers it.
pub(crate) struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> AxumResponse {
        problem::answer(&self.0).into_response()
    }
}
