//! Tells everybody what anybody says: `cargo run --release -p tidings-websocket --example
//! broadcast -- 127.0.0.1:9001 [--takeover] [--window-bits 8..15]`.
//!
//! What is said is encoded once and compressed once, and sent to every follower as it is, whatever
//! each agreed on; see [`tidings_websocket::prepared`]. After it, each hears how many messages it
//! has heard: a message of its own, compressed with its own context and in fragments.

use std::error::Error;

use tidings_websocket::connection::Fragment;
use tidings_websocket::deflate::{ContextTakeover, Policy};
use tidings_websocket::handshake::server;
use tidings_websocket::tokio::event_loop::{
    EventLoop, Key, Options as LoopOptions, Socket, Sockets,
};
use tidings_websocket::tokio::{Options, WebSocket, accept};
use tidings_websocket::{Event, MessageKind, Prepared, SendError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What we know of each.
struct Follower {
    number: usize,
    heard: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (address, policy) = arguments()?;
    let listener = TcpListener::bind(address).await?;
    println!("broadcasting at ws://{}", listener.local_addr()?);
    let (accepted, mut followers) = mpsc::channel(16);
    tokio::spawn(shake_hands(listener, policy, accepted));

    let mut sockets = EventLoop::new(LoopOptions::default())?;
    let mut numbers = 0..;
    loop {
        tokio::select! {
            Some(websocket) = followers.recv() => {
                let number = numbers.next().unwrap_or_default();
                let key = sockets.insert(websocket, Follower { number, heard: 0 })?;
                if let Some(mut socket) = sockets.sockets().get_mut(key) {
                    socket.send(format!("you are follower {number}"))?;
                }
            }
            turned = sockets.turn(|sockets, _, event| {
                let prepared = match event {
                    Ok(Event::Text(text)) => Prepared::text(&text),
                    Ok(Event::Binary(bytes)) => Prepared::binary(&bytes),
                    _ => return, // a ping, a pong, or somebody's end
                };
                tell_everybody(sockets, &prepared.deflated(&policy));
            }) => turned?,
        }
    }
}

/// Sends what was said to each, and after it a message that is the follower's own.
fn tell_everybody(sockets: &mut Sockets<Follower>, said: &Prepared) {
    let followers: Vec<Key> = sockets.iter().map(|(key, _)| key).collect();
    for key in followers {
        if let Some(mut socket) = sockets.get_mut(key) {
            let told = socket.send_prepared(said);
            // Either fails when the connection is closing, whose end will be told.
            let _ = told.and_then(|()| tell_alone(&mut socket, said.payload()));
        }
    }
}

fn tell_alone(socket: &mut Socket<'_, Follower>, said: &[u8]) -> Result<(), SendError> {
    let follower = socket.peer();
    follower.heard += 1;
    let greeting = format!(
        "to follower {} alone, number {}: ",
        follower.number, follower.heard
    );
    let (begin, end) = said.split_at(said.len() / 2);
    socket.send_fragment(MessageKind::Text, greeting.as_bytes(), Fragment::More)?;
    socket.send_fragment(MessageKind::Text, begin, Fragment::More)?;
    socket.send_fragment(MessageKind::Text, end, Fragment::Last)
}

/// Does one handshake after the other, which is enough for an example; see `echo` for many.
async fn shake_hands(
    listener: TcpListener,
    policy: Policy,
    accepted: mpsc::Sender<WebSocket<TcpStream>>,
) {
    let offer = server::Options {
        deflate: Some(policy),
        ..server::Options::default()
    };
    while let Ok((stream, _)) = listener.accept().await {
        if let Ok(connected) = accept(stream, &offer, Options::default()).await {
            let _ = accepted.send(connected.websocket).await; // fails when the server ends
        }
    }
}

fn arguments() -> Result<(String, Policy), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let mut policy = Policy {
        compress_from: 64, // what is compressed once for all pays sooner
        ..Policy::default()
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--takeover" => {
                policy.server_context_takeover = ContextTakeover::Allow;
                policy.client_context_takeover = ContextTakeover::Allow;
            }
            "--window-bits" => {
                let bits = arguments.next().ok_or("--window-bits needs a number")?;
                policy.server_max_window_bits = bits.parse()?;
                policy.client_max_window_bits = policy.server_max_window_bits;
            }
            other => return Err(format!("there is no option '{other}'").into()),
        }
    }
    Ok((address, policy))
}
