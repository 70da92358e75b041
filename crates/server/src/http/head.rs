//! The heads of the answers that hyper does not write (RFC 9112, sections 4 and 6): of those that take
//! the socket over, and of a connection that is turned away.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::{Response, Version};
use httpdate::HttpDate;

use super::body::{self, Whole};
use super::cors;

/// Room for most heads, in bytes.
const HEAD_BYTES: usize = 512;

/// How a request is to be answered, whatever the answer will be. It keeps nothing of the request, which
/// lies in a large buffer.
#[derive(Debug)]
pub(crate) struct Manner {
    version: Version,
    /// Whether the connection can be kept for another request.
    pub(crate) keeps: bool,
    /// The origin of the allowed page that asks, if it is not ours.
    page: Option<HeaderValue>,
    /// By which it is told to come by TLS only.
    hsts: Option<Arc<HeaderValue>>,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(usize),
    /// With the last of its chunks.
    Chunks,
    /// With the connection.
    Close,
    /// There is none: what follows is another protocol's.
    Upgrade,
}

impl Manner {
    /// As the head of a request asks for it; `hsts` is the server's.
    pub(crate) fn of(
        parts: &Parts,
        page: Option<&HeaderValue>,
        hsts: Option<Arc<HeaderValue>>,
    ) -> Self {
        let version = parts.version;
        let closes = says(&parts.headers, "close");
        Self {
            version,
            // RFC 9112, section 9.3.
            keeps: !closes && (version > Version::HTTP_10 || says(&parts.headers, "keep-alive")),
            page: page.and_then(|page| HeaderValue::from_bytes(page.as_bytes()).ok()),
            hsts,
        }
    }

    /// For whoever is answered without having been heard.
    pub(crate) fn unheard() -> Self {
        Self {
            version: Version::HTTP_11,
            keeps: false,
            page: None,
            hsts: None,
        }
    }

    /// Marks an answer for the page that asks, and its browser.
    pub(crate) fn mark<B>(&self, response: &mut Response<B>) {
        cors::mark(response.headers_mut(), self.page.clone());
        demand_tls(response.headers_mut(), self.hsts.as_deref());
    }

    /// How a body of unknown length is told to end.
    pub(crate) fn framing(&self) -> Framing {
        match self.version > Version::HTTP_10 {
            true => Framing::Chunks,
            false => Framing::Close,
        }
    }

    /// The bytes of an answer, of its head and of its body.
    pub(crate) fn whole(&self, response: Response<Whole>) -> (Vec<u8>, Bytes) {
        let response = response.map(body::bytes);
        let framing = Framing::Length(response.body().len());
        self.head(response, framing)
    }

    /// The bytes of an answer's head, and what is to come behind it.
    pub(crate) fn head<B>(&self, mut response: Response<B>, framing: Framing) -> (Vec<u8>, B) {
        self.mark(&mut response);
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let version = match self.version > Version::HTTP_10 {
            true => "HTTP/1.1",
            false => "HTTP/1.0",
        };
        add(&mut head, format_args!("{version} {}", response.status()));
        for (name, value) in response.headers() {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        match framing {
            Framing::Length(bytes) => add(&mut head, format_args!("content-length: {bytes}")),
            Framing::Chunks => add(&mut head, format_args!("transfer-encoding: chunked")),
            Framing::Close | Framing::Upgrade => {}
        }
        if framing != Framing::Upgrade {
            match (self.keeps, self.version) {
                (false, _) => add(&mut head, format_args!("connection: close")),
                (true, Version::HTTP_10) => add(&mut head, format_args!("connection: keep-alive")),
                (true, _) => {}
            }
        }
        let date = HttpDate::from(SystemTime::now());
        add(&mut head, format_args!("date: {date}\r\n"));
        (head, response.into_body())
    }
}

/// Marks an answer that goes out over TLS, where browsers are to come by nothing else.
pub(crate) fn demand_tls(headers: &mut HeaderMap, hsts: Option<&HeaderValue>) {
    if let Some(hsts) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}

fn add(head: &mut Vec<u8>, line: fmt::Arguments<'_>) {
    // A `Vec` takes everything.
    let _ = write!(head, "{line}\r\n");
}

/// Whether a token stands among the connection's options.
fn says(headers: &HeaderMap, token: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    let mut tokens = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tokens.any(|option| option.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn manner(version: Version, connection: &str) -> Manner {
        let request = Request::builder().version(version);
        let request = request.header("connection", connection);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Manner::of(&parts, None, None)
    }

    #[test]
    fn a_connection_is_kept_as_its_request_says() {
        let keeps = |version, connection| manner(version, connection).keeps;
        assert!(keeps(Version::HTTP_11, ""));
        assert!(keeps(Version::HTTP_11, "keep-alive, TE"));
        assert!(!keeps(Version::HTTP_11, "TE, Close"));
        assert!(!keeps(Version::HTTP_10, ""));
        assert!(keeps(Version::HTTP_10, "Keep-Alive"));
        assert!(!keeps(Version::HTTP_10, "keep-alive, close"));
    }

    #[test]
    fn a_head_says_how_the_body_ends_and_what_becomes_of_the_connection() {
        let head = |version, connection, framing| {
            let mut response = Response::new(());
            let headers = response.headers_mut();
            headers.insert("x", HeaderValue::from_static("1"));
            let head = manner(version, connection).head(response, framing).0;
            let head = String::from_utf8(head).unwrap();
            let (head, rest) = head.split_once("\r\n\r\n").unwrap();
            assert_eq!(rest, "");
            let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
            // RFC 9110, section 6.6.1: whoever has a clock says when.
            let date = lines.pop().unwrap();
            assert!(
                date.starts_with("date: ") && date.ends_with(" GMT"),
                "{date}"
            );
            lines
        };
        // What stands behind the marks of every answer.
        let ends = |version, connection, framing| {
            let mut lines = head(version, connection, framing);
            let marks = ["x: 1", "x-content-type-options: nosniff", "vary: origin"];
            assert_eq!(lines[1..4], marks);
            lines.drain(1..4);
            lines
        };
        assert_eq!(
            ends(Version::HTTP_11, "", Framing::Length(7)),
            ["HTTP/1.1 200 OK", "content-length: 7"]
        );
        assert_eq!(
            ends(Version::HTTP_11, "close", Framing::Chunks),
            [
                "HTTP/1.1 200 OK",
                "transfer-encoding: chunked",
                "connection: close"
            ]
        );
        assert_eq!(
            ends(Version::HTTP_10, "keep-alive", Framing::Length(0)),
            [
                "HTTP/1.0 200 OK",
                "content-length: 0",
                "connection: keep-alive"
            ]
        );
        assert_eq!(
            ends(Version::HTTP_10, "", Framing::Close),
            ["HTTP/1.0 200 OK", "connection: close"]
        );
        assert_eq!(
            ends(Version::HTTP_11, "upgrade", Framing::Upgrade),
            ["HTTP/1.1 200 OK"]
        );
    }

    #[test]
    fn the_page_that_asks_is_told_that_it_may() {
        let (parts, ()) = Request::new(()).into_parts();
        let page = HeaderValue::from_static("https://example.org");
        let manner = Manner::of(&parts, Some(&page), None);
        let (head, ()) = manner.head(Response::new(()), Framing::Chunks);
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("\r\naccess-control-allow-origin: https://example.org\r\n"));
    }
}
