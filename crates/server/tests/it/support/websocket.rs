//! Frames over our own WebSocket client.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{HandshakeError, MaybeTls, Options, WebSocket, tls};
use tidings_websocket::{Close, Event};
use tidings_wire::Format;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::server::Server;
use super::soon;

/// The fields of a handshake of the test's own.
pub(crate) fn fields(headers: &[(&'static str, &str)]) -> HeaderMap {
    let field = |&(name, value): &(&'static str, &str)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    };
    headers.iter().map(field).collect()
}

/// A connection that speaks one format.
pub(crate) struct Frames<S = MaybeTls<TcpStream>> {
    pub(crate) websocket: WebSocket<S>,
    format: Format,
}

impl Frames {
    /// Opens a connection; nothing is said yet.
    pub(crate) async fn open(server: &Server, format: Format) -> Self {
        let opened = Self::try_open(server, format, "", &[]).await;
        opened.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens a connection with a query and headers of the test's own.
    pub(crate) async fn try_open(
        server: &Server,
        format: Format,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, HandshakeError> {
        let subprotocols = [format.subprotocol()];
        let offer = client::Options {
            subprotocols: &subprotocols,
            headers: fields(headers),
            ..client::Options::default()
        };
        let url = format!("{}/v1/connect{query}", server.websocket_url());
        let connecting = tls::connect_with(&url, &offer, Options::default(), server.trust());
        let connected = soon("a handshake", connecting).await?;
        assert_eq!(connected.subprotocol.as_deref(), Some(subprotocols[0]));
        Ok(Self {
            websocket: connected.websocket,
            format,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Frames on a connection that is there.
    pub(crate) fn over(websocket: WebSocket<S>, format: Format) -> Self {
        Self { websocket, format }
    }

    /// Says one object.
    pub(crate) async fn say(&mut self, object: &impl Serialize) {
        self.feed(object);
        soon("room to write", self.websocket.flush()).await.unwrap();
    }

    /// Says one object, later.
    pub(crate) fn feed(&mut self, object: &impl Serialize) {
        let bytes = self.format.encode(object);
        let event = match self.format {
            Format::Json => Event::from(String::from_utf8(bytes).unwrap()),
            Format::Cbor => Event::from(bytes),
        };
        self.websocket.feed(event).unwrap();
    }

    /// What the server says next; a close is an error.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Close<'static>> {
        loop {
            let event = soon("a frame", self.websocket.recv()).await;
            let bytes = match (event, self.format) {
                (Ok(Some(Event::Text(text))), Format::Json) => text.into_owned().into_bytes(),
                (Ok(Some(Event::Binary(bytes))), Format::Cbor) => bytes.into_owned(),
                (Ok(Some(Event::Close(close))), _) => return Err(close),
                (Ok(None) | Err(_), _) => return Err(Close::abnormal()),
                (Ok(Some(Event::Ping(_) | Event::Pong(_))), _) => continue,
                (Ok(Some(other)), _) => panic!("{other:?} is not the format agreed on"),
            };
            return Ok(self.format.decode(&bytes).unwrap());
        }
    }

    /// The code that the server closes with; what it says before is dropped.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(close) = self.hear::<serde::de::IgnoredAny>().await {
                return close.code.into();
            }
        }
    }
}
