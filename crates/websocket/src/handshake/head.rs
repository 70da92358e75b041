//! HTTP/1.1 heads on a bare socket: the request and the response of a handshake, read and written.
//!
//! Behind an HTTP server none of this is needed. Everything read is bounded by
//! [`HEAD_BYTES_MAX`] and [`HEADERS_MAX`].

use bytes::BufMut;
use bytes::buf::Limit;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};

/// The most bytes of a head. Default of the common servers: cookies and tokens fit, abuse does not.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header fields of a head, as hyper's.
pub const HEADERS_MAX: usize = 100;

/// A head that comes piece by piece.
///
/// Parsing begins at the front each time, so it is done only when it may bring something new: when a
/// blank line has come, or twice as many bytes as at the last attempt. However small the pieces are,
/// all attempts together look at no more than a few times the bytes of the head, and what is no HTTP
/// is still found out early.
///
/// ```
/// use bytes::BufMut;
/// use tidings_websocket::handshake::head::{Incoming, parse_request};
///
/// let mut head = Incoming::new();
/// head.room().put_slice(b"GET / HTTP/1.1\r\nHost: example.org\r\n");
/// assert!(head.parse(parse_request)?.is_none());
/// head.room().put_slice(b"\r\n\x81\x85");
/// let (request, read_ahead) = head.parse(parse_request)?.expect("it is whole");
/// assert_eq!(request.headers()["host"], "example.org");
/// assert_eq!(read_ahead, b"\x81\x85");
/// # Ok::<(), tidings_websocket::handshake::head::InvalidHead>(())
/// ```
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// Where the first line begins.
    begin: usize,
    /// How many of them were searched for a blank line.
    searched: usize,
    /// How many of them there were at the last attempt to parse.
    parsed: usize,
}

impl Incoming {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(HEAD_BYTES_USUAL),
            ..Self::default()
        }
    }

    /// Where to put what comes: at most up to [`HEAD_BYTES_MAX`] in all.
    ///
    /// There is always room after [`parse`](Self::parse) gave `None`.
    pub fn room(&mut self) -> Limit<&mut Vec<u8>> {
        let room = HEAD_BYTES_MAX.saturating_sub(self.bytes.len());
        (&mut self.bytes).limit(room)
    }

    /// The head, when it is whole, with what came after it. Call it after each read.
    ///
    /// `parse` is [`parse_request`] or [`parse_response`]. After a head was given, this begins
    /// anew.
    ///
    /// # Errors
    ///
    /// As `parse`'s.
    pub fn parse<H>(
        &mut self,
        parse: impl FnOnce(&[u8]) -> Result<Option<(H, usize)>, InvalidHead>,
    ) -> Result<Option<(H, Vec<u8>)>, InvalidHead> {
        if !self.is_worth_parsing() {
            return Ok(None);
        }
        let Some((head, len)) = parse(&self.bytes)? else {
            return Ok(None);
        };
        let read_ahead = self.bytes.split_off(len.min(self.bytes.len()));
        *self = Self::default();
        Ok(Some((head, read_ahead)))
    }

    fn is_worth_parsing(&mut self) -> bool {
        let len = self.bytes.len();
        // The parser skips line ends before the first line: they end no head.
        let skipped = self.bytes[self.begin..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        if self.searched == self.begin {
            self.begin += skipped.count();
        }
        // A blank line may have begun in the pieces before: "\n\r\n".
        let from = self.searched.saturating_sub(2).max(self.begin);
        let new = &self.bytes[from..];
        let blank_line = new.windows(2).any(|two| two == b"\n\n")
            || new.windows(3).any(|three| three == b"\n\r\n");
        self.searched = len;
        let is_worth = blank_line || len >= 2 * self.parsed || len >= HEAD_BYTES_MAX;
        if is_worth {
            self.parsed = len;
        }
        is_worth
    }
}

/// A browser's request is smaller, in bytes.
const HEAD_BYTES_USUAL: usize = 1024;

/// Reads a request's head off the beginning of `bytes`; gives it with its length.
///
/// `None` says that it is not whole yet.
///
/// # Errors
///
/// [`InvalidHead`] for what is no HTTP/1 request, or too long.
pub fn parse_request(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, InvalidHead> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let Some(len) = whole(parsed.parse(bytes), bytes)? else {
        return Ok(None);
    };
    let mut request = Request::new(());
    *request.method_mut() = parsed
        .method
        .and_then(|method| method.parse::<Method>().ok())
        .ok_or(InvalidHead::Malformed)?;
    *request.uri_mut() = parsed
        .path
        .and_then(|path| path.parse::<Uri>().ok())
        .ok_or(InvalidHead::Malformed)?;
    *request.version_mut() = version(parsed.version);
    *request.headers_mut() = headers(parsed.headers)?;
    Ok(Some((request, len)))
}

/// Reads a response's head off the beginning of `bytes`; gives it with its length.
///
/// # Errors
///
/// [`InvalidHead`] for what is no HTTP/1 response, or too long.
pub fn parse_response(bytes: &[u8]) -> Result<Option<(Response<()>, usize)>, InvalidHead> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let Some(len) = whole(parsed.parse(bytes), bytes)? else {
        return Ok(None);
    };
    let mut response = Response::new(());
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    *response.status_mut() = status.ok_or(InvalidHead::Malformed)?;
    *response.version_mut() = version(parsed.version);
    *response.headers_mut() = headers(parsed.headers)?;
    Ok(Some((response, len)))
}

/// A request's head as HTTP/1.1 writes it.
pub fn write_request<B>(request: &Request<B>) -> Vec<u8> {
    let first_line = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    write_head(&first_line, request.headers())
}

/// A response's head as HTTP/1.1 writes it. The body, and its length, are the caller's.
pub fn write_response<B>(response: &Response<B>) -> Vec<u8> {
    let reason = response.status().canonical_reason().unwrap_or_default();
    let first_line = format!("HTTP/1.1 {} {reason}\r\n", response.status().as_str());
    write_head(&first_line, response.headers())
}

fn write_head(first_line: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut head = Vec::from(first_line);
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn whole(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<Option<usize>, InvalidHead> {
    match parsed {
        Ok(httparse::Status::Complete(len)) if len <= HEAD_BYTES_MAX => Ok(Some(len)),
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(InvalidHead::TooBig),
        Err(_) => Err(InvalidHead::Malformed),
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    }
}

fn headers(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, InvalidHead> {
    fields
        .iter()
        .map(|field| {
            let name = field
                .name
                .parse::<HeaderName>()
                .map_err(|_| InvalidHead::Malformed)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| InvalidHead::Malformed)?;
            Ok((name, value))
        })
        .collect()
}

/// The bytes are no head of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHead {
    /// Not HTTP/1 at all, or broken.
    #[error("that is not HTTP/1.1")]
    Malformed,
    /// More than [`HEAD_BYTES_MAX`] or [`HEADERS_MAX`].
    #[error("the HTTP head is more than {HEAD_BYTES_MAX} bytes or {HEADERS_MAX} fields")]
    TooBig,
}

impl InvalidHead {
    /// The status that a server answers with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooBig => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /chat?x=1 HTTP/1.1\r\nHost: example.org\r\nX: \xe9\r\n\r\nrest";

    #[test]
    fn a_head_is_read_off_what_follows_it_once_it_is_whole() {
        let len = HEAD.len() - b"rest".len();
        for cut in 0..len {
            assert_eq!(
                parse_request(&HEAD[..cut]).map(|head| head.is_some()),
                Ok(false),
                "{cut} bytes"
            );
        }
        let (request, read) = parse_request(HEAD)
            .expect("a valid head")
            .expect("a whole head");
        assert_eq!(read, len);
        assert_eq!(request.uri(), "/chat?x=1");
        assert_eq!(request.headers()["host"], "example.org");
    }

    #[test]
    #[cfg_attr(miri, ignore = "would take it long")]
    fn a_head_that_comes_byte_by_byte_is_found_without_parsing_each_time() {
        for text in [
            "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nx: PAD\r\n\r\n",
            "GET / HTTP/1.1\nhost: a\nx: PAD\n\n",
        ] {
            let text = text.replace("PAD", &"p".repeat(10_000));
            let (mut head, mut attempts, mut looked_at) = (Incoming::new(), 0, 0);
            for (at, &byte) in text.as_bytes().iter().enumerate() {
                head.room().put_u8(byte);
                let found = head.parse(|bytes| {
                    attempts += 1;
                    looked_at += bytes.len();
                    parse_request(bytes)
                });
                let found = found.expect("a valid head");
                assert_eq!(found.is_some(), at + 1 == text.len(), "after {at} bytes");
                assert!(found.is_none_or(|(_, read_ahead)| read_ahead.is_empty()));
            }
            assert!(attempts <= 20, "{attempts} attempts");
            assert!(looked_at <= 4 * text.len(), "{looked_at} bytes");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "would take it long")]
    fn line_ends_that_never_end_are_not_parsed_each_time() {
        let (mut head, mut attempts) = (Incoming::new(), 0);
        for _ in 0..HEAD_BYTES_MAX - 1 {
            head.room().put_u8(b'\n');
            let found = head.parse(|bytes| {
                attempts += 1;
                parse_request(bytes)
            });
            assert!(found.is_ok_and(|found| found.is_none()));
        }
        assert!(attempts <= 20, "{attempts} attempts");
        head.room().put_u8(b'\n');
        assert_eq!(head.parse(parse_request).err(), Some(InvalidHead::TooBig));
    }

    #[test]
    fn what_comes_after_a_head_is_given_with_it_at_any_cut() {
        let len = HEAD.len() - b"rest".len();
        for cut in 0..=HEAD.len() {
            let mut head = Incoming::new();
            head.room().put_slice(&HEAD[..cut]);
            let mut found = head.parse(parse_request).expect("a valid head");
            assert_eq!(found.is_some(), cut >= len, "{cut} bytes");
            let mut after = &HEAD[len..cut.max(len)];
            if found.is_none() {
                head.room().put_slice(&HEAD[cut..]);
                found = head.parse(parse_request).expect("a valid head");
                after = b"rest";
            }
            let (request, read_ahead) = found.expect("a whole head");
            assert_eq!(request.uri(), "/chat?x=1");
            assert_eq!(read_ahead, after, "{cut} bytes");
        }
    }

    #[test]
    fn what_is_not_http_is_found_out_at_once() {
        let mut head = Incoming::new();
        head.room().put_u8(0x16);
        assert_eq!(
            head.parse(parse_request).err(),
            Some(InvalidHead::Malformed)
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (request, len) = parse_request(HEAD)
            .expect("a valid head")
            .expect("a whole head");
        let written = write_request(&request);
        assert_eq!(written.len(), len);
        let (again, _) = parse_request(&written)
            .expect("a valid head")
            .expect("a whole head");
        assert_eq!(again.headers(), request.headers());
        let response = Response::builder()
            .status(426)
            .header("upgrade", "websocket")
            .body(())
            .expect("valid");
        assert_eq!(
            &write_response(&response)[..],
            b"HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\n\r\n"
        );
    }

    #[test]
    fn a_head_may_be_as_big_as_the_limit_and_no_bigger() {
        let head = |bytes: usize| {
            let fixed = "GET / HTTP/1.1\r\na: \r\n\r\n".len();
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(bytes - fixed)).into_bytes()
        };
        for bytes in [HEAD_BYTES_MAX - 1, HEAD_BYTES_MAX] {
            assert!(
                parse_request(&head(bytes)).is_ok_and(|head| head.is_some()),
                "{bytes}"
            );
        }
        let too_big = head(HEAD_BYTES_MAX + 1);
        assert_eq!(parse_request(&too_big).err(), Some(InvalidHead::TooBig));
        assert_eq!(
            parse_request(&too_big[..HEAD_BYTES_MAX]).err(),
            Some(InvalidHead::TooBig)
        );
    }

    #[test]
    fn what_is_not_http_is_malformed() {
        assert_eq!(
            parse_request(b"\x16\x03\x01\x02\x00").err(),
            Some(InvalidHead::Malformed)
        );
        assert_eq!(
            parse_response(b"SSH-2.0-OpenSSH_9\r\n").err(),
            Some(InvalidHead::Malformed)
        );
    }
}
