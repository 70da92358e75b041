//! Connections with compression, and a receiver that is not ours.

use bytes::Buf;
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::{Config, Connection, Event, Fault};

pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Every agreement there is in one direction: with takeover and without, and all windows.
pub(crate) fn agreements() -> impl Iterator<Item = Agreement> {
    [false, true]
        .into_iter()
        .flat_map(|alone| (8..=15).map(move |window_bits| agreement(alone, window_bits)))
}

/// The same for both directions.
pub(crate) fn agreement(no_context_takeover: bool, window_bits: u8) -> Agreement {
    Agreement {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: window_bits,
        client_max_window_bits: window_bits,
    }
}

/// Everything is compressed, however short.
pub(crate) fn config() -> Config {
    Config {
        deflate: Some(Policy {
            compress_from: 0,
            ..Policy::default()
        }),
        ..Config::default()
    }
}

pub(crate) fn server(agreement: Agreement) -> Connection {
    Connection::server(config()).with_deflate(agreement)
}

pub(crate) fn client(agreement: Agreement) -> Connection {
    Connection::client(config(), || KEY).with_deflate(agreement)
}

/// Takes everything that waits to be written.
pub(crate) fn written(connection: &mut Connection) -> Vec<u8> {
    let output = connection.output();
    output.copy_to_bytes(output.remaining()).to_vec()
}

/// Feeds `bytes` in pieces of `step`, each in a buffer of its own, until a fault.
pub(crate) fn receive(
    connection: &mut Connection,
    bytes: &[u8],
    step: usize,
) -> Result<Vec<Event<'static>>, Fault> {
    let mut events = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        while let Some(event) = connection.receive(&mut input)? {
            events.push(event.into_owned());
        }
        assert!(input.is_empty());
    }
    Ok(events)
}

/// Text that compresses like chat does, different for each seed.
pub(crate) fn chat(seed: u64, bytes: usize) -> String {
    const WORDS: [&str; 24] = [
        "the", "meeting", "is", "moved", "to", "tomorrow", "at", "ten", "please", "bring", "your",
        "laptop", "and", "coffee", "we", "should", "ship", "it", "today", "because", "größer",
        "世界", "🌍", "no",
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = format!("{{\"user\":\"user-{}\",\"data\":\"", random.u16(..));
    while text.len() < bytes {
        text.push_str(WORDS[random.usize(..WORDS.len())]);
        text.push(' ');
    }
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    fastrand::Rng::with_seed(seed).fill(&mut noise);
    noise
}

/// The frames of `bytes`, which a server wrote: first byte and payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while bytes.has_remaining() {
        let first = bytes.get_u8();
        let length = match bytes.get_u8() {
            126 => usize::from(bytes.get_u16()),
            127 => bytes.get_u64() as usize,
            length => usize::from(length),
        };
        frames.push((first, bytes.copy_to_bytes(length).to_vec()));
    }
    frames
}

/// One frame as a server sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
