//! Echoes every message over HTTP/2 (RFC 8441): what other people's HTTP/2 clients meet.
//!
//! `interop_http2 127.0.0.1:9004`, without TLS. The handshake is a function on `http`'s request
//! and response; hyper keeps the streams.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::handshake::{self, server};
use tidings_websocket::tokio::{Options, WebSocket};
use tidings_websocket::{Config, Connection};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9004")).await?;
    println!("echoing at http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served = http2::Builder::new(TokioExecutor::new())
                .enable_connect_protocol() // without it no client may ask
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
            if let Err(error) = served {
                eprintln!("{error}");
            }
        });
    }
}

/// Says yes, or what is wrong with the request.
async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let options = server::Options {
        deflate: Some(Policy::default()),
        ..server::Options::default()
    };
    let protocol = request.extensions().get::<Protocol>().cloned();
    let protocol = protocol.as_ref().map(Protocol::as_str);
    let accepted = match handshake::http2::accept(&request, protocol, &options) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal.response().map(|reason| Full::new(reason.into()))),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let agreement = accepted.deflate;
    tokio::spawn(async move {
        if let Err(error) = echo(upgrade, agreement).await {
            eprintln!("{error}");
        }
    });
    Ok(accepted.response().map(|()| Full::default()))
}

async fn echo(
    upgrade: OnUpgrade,
    agreement: Option<Agreement>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut connection = Connection::server(Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Config::default()
    });
    if let Some(agreement) = agreement {
        connection = connection.with_deflate(agreement);
    }
    let options = Options {
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        ..Options::default()
    };
    let stream = TokioIo::new(upgrade.await?);
    let mut websocket = WebSocket::from_connection(stream, Vec::new(), connection, options);
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?; // written when `recv` has to wait
        }
    }
    Ok(())
}

/// The largest message of the Autobahn suite.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
