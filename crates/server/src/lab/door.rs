//! The lab's requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response as AxumResponse};
use axum::routing::{delete, get, post, put};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tidings_hub::Refusal;
use tidings_middlebox::Cut;
use tidings_wire::{ChannelName, Code, Format};

use super::Lab;
use super::network::Network;
use crate::http::App;
use crate::http::api::{Refused, Who};
use crate::http::body;
use crate::http::problem::refusal;

type Answered = Result<AxumResponse, Refused>;

/// The largest request that is read, in bytes: many times the longest network.
const REQUEST_BYTES_MAX: usize = 4096;

/// The paths under `/v1/lab`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/lab", get(visit))
        .route("/v1/lab/{visit}/lanes", post(open))
        .route("/v1/lab/{visit}/lanes/{lane}", delete(close))
        .route("/v1/lab/{visit}/lanes/{lane}/network", put(set))
        .route("/v1/lab/{visit}/lanes/{lane}/cut", post(cut))
        .layer(axum::extract::DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

async fn visit(allowed: Allowed) -> Answered {
    let visit = allowed.lab()?.visit()?;
    let lines = visit.read(allowed.0.drain.clone());
    let lines = lines.map(Ok::<_, std::convert::Infallible>);
    let mut response = AxumResponse::new(axum::body::Body::from_stream(lines));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("application/x-ndjson");
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn open(allowed: Allowed, Path(visit): Path<String>, headers: HeaderMap) -> Answered {
    let lab = allowed.lab()?;
    let visit = lab.find(&visit)?;
    let (listen, server) = (lab.listen, lab.server);
    let opening = lab
        .runtime
        .spawn(async move { visit.open(listen, server).await });
    let (lane, port) = opening
        .await
        .map_err(|error| refusal(Code::Internal, error.to_string()))??;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = without_port(host.unwrap_or("127.0.0.1"));
    let lane = json!({"lane": lane, "url": format!("http://{host}:{port}")});
    Ok((StatusCode::CREATED, body::answer(Format::Json, &lane)).into_response())
}

async fn close(allowed: Allowed, Path((visit, lane)): Path<(String, u32)>) -> Answered {
    allowed.lab()?.find(&visit)?.close(lane)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set(allowed: Allowed, Path((visit, lane)): Path<(String, u32)>, said: Bytes) -> Answered {
    let lane = allowed.lab()?.find(&visit)?.lane(lane)?;
    let network: Network = read(&said)?;
    lane.set(&network)
        .map_err(|unusable| refusal(Code::BadRequest, unusable.to_string()))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CutRequest {
    how: How,
}

/// How connections end: as a firewall does it, or as a server.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Reset,
    Close,
}

async fn cut(allowed: Allowed, Path((visit, lane)): Path<(String, u32)>, said: Bytes) -> Answered {
    let lane = allowed.lab()?.find(&visit)?.lane(lane)?;
    let CutRequest { how } = read(&said)?;
    let cut = lane
        .cut(match how {
            How::Reset => Cut::Reset,
            How::Close => Cut::Close,
        })
        .await;
    Ok(body::answer(Format::Json, &json!({"cut": cut})).into_response())
}

/// Somebody who may use the lab, which is there: where tokens are asked for, who may read and write in its channels.
struct Allowed(Arc<App>);

impl Allowed {
    fn lab(&self) -> Result<&Lab, Refusal> {
        let lab = self.0.lab.as_ref();
        lab.ok_or_else(|| refusal(Code::NotFound, super::CLOSED))
    }
}

impl FromRequestParts<Arc<App>> for Allowed {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        let allowed = Self(Arc::clone(app));
        // Where there is none, nobody is asked who they are.
        allowed.lab()?;
        let Who(who) = Who::from_request_parts(parts, app).await?;
        let channel =
            ChannelName::new("lab:").map_err(|error| refusal(Code::Internal, error.to_string()))?;
        match who.permissions.may_read(&channel) && who.permissions.may_write(&channel) {
            true => Ok(allowed),
            false => Err(refusal(
                Code::Forbidden,
                "the lab needs a token that may read and write lab:*",
            )
            .into()),
        }
    }
}

fn read<T: DeserializeOwned>(said: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(said).map_err(|error| refusal(Code::BadRequest, error.to_string()))
}

/// The host by which the page came, so that its clients come by the same.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_without_its_port() {
        for (host, bare) in [
            ("127.0.0.1:7007", "127.0.0.1"),
            ("localhost", "localhost"),
            ("[::1]:7007", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(host), bare);
        }
    }
}
