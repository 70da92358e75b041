//! A server and its client on bare tokio sockets: `cargo run -p tidings-websocket --example tokio`.
//!
//! The server shouts back whatever it is told; the client says hello, hears the answer, and says
//! goodbye in order.

use std::error::Error;
use std::time::Duration;

use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Options, accept, connect};
use tidings_websocket::{Close, CloseCode, Event};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);
    tokio::spawn(serve(listener));

    let offer = client::Options::default();
    let mut websocket = connect(&url, &offer, Options::default()).await?.websocket;
    websocket.send("hello").await?;
    if let Some(Event::Text(text)) = websocket.recv().await? {
        println!("the server said {text:?}");
    }
    let goodbye = Close::new(CloseCode::NORMAL, "that was all");
    let answer = websocket.close(goodbye, Duration::from_secs(3)).await?;
    println!("the server left with code {}", answer.code);
    Ok(())
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, address)) = listener.accept().await {
        tokio::spawn(async move {
            if let Err(error) = shout(stream).await {
                eprintln!("{address}: {error}");
            }
        });
    }
}

async fn shout(stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let offer = server::Options::default();
    let mut websocket = accept(stream, &offer, Options::default()).await?.websocket;
    while let Some(event) = websocket.recv().await? {
        if let Event::Text(text) = event {
            // Written when `recv` has to wait: the answers to all that has come in one write.
            websocket.feed(text.to_uppercase())?;
        }
    }
    Ok(())
}
