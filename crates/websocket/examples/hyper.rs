//! A WebSocket behind hyper, without a framework: `cargo run -p tidings-websocket --example hyper`.
//!
//! The handshake is a function on `http`'s request and response, so any HTTP server can stand
//! around it: judge the request, answer, and make a WebSocket of the stream that the server hands
//! over. With HTTP/2 it is `handshake::http2` in the same places.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::{Options, WebSocket};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9003")).await?;
    println!("echoing at ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .with_upgrades() // or the connection is never handed over
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
        subprotocols: &["echo"],
        ..server::Options::default()
    };
    // Where cookies say who a user is, look at the header `Origin` here.
    let response = match server::accept(&request, &options) {
        Ok(accepted) => accepted.response().map(|()| Full::default()),
        Err(refusal) => return Ok(refusal.response().map(|reason| Full::new(reason.into()))),
    };
    // The connection is ours once the answer is written, which hyper does after this.
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = echo(upgrade).await {
            eprintln!("{error}");
        }
    });
    Ok(response)
}

async fn echo(upgrade: OnUpgrade) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Back comes the socket that `main` gave away, and what was read from it too early. Over TLS,
    // or over HTTP/2, use `TokioIo::new(upgrade.await?)` and no bytes instead.
    let upgraded = upgrade.await?.downcast::<TokioIo<TcpStream>>();
    let parts = upgraded.map_err(|_| "not the socket that was accepted")?;
    let (stream, read_ahead) = (parts.io.into_inner(), parts.read_buf);
    let mut websocket = WebSocket::server(stream, read_ahead, Options::default());
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?; // written when `recv` has to wait
        }
    }
    Ok(())
}
