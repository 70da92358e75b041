//! Servers of other crates: `peers NAME ADDRESS [plain|deflate|takeover]`.
//!
//! One thread each. All echo but socketioxide, which broadcasts; `raw-epoll` does both. A peer is written as its own examples write an echo server; where the
//! crate allows to feed many answers and flush them once, there is a `-tuned` one beside it.

mod bare_tokio;
mod fastwebsockets;
mod handshake;
mod raw_epoll;
mod serve;
mod socketioxide;
mod tokio_tungstenite;
mod tokio_websockets;
mod yawc;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

/// What a server may agree to when a client offers permessage-deflate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// No compression.
    Plain,
    /// Compression, every message on its own.
    Deflate,
    /// Compression with context takeover on both sides.
    Takeover,
}

type Outcome = Result<(), Box<dyn Error>>;
type Peer = (&'static str, fn(SocketAddr, Mode) -> Outcome);

const PEERS: &[Peer] = &[
    ("raw-epoll", raw_epoll::run),
    ("bare-tokio", bare_tokio::run),
    ("fastwebsockets", fastwebsockets::run),
    ("tokio-tungstenite", tokio_tungstenite::run),
    ("tokio-tungstenite-tuned", tokio_tungstenite::run_tuned),
    ("tokio-websockets", tokio_websockets::run),
    ("yawc", yawc::run),
    ("yawc-tuned", yawc::run_tuned),
    ("socketioxide", socketioxide::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let [name, address, rest @ ..] = arguments else {
        let names: Vec<&str> = PEERS.iter().map(|(name, _)| *name).collect();
        return Err(format!("say NAME ADDRESS; names: {}", names.join(", ")).into());
    };
    let mode = match rest.first().map(String::as_str) {
        None | Some("plain") => Mode::Plain,
        Some("deflate") => Mode::Deflate,
        Some("takeover") => Mode::Takeover,
        Some(other) => return Err(format!("there is no mode '{other}'").into()),
    };
    let (_, peer) = PEERS
        .iter()
        .find(|(known, _)| known == name)
        .ok_or_else(|| format!("there is no peer '{name}'"))?;
    peer(address.parse()?, mode)
}
