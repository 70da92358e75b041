//! RFC 8441, WebSockets over HTTP/2: the rules, and then hyper on both sides.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_websocket::deflate::{Agreement, ContextTakeover, Policy};
use tidings_websocket::handshake::client::{InvalidRequest, Rejection};
use tidings_websocket::handshake::http2::{self, PROTOCOL, Refusal};
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Connection, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn ask(url: &'static str) -> Result<Request<()>, InvalidRequest> {
    let offer = client::Options {
        subprotocols: &["a", "b"],
        deflate: Some(Policy::default()),
        ..client::Options::default()
    };
    http2::request(&Uri::from_static(url), &offer)
}

fn with(name: &'static str, values: &[&'static str]) -> Request<()> {
    let mut request = ask("wss://example.org/chat").unwrap();
    request.headers_mut().remove(name);
    for value in values {
        request.headers_mut().append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    request
}

fn accept(request: &Request<()>, protocol: Option<&str>) -> Result<Response<()>, Refusal> {
    let options = server::Options {
        subprotocols: &["b"],
        deflate: Some(Policy::default()),
    };
    http2::accept(request, protocol, &options).map(|accepted| accepted.response())
}

#[test]
fn the_request_is_the_one_of_section_5_1() {
    for (url, target) in [
        (
            "wss://server.example.com/chat",
            "https://server.example.com/chat",
        ),
        (
            "ws://server.example.com/chat?x=1",
            "http://server.example.com/chat?x=1",
        ),
        (
            "ws://user:secret@example.org:7007",
            "http://example.org:7007/",
        ),
        ("wss://[::1]:443/", "https://[::1]/"),
    ] {
        let request = ask(url).unwrap();
        assert_eq!(request.uri(), target);
        assert_eq!(request.method(), Method::CONNECT);
        assert_eq!(request.version(), Version::HTTP_2);
        let fields: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        for field in [
            "sec-websocket-version",
            "sec-websocket-extensions",
            "sec-websocket-protocol",
        ] {
            assert!(fields.contains(&field), "{field}");
        }
        assert_eq!(fields.len(), 3, "{fields:?}");
    }
    assert_eq!(
        ask("ftp://example.org/").err(),
        Some(InvalidRequest::Scheme)
    );
}

#[test]
fn headers_that_http_2_does_not_have_are_not_sent() {
    let headers = [
        "upgrade",
        "connection",
        "host",
        "sec-websocket-key",
        "origin",
    ];
    let headers = headers.map(|name| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static("x"))
    });
    let offer = client::Options {
        headers: headers.into_iter().collect(),
        ..client::Options::default()
    };
    let request = http2::request(&Uri::from_static("ws://h/"), &offer).unwrap();
    assert_eq!(request.headers().len(), 2, "{:?}", request.headers());
    assert_eq!(request.headers()["origin"], "x");
}

#[test]
fn what_the_server_answers_the_client_agrees_to() {
    let request = ask("wss://example.org/chat").unwrap();
    let response = accept(&request, Some(PROTOCOL)).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().len(), 2);
    let agreed = http2::check(&request, &response).unwrap();
    assert_eq!(agreed.subprotocol.as_deref(), Some("b"));
    let deflate = Agreement {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..Agreement::default()
    };
    assert_eq!(agreed.deflate, Some(deflate));
    // RFC 9220: the same over HTTP/3.
    let mut request = request;
    *request.version_mut() = Version::HTTP_3;
    assert!(accept(&request, Some(PROTOCOL)).is_ok());
}

#[test]
fn a_key_is_not_looked_at() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "none"] {
        let response = accept(&with("sec-websocket-key", &[key]), Some(PROTOCOL)).unwrap();
        assert!(!response.headers().contains_key("sec-websocket-accept"));
    }
}

#[test]
fn every_broken_demand_is_refused_with_its_reason() {
    let good = ask("wss://example.org/chat").unwrap();
    let changed = |change: fn(&mut Request<()>)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let get = changed(|request| *request.method_mut() = Method::GET);
    let old = changed(|request| *request.version_mut() = Version::HTTP_11);
    let nowhere = changed(|request| *request.uri_mut() = Uri::from_static("/chat"));
    for (request, protocol, expected) in [
        (&old, Some(PROTOCOL), Refusal::HttpVersion),
        (&get, None, Refusal::Method),
        (&good, None, Refusal::Tunnel),
        (&good, Some("connect-udp"), Refusal::Protocol),
        (&good, Some("WebSocket"), Refusal::Protocol),
        (&good, Some(""), Refusal::Protocol),
        (&nowhere, Some(PROTOCOL), Refusal::Authority),
        (
            &with("host", &["a", "b"]),
            Some(PROTOCOL),
            Refusal::Authority,
        ),
        (
            &with("sec-websocket-version", &[]),
            Some(PROTOCOL),
            Refusal::Version,
        ),
        (
            &with("sec-websocket-version", &["8"]),
            Some(PROTOCOL),
            Refusal::Version,
        ),
        (
            &with("sec-websocket-protocol", &["a, a"]),
            Some(PROTOCOL),
            Refusal::Subprotocols,
        ),
        (
            &with("sec-websocket-extensions", &["permessage-deflate;"]),
            Some(PROTOCOL),
            Refusal::Extensions,
        ),
    ] {
        assert_eq!(accept(request, protocol).err(), Some(expected));
    }
    let mut moved = nowhere;
    let host = HeaderValue::from_static("example.org");
    moved.headers_mut().insert("host", host);
    assert!(accept(&moved, Some(PROTOCOL)).is_ok());
}

#[test]
fn each_refusal_has_its_status_and_the_headers_that_go_with_it() {
    for (refusal, status, header) in [
        (Refusal::HttpVersion, 505, None),
        (Refusal::Method, 405, Some(("allow", "CONNECT"))),
        (Refusal::Tunnel, 501, None),
        (Refusal::Protocol, 501, None),
        (Refusal::Authority, 400, None),
        (Refusal::Version, 400, Some(("sec-websocket-version", "13"))),
        (Refusal::Subprotocols, 400, None),
        (Refusal::Extensions, 400, None),
    ] {
        let response = refusal.response();
        assert_eq!(response.status(), status, "{refusal:?}");
        assert_eq!(refusal.headers().len(), usize::from(header.is_some()));
        if let Some((name, value)) = header {
            assert_eq!(response.headers()[name], value, "{refusal:?}");
        }
        // RFC 9113, 8.2.2: fields of the connection make an answer malformed.
        for name in ["upgrade", "connection"] {
            assert!(!response.headers().contains_key(name), "{refusal:?}");
        }
        assert!(response.body().len() > 10);
    }
}

#[test]
fn an_answer_that_is_not_a_yes_is_rejected() {
    let request = ask("wss://example.org/chat").unwrap();
    let response = |status: u16, header: Option<(&'static str, &'static str)>| {
        let mut response = Response::builder().status(status);
        if let Some((name, value)) = header {
            response = response.header(name, value);
        }
        http2::check(&request, &response.body(()).unwrap()).err()
    };
    let status = |status| Some(Rejection::Status(StatusCode::from_u16(status).unwrap()));
    assert_eq!(response(200, None), None);
    assert_eq!(response(204, None), None);
    assert_eq!(response(101, None), status(101));
    assert_eq!(response(302, None), status(302));
    assert_eq!(response(501, None), status(501));
    let subprotocol = Some(("sec-websocket-protocol", "c"));
    assert_eq!(response(200, subprotocol), Some(Rejection::Subprotocol));
    let extension = Some(("sec-websocket-extensions", "mux"));
    assert_eq!(response(200, extension), Some(Rejection::Extension));
}

type Wire = TokioIo<Upgraded>;

/// A server's WebSocket, made by the handshake and given to `use_it`.
async fn serve<S, U, F>(stream: S, policy: Option<Policy>, use_it: U)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    U: Fn(WebSocket<Wire>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        let use_it = use_it.clone();
        async move {
            let protocol = request.extensions().get::<Protocol>().cloned();
            let options = server::Options {
                subprotocols: &["b"],
                deflate: policy,
            };
            let protocol = protocol.as_ref().map(Protocol::as_str);
            let accepted = match http2::accept(&request, protocol, &options) {
                Ok(accepted) => accepted,
                Err(refusal) => return Ok(refusal.response().map(|text| Full::new(text.into()))),
            };
            let connection = Connection::server(tidings_websocket::Config::default());
            let connection = match accepted.deflate {
                Some(agreement) => connection.with_deflate(agreement),
                None => connection,
            };
            let response = accepted.response().map(|()| Full::default());
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let stream = TokioIo::new(upgrade.await.unwrap());
                let options = Options::default();
                use_it(WebSocket::from_connection(stream, [], connection, options)).await;
            });
            Ok::<Response<Full<Bytes>>, Infallible>(response)
        }
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let served = server
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // The client may leave as it likes.
    drop(served);
}

async fn echo(mut websocket: WebSocket<Wire>) {
    while let Ok(Some(event)) = websocket.recv().await {
        if event.is_message() {
            websocket.feed(event).unwrap();
        }
    }
}

/// A client's HTTP/2 connection, once the server has allowed extended CONNECTs.
async fn connect<S>(stream: S) -> SendRequest<Empty<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (requests, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    // RFC 8441, section 3: a client sends none before the server's settings have come. hyper tells
    // when asked, and wakes nobody.
    let is_allowed = async {
        while !connection.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    };
    patiently(is_allowed).await;
    tokio::spawn(connection);
    requests
}

/// A client's WebSocket on a stream of its own.
async fn open(
    requests: &mut SendRequest<Empty<Bytes>>,
    policy: Option<Policy>,
) -> Result<(WebSocket<Wire>, client::Agreed), Rejection> {
    let offer = client::Options {
        subprotocols: &["a", "b"],
        deflate: policy,
        ..client::Options::default()
    };
    let request = http2::request(&Uri::from_static("ws://localhost/echo"), &offer).unwrap();
    let mut sent = request.clone().map(|()| Empty::new());
    sent.extensions_mut()
        .insert(Protocol::from_static(PROTOCOL));
    let mut response = requests.send_request(sent).await.unwrap();
    let agreed = http2::check(&request, &response)?;
    let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
    let mut key = 0;
    let keys = move || {
        key += 1;
        u32::to_be_bytes(key)
    };
    let connection = Connection::client(tidings_websocket::Config::default(), keys);
    let connection = match agreed.deflate {
        Some(agreement) => connection.with_deflate(agreement),
        None => connection,
    };
    let stream = TokioIo::new(upgraded);
    let websocket = WebSocket::from_connection(stream, [], connection, Options::default());
    Ok((websocket, agreed))
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

#[tokio::test]
async fn many_websockets_share_one_connection_of_hypers() {
    let takeover = Policy {
        server_context_takeover: ContextTakeover::Allow,
        client_context_takeover: ContextTakeover::Allow,
        compress_from: 0,
        ..Policy::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Some(takeover), echo).await;
    });
    patiently(async {
        let mut requests = connect(TcpStream::connect(address).await.unwrap()).await;
        let (mut plain, agreed) = open(&mut requests, None).await.unwrap();
        assert_eq!(agreed.subprotocol.as_deref(), Some("b"));
        assert_eq!(agreed.deflate, None);
        let (mut deflated, agreed) = open(&mut requests, Some(takeover)).await.unwrap();
        assert_eq!(agreed.deflate, Some(Agreement::default()));
        let long = "Tidings of comfort and joy. ".repeat(10_000);
        for websocket in [&mut plain, &mut deflated] {
            for text in ["hello", &long, "hello", ""] {
                websocket.send(text).await.unwrap();
                assert_eq!(websocket.recv().await.unwrap(), Some(Event::from(text)));
            }
        }
        assert!(plain.received_bytes() > long.len() as u64);
        assert!(deflated.received_bytes() < long.len() as u64 / 10);
        // One ends, the other goes on.
        let close = Close::new(CloseCode::NORMAL, "done");
        let answer = plain.close(close, PATIENCE).await.unwrap();
        assert_eq!(answer.code, CloseCode::NORMAL);
        deflated.send("still here").await.unwrap();
        assert_eq!(
            deflated.recv().await.unwrap(),
            Some(Event::from("still here"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_refusal_reaches_the_client_and_the_connection_goes_on() {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(serve(theirs, None, echo));
    patiently(async {
        let mut requests = connect(ours).await;
        let get = Request::get("http://localhost/echo")
            .body(Empty::new())
            .unwrap();
        let response = requests.send_request(get).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let mut other = Request::connect("http://localhost/echo")
            .body(Empty::new())
            .unwrap();
        other
            .extensions_mut()
            .insert(Protocol::from_static("connect-udp"));
        let response = requests.send_request(other).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
        assert!(open(&mut requests, None).await.is_ok());
    })
    .await;
}

/// Time stands still until nothing moves any more, so that "the writer waits" can be seen.
#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_makes_the_writer_wait() {
    const MESSAGE: usize = 64 << 10;
    const MESSAGES: usize = 256;
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let flood = move |mut websocket: WebSocket<Wire>| {
        let counted = Arc::clone(&counted);
        async move {
            for _ in 0..MESSAGES {
                websocket.send(vec![7; MESSAGE]).await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
            }
            echo(websocket).await;
        }
    };
    tokio::spawn(serve(theirs, None, flood));
    let mut requests = connect(ours).await;
    let (mut websocket, _) = open(&mut requests, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // hyper's windows: 2 MiB for a stream at the client, and what the pipes hold.
    let held = sent.load(Ordering::Relaxed) * MESSAGE;
    assert!(held < 4 << 20, "{held} bytes were taken");
    for _ in 0..MESSAGES {
        let event = websocket.recv().await.unwrap();
        assert_eq!(event, Some(Event::from(vec![7; MESSAGE])));
    }
    assert_eq!(sent.load(Ordering::Relaxed), MESSAGES);
}
