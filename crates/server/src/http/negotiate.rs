//! What a client sends and what it would like back: `Content-Type`, `Accept` and `Prefer`.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use tidings_wire::Format;

/// The kinds of bodies that are understood here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`
    Json,
    /// `application/cbor`
    Cbor,
    /// `text/plain`
    Text,
    /// `application/octet-stream`
    Bytes,
    /// Any other.
    Other,
}

/// What the request's body is; `None` if it does not say.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    Some(match essence.to_ascii_lowercase().as_str() {
        "application/json" => MediaType::Json,
        "application/cbor" => MediaType::Cbor,
        "text/plain" => MediaType::Text,
        "application/octet-stream" => MediaType::Bytes,
        _ => MediaType::Other,
    })
}

/// How a client would like to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One object.
    Object(Format),
    /// A stream of events.
    EventStream,
}

impl Answer {
    /// By `Accept` (RFC 9110, section 12.5.1): what is named explicitly and liked best; JSON where
    /// nothing of ours is.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut best = (0, Self::Object(Format::Json));
        for value in headers.get_all(ACCEPT) {
            for item in value.to_str().unwrap_or_default().split(',') {
                let mut parts = item.split(';').map(str::trim);
                let answer = match parts.next().unwrap_or_default() {
                    "application/json" => Self::Object(Format::Json),
                    "application/cbor" => Self::Object(Format::Cbor),
                    "text/event-stream" => Self::EventStream,
                    _ => continue,
                };
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                let weight = weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
                let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
                if thousandths > best.0 {
                    best = (thousandths, answer);
                }
            }
        }
        best.1
    }

    /// The format of an answer that is one object in any case.
    pub(crate) fn format_of(headers: &HeaderMap) -> Format {
        match Self::of(headers) {
            Self::Object(format) => format,
            Self::EventStream => Format::Json,
        }
    }
}

/// Seconds that a client would wait for something to happen: `Prefer: wait=N` (RFC 7240, section 4.3).
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    headers
        .get_all(HeaderName::from_static("prefer"))
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| {
            let (name, seconds) = preference.split_once('=')?;
            let is_wait = name.trim().eq_ignore_ascii_case("wait");
            is_wait.then(|| seconds.trim().trim_matches('"').parse().ok())?
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn header(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn the_answer_is_what_the_client_likes_best_of_ours() {
        let json = Answer::Object(Format::Json);
        let cbor = Answer::Object(Format::Cbor);
        for (accept, answer) in [
            ("", json),
            ("*/*", json),
            ("text/html", json),
            ("application/cbor", cbor),
            ("text/event-stream", Answer::EventStream),
            ("application/json, application/cbor", json),
            ("application/json;q=0.5, application/cbor", cbor),
            ("text/event-stream;q=0, */*", json),
            ("application/cbor; q=0.9, text/event-stream; q=0.3", cbor),
        ] {
            assert_eq!(Answer::of(&header("accept", accept)), answer, "{accept}");
        }
        assert_eq!(Answer::of(&HeaderMap::new()), json);
    }

    #[test]
    fn a_preference_for_waiting_is_found_among_others() {
        for (prefer, wait) in [
            ("wait=25", Some(25)),
            ("respond-async, wait=10", Some(10)),
            ("Wait = \"7\"", Some(7)),
            ("wait=soon", None),
            ("return=minimal", None),
        ] {
            assert_eq!(preferred_wait(&header("prefer", prefer)), wait, "{prefer}");
        }
    }
}
