//! Bodies: what a request brings, read within bounds, and what an answer takes along.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use tidings_hub::Refusal;
use tidings_wire::{Code, Data, Format, MessageId};

use super::negotiate::{MediaType, media_type};
use super::problem::refusal;
use crate::transport::sse::EventStream;

/// A body that is there at once.
pub(crate) type Whole = Full<Bytes>;

/// The bytes of such a body.
pub(crate) fn bytes(body: Whole) -> Bytes {
    let collected = body.collect().now_or_never();
    let Ok(collected) = collected.expect("what is there at once is not waited for");
    collected.to_bytes()
}

/// The body of an answer that hyper writes.
pub(crate) enum Body {
    /// All of it at once.
    Whole(Whole),
    /// What the router answered.
    Api(axum::body::Body),
    /// Events as they come, over HTTP/2.
    Events(Box<EventStream>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Whole::default())
    }
}

impl From<EventStream> for Body {
    fn from(events: EventStream) -> Self {
        Self::Events(Box::new(events))
    }
}

impl From<Whole> for Body {
    fn from(whole: Whole) -> Self {
        Self::Whole(whole)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(axum::Error::new),
            Self::Api(body) => Pin::new(body).poll_frame(context),
            Self::Events(events) => {
                let piece = events.poll_piece(context);
                piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Api(body) => body.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Api(body) => body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// An answer with `value` in the client's format.
pub(crate) fn answer(format: Format, value: &impl Serialize) -> Response<Whole> {
    encoded(format, format.encode(value))
}

/// An answer with an object that is encoded already.
pub(crate) fn encoded(format: Format, object: Vec<u8>) -> Response<Whole> {
    let mut response = Response::new(Whole::from(object));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(format.media_type());
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What may be read of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// At most so many bytes; more is `too_large`.
    pub(crate) bytes_max: usize,
    /// All of it within this time.
    pub(crate) within: Duration,
}

/// Reads a request's body.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: axum::body::Body,
    limits: BodyLimits,
) -> Result<Bytes, Refusal> {
    let bytes_max = limits.bytes_max;
    let too_large = || {
        refusal(
            Code::TooLarge,
            format!("the body has more than {bytes_max} bytes"),
        )
    };
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if declared.and_then(|length| length.parse().ok()) > Some(bytes_max) {
        return Err(too_large());
    }
    let reading = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(limits.within, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(refusal(
            Code::BadRequest,
            format!("the body broke off: {error}"),
        )),
        Err(_) => Err(refusal(
            Code::Idle,
            format!("the body did not come within {:?}", limits.within),
        )),
    }
}

/// What a publish or a signal says: the object in JSON or CBOR, or the data itself as text or bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    /// What is said.
    pub(crate) data: Data,
    /// The idempotency key.
    pub(crate) id: Option<MessageId>,
}

impl Said {
    /// Reads `body` by its `Content-Type`.
    pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        match media_type(headers) {
            Some(MediaType::Json) => Self::parse_object(Format::Json, body),
            Some(MediaType::Cbor) => Self::parse_object(Format::Cbor, body),
            Some(MediaType::Text) => std::str::from_utf8(body)
                .map(|text| Self::just(Data::from_text(text)))
                .map_err(|_| refusal(Code::BadRequest, "a text/plain body is UTF-8")),
            Some(MediaType::Bytes) => Ok(Self::just(Data::Bytes(body.clone()))),
            Some(MediaType::Other) | None => Err(refusal(
                Code::UnsupportedMediaType,
                "send {\"data\": …} as application/json or application/cbor, or the data itself as \
                 text/plain or application/octet-stream; with curl: --json '{\"data\":\"hello\"}' \
                 or -H 'content-type: text/plain' -d hello",
            )),
        }
    }

    fn just(data: Data) -> Self {
        Self { data, id: None }
    }

    fn parse_object(format: Format, body: &[u8]) -> Result<Self, Refusal> {
        let bad = |detail| refusal(Code::BadRequest, detail);
        let object: SaidObject = format.decode(body).map_err(bad)?;
        let data = match (object.data, object.bytes) {
            (_, Some(base64)) => {
                Data::from_base64(&base64).map_err(|error| bad(error.to_string()))?
            }
            (Some(data), None) => data,
            (None, None) => {
                return Err(bad("\"data\" is missing: send {\"data\": …}".to_owned()));
            }
        };
        Ok(Self {
            data,
            id: object.id,
        })
    }
}

#[derive(Deserialize)]
struct SaidObject {
    /// `Some` for an explicit null as well, which is a JSON value like any other.
    #[serde(default, deserialize_with = "present")]
    data: Option<Data>,
    bytes: Option<String>,
    id: Option<MessageId>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    Data::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(media_type: &'static str, body: &'static [u8]) -> Result<Said, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Said::parse(&headers, &Bytes::from_static(body)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn an_object_carries_data_and_perhaps_an_id() {
        let said = parse(
            "application/json",
            br#"{"data": {"a": 1}, "id": "x", "new": 2}"#,
        )
        .unwrap();
        assert_eq!(said.data, Data::from_json(r#"{"a":1}"#).unwrap());
        assert_eq!(said.id, Some(MessageId::new("x").unwrap()));
        let null = parse("application/json; charset=utf-8", br#"{"data":null}"#).unwrap();
        assert_eq!(null.data, Data::from_json("null").unwrap());
        let bytes = parse("application/json", br#"{"bytes":"AAE="}"#).unwrap();
        assert_eq!(bytes.data, Data::Bytes(Bytes::from_static(&[0, 1])));
        // {"data": h'0001'}
        let cbor = parse("application/cbor", b"\xa1\x64data\x42\x00\x01").unwrap();
        assert_eq!(cbor.data, Data::Bytes(Bytes::from_static(&[0, 1])));
    }

    #[test]
    fn plain_bodies_are_the_data_itself() {
        assert_eq!(
            parse("text/plain", b"hi \"you\"").unwrap().data,
            Data::from_text("hi \"you\"")
        );
        assert_eq!(
            parse("application/octet-stream", b"\xff").unwrap().data,
            Data::Bytes(Bytes::from_static(b"\xff"))
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (media_type, body, code) in [
            ("application/json", &b"{}"[..], Code::BadRequest),
            ("application/json", b"", Code::BadRequest),
            (
                "application/json",
                br#"{"data":1,"id":""}"#,
                Code::BadRequest,
            ),
            ("text/plain", b"\xff", Code::BadRequest),
            ("text/html", b"<p>", Code::UnsupportedMediaType),
            (
                "application/x-www-form-urlencoded",
                b"hello",
                Code::UnsupportedMediaType,
            ),
        ] {
            assert_eq!(parse(media_type, body), Err(code), "{media_type}");
        }
        assert_eq!(
            Said::parse(&HeaderMap::new(), &Bytes::new())
                .unwrap_err()
                .code,
            Code::UnsupportedMediaType
        );
    }
}
