//! The handshake: QUIC's, HTTP/3's settings, and the CONNECT that opens the one session of a connection.

use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use quinn::Incoming;
use tidings_hub::{Identity, Refusal};
use tidings_wire::Format;
use tokio::time::timeout;
use web_transport_quinn::proto::ConnectResponse;
use web_transport_quinn::{Request as Connect, ServerError, Session as Connection};

use crate::http::{App, access, query};
use crate::transport::framed::CLOSING_WITHIN;

/// Where WebTransport is, as WebSockets are.
const PATH: &str = "/v1/connect";

/// A session that was accepted.
pub(super) struct Accepted {
    pub(super) connection: Connection,
    pub(super) format: Format,
    /// Who opens it, if it said so by now.
    pub(super) identity: Result<Option<Identity>, Refusal>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error(transparent)]
    Quic(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Http3(#[from] ServerError),
    /// It was answered so.
    #[error("it asks for what it may not have: {0}")]
    Refused(StatusCode),
}

/// Carries out the handshake. It may take any time.
pub(super) async fn accept(incoming: Incoming, app: &App) -> Result<Accepted, HandshakeError> {
    let connection = incoming.await?;
    let request = Connect::accept(connection).await?;
    let parts = parts(&request);
    if let Err(status) = admit(&parts, app) {
        let connection = request.conn().clone();
        request.reject(status).await?;
        // Closed at once it would take the answer with it; clients close when they have that.
        let _ = timeout(CLOSING_WITHIN, connection.closed()).await;
        return Err(HandshakeError::Refused(status));
    }
    let offered = offered_format(&request.protocols);
    let format = offered
        .or_else(|| asked_format(&parts))
        .unwrap_or(Format::Json);
    let mut response = ConnectResponse::OK;
    if offered.is_some() {
        response = response.with_protocol(format.subprotocol());
    }
    let identity = access::identify_early(&app.hub, &app.origins, &parts);
    Ok(Accepted {
        connection: request.respond(response).await?,
        format,
        identity,
    })
}

/// The request as the doors over TCP would have it. What cannot be put so is left out, and then refused.
fn parts(request: &Connect) -> Parts {
    let url = &request.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut parts = Request::new(()).into_parts().0;
    parts.method = Method::CONNECT;
    parts.uri = path.parse().unwrap_or_default();
    parts.headers = request.headers.clone();
    parts.headers.remove(HOST);
    if let Ok(host) = HeaderValue::from_str(url.authority()) {
        parts.headers.insert(HOST, host);
    }
    parts
}

/// Whether such a request may come in at all, and is for this door.
fn admit(parts: &Parts, app: &App) -> Result<(), StatusCode> {
    let checked = app.origins.check_host(&parts.headers);
    let checked = checked.and_then(|()| app.origins.check_origin(&parts.headers));
    match checked {
        Err(_) => Err(StatusCode::FORBIDDEN),
        Ok(_) if parts.uri.path() != PATH => Err(StatusCode::NOT_FOUND),
        Ok(_) => Ok(()),
    }
}

/// The format of the first subprotocol that we speak.
fn offered_format(offered: &[String]) -> Option<Format> {
    offered.iter().find_map(|name| format_of(name))
}

/// The one that the query asks for: not all browsers can offer subprotocols.
fn asked_format(parts: &Parts) -> Option<Format> {
    let name = query::first(&parts.uri, "protocol").ok().flatten()?;
    format_of(&name)
}

fn format_of(subprotocol: &str) -> Option<Format> {
    let mut formats = [Format::Json, Format::Cbor].into_iter();
    formats.find(|format| format.subprotocol() == subprotocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_first_that_is_spoken() {
        let offered = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
            offered_format(&names)
        };
        assert_eq!(offered(&[]), None);
        assert_eq!(offered(&["tidings.v2.json"]), None);
        let both = ["chat", "tidings.v1.cbor", "tidings.v1.json"];
        assert_eq!(offered(&both), Some(Format::Cbor));
    }

    #[test]
    fn the_query_asks_where_nothing_is_offered() {
        let asked = |uri: &str| {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.uri = uri.parse().unwrap();
            asked_format(&parts)
        };
        assert_eq!(
            asked("/v1/connect?protocol=tidings.v1.cbor"),
            Some(Format::Cbor)
        );
        assert_eq!(asked("/v1/connect?protocol=tidings.v1.xml"), None);
        assert_eq!(asked("/v1/connect?protocol=%FF"), None);
        assert_eq!(asked("/v1/connect"), None);
    }
}
