//! The client that meets other people's echo servers: sends messages of all sizes, wants each
//! back, and closes.
//!
//! `interop_client ws://127.0.0.1:9001/ [--deflate] [--takeover] [--window-bits 8..15]`

use std::error::Error;
use std::time::Duration;

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use tidings_websocket::deflate::{ContextTakeover, Policy};
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{Options, connect};
use tidings_websocket::{Close, CloseCode, Config, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("usage: interop_client ws://HOST:PORT [--deflate] [--takeover] [--window-bits N]")?;
    let mut compress = false;
    let mut policy = Policy {
        compress_from: 0, // whatever is not compressed is not tried out
        ..Policy::default()
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--deflate" => compress = true,
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

    let offer = client::Options {
        deflate: compress.then_some(policy),
        ..client::Options::default()
    };
    let mut connected = connect(&url, &offer, options()).await?;
    let agreed = connected.response.headers().get(SEC_WEBSOCKET_EXTENSIONS);
    let agreed = agreed.map_or(Ok("none"), |value| value.to_str())?;
    println!("extensions: {agreed}");

    let websocket = &mut connected.websocket;
    let mut echoes = 0;
    // Each alone, then all in flight at once.
    for bytes in SIZES {
        for message in messages(bytes) {
            websocket.send(message.clone()).await?;
            expect(websocket.recv().await?, &message)?;
            echoes += 1;
        }
    }
    for message in SMALL_SIZES.into_iter().flat_map(messages) {
        websocket.feed(message)?;
    }
    websocket.flush().await?;
    for message in SMALL_SIZES.into_iter().flat_map(messages) {
        expect(websocket.recv().await?, &message)?;
        echoes += 1;
    }
    let close = Close::new(CloseCode::NORMAL, "done");
    let answer = websocket.close(close, Duration::from_secs(10)).await?;
    if answer.code != CloseCode::NORMAL {
        return Err(format!("the close was answered with {}", answer.code).into());
    }
    println!("echoes: {echoes}");
    Ok(())
}

/// A text that compresses fairly well, in characters of one to four bytes, and bytes that hardly
/// do.
fn messages(bytes: usize) -> [Event<'static>; 2] {
    let mut text = "tidings é中🎈 ".repeat(bytes / 16 + 1);
    text.truncate(text.floor_char_boundary(bytes));
    let mut state = bytes as u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (state >> 16) as u8
    })
    .take(bytes)
    .collect();
    [Event::Text(text.into()), Event::Binary(noise.into())]
}

fn expect(heard: Option<Event<'_>>, sent: &Event<'_>) -> Result<(), String> {
    match heard {
        Some(heard) if heard == *sent => Ok(()),
        Some(Event::Close(close)) => Err(format!("the server closed: {close:?}")),
        Some(_) => Err("an echo differs from what was sent".to_owned()),
        None => Err("the connection ended before its echo".to_owned()),
    }
}

fn options() -> Options {
    let config = Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Config::default()
    };
    Options {
        config,
        ..Options::default()
    }
}

/// On both sides of every limit: 7, 16 and 64 bits of length; a window of compression (32 KiB);
/// the read buffers of all sides.
const SIZES: [usize; 11] = [
    0,
    1,
    125,
    126,
    127,
    4095,
    32_768,
    65_535,
    65_536,
    100_001,
    1 << 20,
];

/// So few bytes that all of them are in flight at once, whatever the server reads first.
const SMALL_SIZES: [usize; 7] = [0, 1, 125, 126, 127, 500, 2000];

/// More than the largest message here.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
