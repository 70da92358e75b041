//! The extractor, behind `axum::serve` and real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_websocket::axum::{Stream, WebSocket, WebSocketUpgrade, into_tcp};
use tidings_websocket::deflate::Policy;
use tidings_websocket::handshake::{client, http2};
use tidings_websocket::tokio::{HandshakeError, Options, connect};
use tidings_websocket::{Connection, Event, tokio as adapter};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

async fn echo(mut websocket: WebSocket) {
    while let Ok(Some(event)) = websocket.recv().await {
        if event.is_message() {
            websocket.feed(event).unwrap();
        }
    }
}

/// Says what it is first: the subprotocol, and whether it has its socket to itself.
async fn introduced(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .subprotocols(["v2", "v1"])
        .deflate(Policy::default())
        .message_bytes_max(1 << 20);
    let subprotocol = upgrade.subprotocol().unwrap_or("none").to_owned();
    let offered = upgrade.offered_subprotocols().join("+");
    upgrade.on_upgrade(async move |mut websocket| {
        let is_tcp = matches!(websocket.stream(), Stream::Tcp(_));
        let hello = format!("{subprotocol} of {offered}, tcp: {is_tcp}");
        websocket.send(hello.as_str()).await.unwrap();
        echo(websocket).await;
    })
}

async fn either(upgrade: Option<WebSocketUpgrade>) -> Response {
    match upgrade {
        Some(upgrade) => upgrade.on_upgrade(echo),
        None => "a page".into_response(),
    }
}

/// The WebSocket goes on without axum's stream.
async fn bare(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |websocket| {
        let mut tcp: adapter::WebSocket<TcpStream> =
            into_tcp(websocket, Options::default()).unwrap();
        while let Ok(Some(event)) = tcp.recv().await {
            if event.is_message() {
                tcp.feed(event).unwrap();
            }
        }
    })
}

async fn serve() -> SocketAddr {
    let app = Router::new()
        .route("/chat", any(introduced))
        .route("/either", any(either))
        .route("/bare", any(bare));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

fn offer(subprotocols: &'static [&'static str]) -> client::Options<'static> {
    client::Options {
        subprotocols,
        deflate: Some(Policy::default()),
        ..client::Options::default()
    }
}

#[tokio::test]
async fn a_request_over_http_1_becomes_a_websocket_on_its_own_socket() {
    patiently(async {
        let address = serve().await;
        for (spoken, chosen, hello) in [
            (&["v1", "v2"][..], Some("v2"), "v2 of v1+v2, tcp: true"),
            (&["v1"], Some("v1"), "v1 of v1, tcp: true"),
            (&[], None, "none of , tcp: true"),
        ] {
            let url = format!("ws://{address}/chat");
            let offer = offer(spoken);
            let connected = connect(&url, &offer, Options::default()).await.unwrap();
            assert_eq!(connected.subprotocol.as_deref(), chosen);
            let extensions = &connected.response.headers()["sec-websocket-extensions"];
            assert!(
                extensions
                    .to_str()
                    .unwrap()
                    .starts_with("permessage-deflate;")
            );
            let mut websocket = connected.websocket;
            let long = "long ".repeat(50_000);
            for text in [hello, &long] {
                if text == long {
                    websocket.send(text).await.unwrap();
                }
                assert_eq!(websocket.recv().await.unwrap(), Some(Event::from(text)));
            }
            assert!(websocket.received_bytes() < long.len() as u64 / 10);
        }
    })
    .await;
}

#[tokio::test]
async fn a_websocket_can_be_taken_to_its_bare_socket() {
    patiently(async {
        let url = format!("ws://{}/bare", serve().await);
        let client = client::Options::default();
        let mut websocket = connect(&url, &client, Options::default())
            .await
            .unwrap()
            .websocket;
        websocket.send("hello").await.unwrap();
        assert_eq!(websocket.recv().await.unwrap(), Some(Event::from("hello")));
    })
    .await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_1009() {
    patiently(async {
        let url = format!("ws://{}/chat", serve().await);
        let client = client::Options::default();
        let mut websocket = connect(&url, &client, Options::default())
            .await
            .unwrap()
            .websocket;
        websocket.recv().await.unwrap();
        websocket.send(vec![0; (1 << 20) + 1]).await.ok();
        let Ok(Some(Event::Close(close))) = websocket.recv().await else {
            panic!("a Close was expected");
        };
        assert_eq!(u16::from(close.code), 1009);
    })
    .await;
}

async fn http2(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    while !connection.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    tokio::spawn(connection);
    requests
}

#[tokio::test]
async fn the_same_handler_serves_http_2() {
    patiently(async {
        let mut requests = http2(serve().await).await;
        let uri = Uri::from_static("ws://localhost/chat");
        let request = http2::request(&uri, &offer(&["v1"])).unwrap();
        let mut sent = request.clone().map(|()| Empty::new());
        sent.extensions_mut()
            .insert(Protocol::from_static(http2::PROTOCOL));
        let mut response = requests.send_request(sent).await.unwrap();
        let agreed = http2::check(&request, &response).unwrap();
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        let connection = Connection::client(tidings_websocket::Config::default(), || [1, 2, 3, 4])
            .with_deflate(agreed.deflate.unwrap());
        let stream = TokioIo::new(upgraded);
        let mut websocket =
            adapter::WebSocket::from_connection(stream, [], connection, Options::default());
        let hello = websocket.recv().await.unwrap();
        assert_eq!(hello, Some(Event::from("v1 of v1, tcp: false")));
        let long = "long ".repeat(50_000);
        websocket.send(long.as_str()).await.unwrap();
        assert_eq!(
            websocket.recv().await.unwrap(),
            Some(Event::from(long.as_str()))
        );
    })
    .await;
}

#[tokio::test]
async fn each_refusal_is_an_answer_with_its_status_and_text() {
    patiently(async {
        let address = serve().await;
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut requests, connection) =
            hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = |method: Method, path: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri(path);
            request = request.header("host", "localhost");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Empty::<Bytes>::new()).unwrap()
        };
        let upgrade = &[("upgrade", "websocket"), ("connection", "upgrade")];
        for (request, status, header, text) in [
            (
                request(Method::GET, "/chat", &[]),
                426,
                "upgrade",
                "speaks WebSocket",
            ),
            (
                request(Method::POST, "/chat", &[]),
                405,
                "allow",
                "with GET",
            ),
            (
                request(Method::GET, "/chat", upgrade),
                426,
                "sec-websocket-version",
                "13",
            ),
            // Whoever asks for a WebSocket is told what is wrong, whoever does not gets the page.
            (
                request(Method::GET, "/either", upgrade),
                426,
                "sec-websocket-version",
                "13",
            ),
            (
                request(Method::GET, "/either", &[]),
                200,
                "content-type",
                "a page",
            ),
            (
                request(Method::POST, "/either", &[]),
                200,
                "content-type",
                "a page",
            ),
        ] {
            let response = requests.send_request(request).await.unwrap();
            assert_eq!(response.status(), status);
            assert!(response.headers().contains_key(header), "{header}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(text), "{body}");
        }
        let mut requests = http2(address).await;
        for (path, status) in [("/chat", 405), ("/either", 200)] {
            let request = Request::get(format!("http://localhost{path}"));
            let request = request.body(Empty::new()).unwrap();
            let response = requests.send_request(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_cannot_hand_over_its_connection_says_so() {
    patiently(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // A layer that makes a new request loses what hyper put there.
        let app = Router::new()
            .route(
                "/",
                any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
            )
            .layer(axum::middleware::map_request(
                async |mut request: axum::extract::Request| {
                    request.extensions_mut().clear();
                    request
                },
            ));
        tokio::spawn(async { axum::serve(listener, app).await });
        let client = client::Options::default();
        let refused = connect(&format!("ws://{address}/"), &client, Options::default()).await;
        let Err(refused @ HandshakeError::Rejected { .. }) = refused else {
            panic!("a refusal was expected");
        };
        assert_eq!(refused.status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    })
    .await;
}
