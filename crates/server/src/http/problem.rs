//! What an HTTP client is told when something is refused: RFC 9457, one table over [`Code`].

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use tidings_hub::Refusal;
use tidings_wire::{Code, Format};

use super::body::{self, Whole};

/// When the same request can do again, in seconds: soon, for what is transient passes within a
/// restart or a burst.
pub(crate) const RETRY_AFTER_SECONDS: u16 = 1;

/// The object of an `application/problem+json` answer.
#[derive(Serialize)]
struct Problem<'a> {
    /// Where it is explained.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
}

/// The answer that says why.
pub(crate) fn answer(refusal: &Refusal) -> Response<Whole> {
    let status = StatusCode::from_u16(refusal.code.http_status())
        .expect("the table's statuses are statuses");
    answer_with(status, refusal)
}

/// The answer that says why, with a more telling status than the code's own.
pub(crate) fn answer_with(status: StatusCode, refusal: &Refusal) -> Response<Whole> {
    let code = refusal.code;
    let problem = Problem {
        kind: format!("{DOCUMENT}#{code}"),
        title: title(code),
        status: status.as_u16(),
        detail: &refusal.detail,
        code,
    };
    let mut response = body::encoded(Format::Json, Format::Json.encode(&problem));
    *response.status_mut() = status;
    // For whoever counts.
    response.extensions_mut().insert(code);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if code.is_transient() {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    if matches!(code, Code::Unauthenticated | Code::TokenExpired) {
        // RFC 9110, section 11.6.1: a 401 names the scheme that would do.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A refusal by the doors themselves.
pub(crate) fn refusal(code: Code, detail: impl Into<String>) -> Refusal {
    Refusal::new(code, detail)
}

/// Where every code is explained.
const DOCUMENT: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/protocol.md");

fn title(code: Code) -> &'static str {
    match code {
        Code::BadRequest => "The request is not in the protocol",
        Code::Unauthenticated => "Nobody is known behind the request",
        Code::TokenExpired => "The token has expired",
        Code::Forbidden => "The user may not do this",
        Code::OriginRefused => "Pages of this origin may not use this server",
        Code::NotFound => "There is nothing here",
        Code::MethodNotAllowed => "The path knows other methods",
        Code::UnsupportedMediaType => "The body's media type is not understood",
        Code::TooLarge => "Too large",
        Code::LimitReached => "A limit is reached",
        Code::Busy => "Too much at a time",
        Code::Unavailable => "Out of service for now",
        Code::StorageFull => "The disk is full",
        Code::Idle => "Nothing came in time",
        Code::HelloLate => "The hello came too late",
        Code::Internal => "A fault of the server",
    }
}
