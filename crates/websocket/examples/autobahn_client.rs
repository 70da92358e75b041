//! The client that Autobahn's fuzzing server examines: echoes in every case, then asks for the
//! report.
//!
//! `autobahn_client ws://127.0.0.1:9002 AGENT`

use std::error::Error;

use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{MaybeTls, Options, WebSocket, connect};
use tidings_websocket::{Config, Event};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("usage: autobahn_client ws://HOST:PORT [AGENT]")?;
    let agent = arguments.next().unwrap_or_else(|| "tidings".to_owned());

    let Some(Event::Text(count)) = open(&format!("{url}/getCaseCount")).await?.recv().await? else {
        return Err("the server did not say how many cases there are".into());
    };
    for case in 1..=count.parse()? {
        let case: u32 = case;
        let websocket = open(&format!("{url}/runCase?case={case}&agent={agent}")).await?;
        if let Err(error) = echo(websocket).await {
            println!("case {case}: {error}");
        }
    }
    let mut websocket = open(&format!("{url}/updateReports?agent={agent}")).await?;
    while websocket.recv().await?.is_some() {}
    println!("{count} cases run");
    Ok(())
}

async fn open(url: &str) -> Result<WebSocket<MaybeTls<TcpStream>>, Box<dyn Error>> {
    let config = Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Config::default()
    };
    let options = Options {
        config,
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        ..Options::default()
    };
    Ok(connect(url, &client::Options::default(), options)
        .await?
        .websocket)
}

async fn echo(mut websocket: WebSocket<MaybeTls<TcpStream>>) -> Result<(), Box<dyn Error>> {
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?;
        }
    }
    Ok(())
}

/// The largest message of the suite.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
