//! The handshake, as each version of HTTP has it, and what it agrees on.

use http::{Request, Response, Version};
use hyper::ext::Protocol;
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::handshake::{http2, server};
use tidings_wire::{Code, Format};

use crate::http::body::Body;
use crate::http::problem;

/// The formats that are spoken, the one we like best first.
const SUBPROTOCOLS: [&str; 2] = ["tidings.v1.json", "tidings.v1.cbor"];

/// What opens a WebSocket, and what is spoken on it.
pub(super) struct Accepted {
    /// The answer.
    pub(super) response: Response<()>,
    pub(super) format: Format,
    /// Where both sides want compression.
    pub(super) deflate: Option<Agreement>,
}

/// Judges the request; `deflate` is how messages are compressed where the client offers it.
pub(super) fn accept(request: &Request<()>, deflate: Option<Policy>) -> Result<Accepted, Refused> {
    let offer = server::Options {
        subprotocols: &SUBPROTOCOLS,
        deflate,
    };
    if request.version() == Version::HTTP_2 {
        let protocol = request.extensions().get::<Protocol>();
        let accepted = http2::accept(request, protocol.map(Protocol::as_str), &offer)
            .map_err(Refused::Http2)?;
        return Ok(Accepted {
            response: accepted.response(),
            format: format(accepted.subprotocol),
            deflate: accepted.deflate,
        });
    }
    let accepted = server::accept(request, &offer).map_err(Refused::Http1)?;
    Ok(Accepted {
        response: accepted.response(),
        format: format(accepted.subprotocol),
        deflate: accepted.deflate,
    })
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
