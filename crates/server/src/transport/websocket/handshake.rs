//! The handshake, as each version of HTTP has it, and the format that it agrees on.

use http::{Request, Response, Version};
use hyper::ext::Protocol;
use tidings_websocket::handshake::{http2, server};
use tidings_wire::{Code, Format};

use crate::http::body::Body;
use crate::http::problem;

/// The formats that are spoken, the one we like best first.
const SUBPROTOCOLS: [&str; 2] = ["tidings.v1.json", "tidings.v1.cbor"];

/// The answer that opens a WebSocket, and what is spoken on it.
pub(super) fn accept(request: &Request<()>) -> Result<(Response<()>, Format), Refused> {
    let offer = server::Options {
        subprotocols: &SUBPROTOCOLS,
        ..server::Options::default()
    };
    if request.version() == Version::HTTP_2 {
        let protocol = request.extensions().get::<Protocol>();
        let accepted = http2::accept(request, protocol.map(Protocol::as_str), &offer)
            .map_err(Refused::Http2)?;
        return Ok((accepted.response(), format(accepted.subprotocol)));
    }
    let accepted = server::accept(request, &offer).map_err(Refused::Http1)?;
    Ok((accepted.response(), format(accepted.subprotocol)))
}

fn format(subprotocol: Option<&str>) -> Format {
    match subprotocol {
        Some("tidings.v1.cbor") => Format::Cbor,
        _ => Format::Json,
    }
}

/// A request that is no handshake.
pub(super) enum Refused {
    Http1(server::Refusal),
    Http2(http2::Refusal),
}

impl Refused {
    /// What is wrong, with the status and the headers that the RFC asks for.
    pub(super) fn response(&self) -> Response<Body> {
        let (status, headers, reason) = match self {
            Self::Http1(refusal) => (refusal.status(), refusal.headers(), refusal.to_string()),
            Self::Http2(refusal) => (refusal.status(), refusal.headers(), refusal.to_string()),
        };
        let problem = problem::refusal(Code::BadRequest, reason);
        let mut response = problem::answer_with(status, &problem);
        response.headers_mut().extend(headers);
        response.map(Body::from)
    }
}
