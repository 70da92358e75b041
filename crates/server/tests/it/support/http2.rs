//! HTTP/2 by hyper's client: many requests at a time over one connection.

use std::future::Future;
use std::net::{Shutdown, SocketAddr};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockRef, Socket};
use tidings_websocket::handshake::client::{self, Agreed};
use tidings_websocket::handshake::http2;
use tidings_websocket::tokio::{MaybeTls, Options, WebSocket};
use tidings_wire::Format;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::http::Response;
use super::server::Server;
use super::soon;
use super::tls::Stream;
use super::websocket::{Frames, fields};

/// A connection; it breaks when dropped.
pub(crate) struct Http2 {
    requests: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    /// The same socket again, to break the connection by.
    socket: Socket,
    driver: JoinHandle<()>,
}

/// An answer that comes piece by piece. Its stream is reset when it is dropped.
pub(crate) struct Pieces(Incoming);

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::built(address, &Builder::new(TokioExecutor::new())).await
    }

    /// A connection to a server with or without TLS.
    pub(crate) async fn to(server: &Server) -> Self {
        let stream = server.dial_for(b"h2").await;
        let builder = Builder::new(TokioExecutor::new());
        Self::over(stream, server.address(), &builder).await
    }

    /// A connection with settings of the test's own.
    pub(crate) async fn built(address: SocketAddr, builder: &Builder<TokioExecutor>) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await;
        Self::over(MaybeTls::Plain(stream.unwrap()), address, builder).await
    }

    async fn over(stream: Stream, address: SocketAddr, builder: &Builder<TokioExecutor>) -> Self {
        let socket = SockRef::from(stream.inner()).try_clone().unwrap();
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.unwrap();
        // RFC 8441, section 3: no extended CONNECT before the server's settings allow it. hyper tells when
        // asked, and wakes nobody.
        let settings = async {
            while !connection.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
        };
        soon("the server's settings", settings).await;
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self {
            requests,
            address,
            socket,
            driver,
        }
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        soon("the end", &mut self.driver).await.unwrap();
    }

    /// The connection's socket.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Asks; gives the answer with all of its body.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let response = self.begin(method, path, headers, body).await;
        let (head, body) = soon("an answer", response).await.unwrap().into_parts();
        let body = soon("a body", body.collect()).await.unwrap().to_bytes();
        Response::new(head.status, &head.headers, body.into())
    }

    /// Asks for an answer that comes piece by piece.
    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Pieces {
        let response = self.begin("GET", path, headers, b"").await;
        let response = soon("an answer", response).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Pieces(response.into_body())
    }

    /// Sends a request; its stream is reset when the answer is not waited for.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> impl Future<Output = hyper::Result<http::Response<Incoming>>> + use<> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        let mut requests = self.requests.clone();
        soon("a free stream", requests.ready()).await.unwrap();
        requests.send_request(request.body(body).unwrap())
    }

    /// Opens a WebSocket in a stream of its own.
    pub(crate) async fn frames(&self, format: Format) -> Frames<TokioIo<Upgraded>> {
        let opened = self.try_frames(format, &[]).await;
        opened.unwrap_or_else(|status| panic!("{status}"))
    }

    /// Opens a WebSocket with headers of the test's own.
    pub(crate) async fn try_frames(
        &self,
        format: Format,
        headers: &[(&'static str, &str)],
    ) -> Result<Frames<TokioIo<Upgraded>>, StatusCode> {
        let subprotocols = [format.subprotocol()];
        let offer = client::Options {
            subprotocols: &subprotocols,
            headers: fields(headers),
            ..client::Options::default()
        };
        let (agreed, stream) = self.tunnel(&offer).await?;
        assert_eq!(agreed.subprotocol.as_deref(), Some(subprotocols[0]));
        let websocket = WebSocket::client(stream, [], Options::default());
        Ok(Frames::over(websocket, format))
    }

    /// Opens a stream that is a WebSocket's; gives what was agreed on as well.
    pub(crate) async fn tunnel(
        &self,
        offer: &client::Options<'_>,
    ) -> Result<(Agreed, TokioIo<Upgraded>), StatusCode> {
        let url: Uri = format!("ws://{}/v1/connect", self.address).parse().unwrap();
        let request = http2::request(&url, offer).unwrap();
        let mut sent = request.clone().map(|()| Full::default());
        let protocol = Protocol::from_static(http2::PROTOCOL);
        sent.extensions_mut().insert(protocol);
        let mut requests = self.requests.clone();
        let response = soon("an answer", requests.send_request(sent)).await;
        let response = response.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let agreed = http2::check(&request, &response).unwrap();
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        Ok((agreed, TokioIo::new(upgraded)))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        // It fails where the server was the first.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Pieces {
    /// The next piece; `None` at the end, or where the connection breaks off.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let frame = soon("a piece", self.0.frame()).await?.ok()?;
        Some(frame.into_data().unwrap().into())
    }
}
