//! Opening handshakes, many at once.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use super::Trouble;
use crate::socket::{Poller, Socket};
use crate::websocket::scenario::Compression;

/// RFC 6455, 1.3: the example's key and the answer that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Handshakes under way at once: below the backlog of 128 that many servers listen with.
const AT_ONCE: usize = 100;
/// Without progress for so long, a server is taken for stuck.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// An answer's head beyond this is no handshake.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Open connections, and what was agreed on.
pub(crate) struct Opened {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) takeover: Takeover,
}

/// Who may refer to earlier messages when compressing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Takeover {
    pub(super) client: bool,
    pub(super) server: bool,
}

enum State {
    Connecting,
    Reading(Vec<u8>),
    Open,
}

/// Opens `count` WebSocket connections.
pub(crate) fn open(
    address: SocketAddrV4,
    count: usize,
    compression: Compression,
) -> Result<Opened, Trouble> {
    let request = request(address, compression);
    let mut poller = Poller::new()?;
    let mut sockets: Vec<Socket> = Vec::with_capacity(count);
    let mut states: Vec<State> = Vec::with_capacity(count);
    let mut head = String::new();
    let mut done = 0;
    let mut progress = Instant::now();
    while done < count {
        while sockets.len() < count && sockets.len() - done < AT_ONCE {
            let socket = Socket::connect(address, sockets.len())
                .map_err(|error| format!("connection {}: {error}", sockets.len()))?;
            poller.add(&socket, sockets.len())?;
            sockets.push(socket);
            states.push(State::Connecting);
        }
        poller.wait(Duration::from_millis(200))?;
        for (token, readable) in poller.ready() {
            let failed = |error| format!("handshake {token}: {error}");
            let state = &mut states[token];
            if matches!(state, State::Connecting) {
                // A handshake's request always fits an empty socket buffer.
                sockets[token].write(&request).map_err(failed)?;
                *state = State::Reading(Vec::new());
            }
            let State::Reading(answer) = state else {
                continue;
            };
            if !readable {
                continue;
            }
            let mut buffer = [0; 4096];
            while let Some(read) = sockets[token].read(&mut buffer).map_err(failed)? {
                answer.extend_from_slice(&buffer[..read]);
            }
            if let Some(text) = whole_head(answer)? {
                head = text;
                *state = State::Open;
                done += 1;
                progress = Instant::now();
            }
        }
        if progress.elapsed() > STALLED_AFTER {
            return Err(format!("handshakes stalled after {done} of {count}").into());
        }
    }
    let takeover = agreed(&head, compression)?;
    Ok(Opened { sockets, takeover })
}

fn request(address: SocketAddrV4, compression: Compression) -> Vec<u8> {
    let extensions = match compression {
        Compression::None => "",
        Compression::Takeover => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        Compression::Deflate => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        }
    };
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )
    .into_bytes()
}

/// The answer's head in lower case once it is whole, if it is the right one.
fn whole_head(answer: &[u8]) -> Result<Option<String>, Trouble> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if answer.len() > HEAD_BYTES_MAX {
            Err("the handshake's answer has no end".to_owned().into())
        } else {
            Ok(None)
        };
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
        let line = head.lines().next().unwrap_or_default();
        return Err(format!("the handshake was answered with '{line}'").into());
    }
    if answer.len() > end + 4 {
        return Err("it spoke before it was spoken to".to_owned().into());
    }
    Ok(Some(head.to_ascii_lowercase()))
}

fn agreed(head: &str, compression: Compression) -> Result<Takeover, Trouble> {
    let extensions: String = head
        .lines()
        .filter_map(|line| line.strip_prefix("sec-websocket-extensions:"))
        .collect();
    match compression {
        Compression::None if extensions.is_empty() => Ok(Takeover::default()),
        Compression::None => Err("it chose an extension that was not offered"
            .to_owned()
            .into()),
        _ if !extensions.contains("permessage-deflate") => Err(Trouble::NotOffered),
        Compression::Deflate => Ok(Takeover::default()),
        Compression::Takeover => Ok(Takeover {
            client: !extensions.contains("client_no_context_takeover"),
            server: !extensions.contains("server_no_context_takeover"),
        }),
    }
}
