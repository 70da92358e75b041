//! HTTP/1.1 by hand: what stands on the wire is what is tested.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Server;
use super::soon;
use super::tls::Stream;

/// A connection.
pub(crate) struct Http {
    pub(crate) stream: Stream,
    address: SocketAddr,
    buffer: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) version: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Response {
    /// An answer that was read elsewhere.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)));
        Self {
            status: status.as_u16(),
            headers: headers.collect(),
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `code` of a problem, after a look at the rest of it.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for text in ["type", "title", "detail"] {
            assert!(problem[text].is_string(), "{text}: {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Http {
    /// A connection without TLS.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address));
        Self::over(Stream::Plain(stream.await.unwrap()))
    }

    /// A connection to a server, encrypted if that wants it.
    pub(crate) async fn to(server: &Server) -> Self {
        Self::over(server.dial().await)
    }

    /// HTTP over a connection that is there.
    pub(crate) fn over(stream: Stream) -> Self {
        Self {
            address: stream.inner().peer_addr().unwrap(),
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends a request; `Host` and `Content-Length` are added where they are not given.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        let given = |name: &str| {
            headers
                .iter()
                .any(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        if !given("host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes()).await;
        self.write(body).await;
    }

    /// Writes bytes as they are. What the server no longer reads is no fault of the test's.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = soon("room to write", self.stream.write_all(bytes)).await;
    }

    /// Reads an answer to its end.
    pub(crate) async fn response(&mut self) -> Response {
        let Head {
            status, headers, ..
        } = self.head().await;
        let mut body = Vec::new();
        if header(&headers, "transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
        } else if let Some(length) = header(&headers, "content-length") {
            let length = length.parse().unwrap();
            self.fill(length).await;
            body = self.buffer.drain(..length).collect();
        }
        Response {
            status,
            headers,
            body,
        }
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            assert!(self.read().await, "the connection ended before an answer");
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let (version, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let status = rest.split(' ').next().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Head {
            version: version.to_owned(),
            status: status.parse().unwrap(),
            headers: headers.collect(),
        }
    }

    /// Reads one chunk; `None` at the end of the body, or where the connection breaks off.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                break at;
            }
            if !self.read().await {
                return None;
            }
        };
        let size = std::str::from_utf8(&self.buffer[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        while self.buffer.len() < end + 2 + size + 2 {
            if !self.read().await {
                return None;
            }
        }
        let chunk = self.buffer[end + 2..end + 2 + size].to_vec();
        self.buffer.drain(..end + 2 + size + 2);
        (size > 0).then_some(chunk)
    }

    /// Reads a body without a frame until it has `what`.
    pub(crate) async fn text_until(&mut self, what: &str) -> String {
        while find(&self.buffer, what.as_bytes()).is_none() {
            assert!(self.read().await, "the connection ended before {what}");
        }
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    /// Whether the server has closed the connection, once it has.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.read().await
    }

    async fn fill(&mut self, length: usize) {
        while self.buffer.len() < length {
            assert!(self.read().await, "the connection ended within an answer");
        }
    }

    async fn read(&mut self) -> bool {
        let read = soon("an answer", self.stream.read_buf(&mut self.buffer)).await;
        matches!(read, Ok(1..))
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
