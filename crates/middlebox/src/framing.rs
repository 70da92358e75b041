//! Where HTTP/1's messages begin and end in a stream of bytes, in either direction. Pure.
//!
//! As much as the faults need: what is no HTTP, or a head beyond [`HEAD_BYTES_MAX`], makes the rest of the
//! stream [`Part::Opaque`], which is passed on unread.

use std::mem;

use httparse::{EMPTY_HEADER, Header};

/// Finds the parts of one direction's stream.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
}

#[derive(Debug)]
enum State {
    /// What is there of a head.
    Head(Vec<u8>),
    /// So much of the body is to come.
    Length(u64),
    Chunked(Chunks),
    UntilEnd,
    Opaque,
}

/// What stands at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them belong to a head whose end is still to come.
    HeadBegins,
    /// With the first so many a head is complete: here it is whole. [`Framing::begin`] must follow.
    Head { taken: usize, head: Vec<u8> },
    /// The first so many belong to a body, which may end with them.
    Body { taken: usize, ends: bool },
    /// All of them are no HTTP that we understand, nor is what follows. If they were taken for a head, this
    /// is what is there of it, with them; else it is empty.
    Opaque { head: Vec<u8> },
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilEnd,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: State::Head(Vec::new()),
        }
    }
}

impl Framing {
    /// Looks at what came next, of which there is at least a byte.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Part {
        match &mut self.state {
            State::Head(head) => {
                let before = head.len();
                head.extend_from_slice(bytes);
                // The end may stand across what came before and now.
                let searched = before.saturating_sub(HEAD_END.len() - 1);
                match find(&head[searched..], HEAD_END) {
                    Some(at) => {
                        let length = searched + at + HEAD_END.len();
                        head.truncate(length);
                        Part::Head {
                            taken: length - before,
                            head: mem::take(head),
                        }
                    }
                    None if head.len() > HEAD_BYTES_MAX => {
                        let head = mem::take(head);
                        self.give_up();
                        Part::Opaque { head }
                    }
                    None => Part::HeadBegins,
                }
            }
            State::Length(left) => {
                let taken =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                let ends = *left == 0;
                self.body(taken, ends)
            }
            State::Chunked(chunks) => match chunks.step(bytes) {
                Some((taken, ends)) => self.body(taken, ends),
                None => {
                    self.give_up();
                    Part::Opaque { head: Vec::new() }
                }
            },
            State::UntilEnd => self.body(bytes.len(), false),
            State::Opaque => Part::Opaque { head: Vec::new() },
        }
    }

    fn body(&mut self, taken: usize, ends: bool) -> Part {
        if ends {
            self.state = State::Head(Vec::new());
        }
        Part::Body { taken, ends }
    }

    /// After a head: this body belongs to it. Gives whether the message has ended already.
    pub(super) fn begin(&mut self, body: Body) -> bool {
        self.state = match body {
            Body::Length(0) => State::Head(Vec::new()),
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Chunked(Chunks::default()),
            Body::UntilEnd => State::UntilEnd,
        };
        body == Body::Length(0)
    }

    /// From here on it is no HTTP.
    pub(super) fn give_up(&mut self) {
        self.state = State::Opaque;
    }

    pub(super) fn is_between_messages(&self) -> bool {
        matches!(&self.state, State::Head(head) if head.is_empty())
    }

    /// Whether this is the middle of a body in chunks, or of a head, which may announce one.
    pub(super) fn may_be_chunked(&self) -> bool {
        match &self.state {
            State::Head(head) => !head.is_empty(),
            State::Chunked(_) => true,
            State::Length(_) | State::UntilEnd | State::Opaque => false,
        }
    }
}

/// RFC 9112, section 7.1: chunks, a chunk of nothing, and then trailers up to an empty line.
#[derive(Debug, Default)]
struct Chunks {
    /// What is left of a chunk, with the line break after it.
    left: u64,
    /// The line with the next chunk's size, or a trailer, as far as it is there.
    line: Vec<u8>,
    is_trailer: bool,
}

impl Chunks {
    /// How many of the bytes belong to the body, and whether it ends with them; `None`: this is no chunked
    /// body.
    fn step(&mut self, bytes: &[u8]) -> Option<(usize, bool)> {
        let mut taken = 0;
        while taken < bytes.len() {
            if self.left > 0 {
                let there = (bytes.len() - taken) as u64;
                let part = self.left.min(there);
                self.left -= part;
                taken += usize::try_from(part).ok()?;
                continue;
            }
            let byte = bytes[taken];
            taken += 1;
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > HEAD_BYTES_MAX {
                    return None;
                }
                continue;
            }
            let line = mem::take(&mut self.line);
            let line = line.trim_ascii();
            if !self.is_trailer {
                let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
                let size = u64::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
                self.is_trailer = size == 0;
                self.left = if size == 0 { 0 } else { size.checked_add(2)? };
            } else if line.is_empty() {
                return Some((taken, true));
            }
        }
        Some((taken, false))
    }
}

/// What a request's head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether its answer will have no body, whatever the answer's head says.
    pub(super) is_head: bool,
    pub(super) wants_upgrade: bool,
    pub(super) body: Body,
}

/// What a response's head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// If the request was not HEAD.
    pub(super) body: Body,
}

pub(super) fn read_request(head: &[u8]) -> Option<Request> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok()?.is_complete().then_some(())?;
    Some(Request {
        is_head: request.method? == "HEAD",
        wants_upgrade: value(request.headers, "upgrade").is_some(),
        body: body_length(request.headers).unwrap_or(Body::Length(0)),
    })
}

pub(super) fn read_response(head: &[u8]) -> Option<Response> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(head).ok()?.is_complete().then_some(())?;
    let status = response.code?;
    let body = match status {
        100..=199 | 204 | 304 => Body::Length(0),
        _ => body_length(response.headers).unwrap_or(Body::UntilEnd),
    };
    Some(Response { status, body })
}

/// The request's head without `Upgrade`, and without what names it in `Connection`, as RFC 9110,
/// section 7.6.1, asks of an intermediary that does not know the protocol.
pub(super) fn strip_upgrade(head: &[u8]) -> Option<Vec<u8>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok()?.is_complete().then_some(())?;
    let (method, path, version) = (request.method?, request.path?, request.version?);
    let mut stripped = format!("{method} {path} HTTP/1.{version}\r\n").into_bytes();
    for header in request.headers.iter() {
        let names_it = header.name.eq_ignore_ascii_case("connection")
            && header
                .value
                .to_ascii_lowercase()
                .windows(7)
                .any(|word| word == b"upgrade");
        if !names_it && !header.name.eq_ignore_ascii_case("upgrade") {
            stripped.extend([header.name.as_bytes(), b": ", header.value, b"\r\n"].concat());
        }
    }
    stripped.extend(b"\r\n");
    Some(stripped)
}

/// RFC 9112, section 6.3, as far as heads say it.
fn body_length(headers: &[Header<'_>]) -> Option<Body> {
    if let Some(coding) = value(headers, "transfer-encoding") {
        let is_chunked = coding
            .trim_ascii()
            .to_ascii_lowercase()
            .ends_with(b"chunked");
        return Some(if is_chunked {
            Body::Chunked
        } else {
            Body::UntilEnd
        });
    }
    let length = str::from_utf8(value(headers, "content-length")?).ok()?;
    length.trim().parse().ok().map(Body::Length)
}

fn value<'h>(headers: &[Header<'h>], name: &str) -> Option<&'h [u8]> {
    let mut named = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name));
    named.next().map(|header| header.value)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

const HEAD_END: &[u8] = b"\r\n\r\n";

/// As servers bound it: many cookies fit in, and no more.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Browsers send some twenty.
const HEADERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    /// All parts of a stream of requests that comes in pieces of this size, a line each.
    fn parts(stream: &[u8], size: usize) -> Vec<String> {
        let mut framing = Framing::default();
        let mut told: Vec<String> = Vec::new();
        for mut piece in stream.chunks(size) {
            while !piece.is_empty() {
                let taken = match framing.step(piece) {
                    Part::HeadBegins => piece.len(),
                    Part::Head { taken, head } => {
                        told.push(format!("head of {}", head.len()));
                        if framing.begin(read_request(&head).unwrap().body) {
                            told.push("no body".into());
                        }
                        taken
                    }
                    Part::Body { taken, ends } => {
                        if ends {
                            told.push("body ends".into());
                        }
                        taken
                    }
                    Part::Opaque { .. } => return [told, vec!["opaque".into()]].concat(),
                };
                piece = &piece[taken..];
            }
        }
        told
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let stream = b"GET / HTTP/1.1\r\n\r\n\
            POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
            POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;a=b\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nDigest: x\r\n\r\n\
            GET / HTTP/1.1\r\nA: b\r\n\r\n";
        let expected = [
            "head of 18",
            "no body",
            "head of 38",
            "body ends",
            "head of 47",
            "body ends",
            "head of 24",
            "no body",
        ];
        for size in 1..=stream.len() {
            assert_eq!(parts(stream, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_head_without_end_is_opaque() {
        let head = vec![b'a'; HEAD_BYTES_MAX];
        assert_eq!(parts(&head, 1000), [""; 0]);
        let head = vec![b'a'; HEAD_BYTES_MAX + 1];
        assert_eq!(parts(&head, 1000), ["opaque"]);
    }

    #[test]
    fn a_chunked_body_that_is_none_is_opaque() {
        let stream = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n";
        assert_eq!(parts(stream, 7), ["head of 47", "opaque"]);
    }

    #[test]
    fn an_upgrade_is_stripped_and_nothing_else() {
        let head = b"GET /a?b HTTP/1.1\r\nHost: c\r\nConnection: keep-alive, Upgrade\r\nUPGRADE: websocket\r\nX: y\r\n\r\n";
        assert!(read_request(head).unwrap().wants_upgrade);
        let stripped = strip_upgrade(head).unwrap();
        let expected = "GET /a?b HTTP/1.1\r\nHost: c\r\nX: y\r\n\r\n";
        assert_eq!(str::from_utf8(&stripped).unwrap(), expected);
    }

    #[test]
    fn a_response_says_where_its_body_ends() {
        let body = |head: &str| {
            read_response(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes())
                .unwrap()
                .body
        };
        assert_eq!(body("200 OK\r\nContent-Length: 3"), Body::Length(3));
        assert_eq!(
            body("200 OK\r\nTransfer-Encoding: gzip, Chunked"),
            Body::Chunked
        );
        assert_eq!(body("200 OK"), Body::UntilEnd);
        assert_eq!(body("204 No Content"), Body::Length(0));
        assert_eq!(body("101 Switching Protocols"), Body::Length(0));
    }
}
