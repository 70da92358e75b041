//! A chat room behind axum: `cargo run -p tidings-websocket --features axum-http2 --example axum`,
//! then open http://127.0.0.1:9002 in two windows.
//!
//! What one says, all hear. The same address serves WebSockets over HTTP/1.1 and over HTTP/2.

use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use tidings_websocket::Event;
use tidings_websocket::axum::{WebSocket, WebSocketUpgrade};
use tidings_websocket::deflate::Policy;
use tidings_websocket::tokio as websocket;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Sender, error::RecvError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (room, _) = broadcast::channel(LINES_MAX);
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        // `any`: HTTP/1.1 opens a WebSocket with GET, HTTP/2 with CONNECT.
        .route("/chat", any(chat))
        .with_state(room);
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9002")).await?;
    println!("chatting at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// How many lines a slow listener may be behind before it misses some.
const LINES_MAX: usize = 256;

/// Makes a WebSocket of the request, or says why not.
async fn chat(
    State(room): State<Sender<String>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Any page of the Web can ask a browser for this connection. Ours comes from our own host.
    if !is_same_origin(&uri, &headers) {
        return (StatusCode::FORBIDDEN, "another page's business\n").into_response();
    }
    upgrade
        .subprotocols(["lines"])
        .deflate(Policy::default()) // where the client offers it
        .message_bytes_max(4 * 1024)
        .on_failed_upgrade(|error| eprintln!("{error}"))
        .on_upgrade(async |websocket| {
            if let Err(error) = talk(websocket, room).await {
                eprintln!("{error}");
            }
        })
}

/// One visitor, until they leave.
async fn talk(mut websocket: WebSocket, room: Sender<String>) -> Result<(), websocket::Error> {
    let mut lines = room.subscribe();
    loop {
        // Both are cancel safe: nothing is lost of the one that comes later.
        tokio::select! {
            event = websocket.recv() => match event? {
                Some(Event::Text(line)) => drop(room.send(line.into_owned())),
                Some(_) => {} // pings are answered already
                None => return Ok(()),
            },
            line = lines.recv() => match line {
                Ok(line) => websocket.feed(line.as_str())?, // `recv` writes it
                Err(RecvError::Lagged(missed)) => {
                    websocket.feed(format!("({missed} lines missed)").as_str())?;
                }
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Whether the page is ours. Programs other than browsers send no `Origin`.
fn is_same_origin(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get("origin") else {
        return true;
    };
    let origin = origin.to_str().unwrap_or_default();
    let page = origin.split_once("://").map(|(_, authority)| authority);
    // HTTP/1.1 says in a header which host is meant, HTTP/2 in the address.
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.or(uri.authority().map(Authority::as_str));
    page.is_some() && page == host
}

const PAGE: &str = r#"<!doctype html><meta charset=utf-8><title>Room</title>
<form><input autofocus placeholder="Say something"></form><pre></pre>
<script>
  const socket = new WebSocket("/chat", "lines")
  const [form, lines] = [document.forms[0], document.querySelector("pre")]
  socket.onmessage = ({ data }) => lines.append(data + "\n")
  form.onsubmit = event => { event.preventDefault(); socket.send(form[0].value); form.reset() }
</script>"#;
