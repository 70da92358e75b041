//! What other implementations read in the same bytes: tungstenite in the frames, miniz_oxide in
//! what is compressed.
//!
//! tungstenite knows no compression, so it gets the stream with the mark of a compressed message
//! taken off, and as binary; what it makes of that is inflated.

use std::io::{self, Cursor, Read, Write};

use tidings_websocket::deflate::Agreement;
use tidings_websocket::{Close, CloseCode, Config, Event, MessageKind, Role};
use tungstenite::protocol::{Message, WebSocket, WebSocketConfig};

use super::deflate::{self, Inflater};

/// The events that they read as `role`, up to the first error or a Close.
pub fn events(
    bytes: &[u8],
    role: Role,
    config: &Config,
    agreement: Option<Agreement>,
) -> Vec<Event<'static>> {
    let Some(agreement) = agreement else {
        return plain_events(bytes, role, config);
    };
    let mut inflater = Inflater::default();
    let mut events = Vec::new();
    for (event, kind) in payloads(bytes, role, config) {
        let (Event::Binary(payload), Some(kind)) = (&event, kind) else {
            events.push(event);
            continue;
        };
        if !deflate::takes_context_over(agreement, peer(role)) {
            inflater.forget();
        }
        let Some(message) = inflater.inflate(payload, config.message_bytes_max) else {
            break;
        };
        events.push(match (kind, String::from_utf8(message)) {
            (MessageKind::Text, Ok(text)) => Event::from(text),
            (MessageKind::Text, Err(_)) => break,
            (MessageKind::Binary, Ok(text)) => Event::from(text.into_bytes()),
            (MessageKind::Binary, Err(error)) => Event::from(error.into_bytes()),
        });
    }
    events
}

/// The payloads of the messages that are compressed.
pub fn compressed(bytes: &[u8], role: Role, config: &Config) -> Vec<Vec<u8>> {
    let events = payloads(bytes, role, config).into_iter();
    let payloads = events.filter_map(|event| match event {
        (Event::Binary(payload), Some(_)) => Some(payload.into_owned()),
        _ => None,
    });
    payloads.collect()
}

/// Who sends what `role` receives.
pub fn peer(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// The events, and with each message that is compressed, and binary here, what it really is.
fn payloads(
    bytes: &[u8],
    role: Role,
    config: &Config,
) -> Vec<(Event<'static>, Option<MessageKind>)> {
    let mut stream = bytes.to_vec();
    let mut kinds = mark_off(&mut stream).into_iter();
    let unlimited = Config {
        // A frame may be longer when it is compressed: nine bits for each byte.
        frame_bytes_max: config.frame_bytes_max + config.frame_bytes_max / 8 + 16,
        message_bytes_max: usize::MAX,
        ..*config
    };
    let events = plain_events(&stream, role, &unlimited).into_iter();
    let marked = events.map(|event| {
        let kind = event.is_message().then(|| kinds.next().flatten()).flatten();
        (event, kind)
    });
    marked.collect()
}

/// Takes RSV1 off the first frame of each message; gives what each message is if it had it.
fn mark_off(mut stream: &mut [u8]) -> Vec<Option<MessageKind>> {
    const RSV1: u8 = 0x40;
    let mut messages = Vec::new();
    while let [first, second, rest @ ..] = stream {
        let length_bytes = [2, 8, 0][match *second & 0x7f {
            126 => 0,
            127 => 1,
            _ => 2,
        }];
        if rest.len() < length_bytes {
            break;
        }
        let kind = match *first & 0x0f {
            1 => Some(MessageKind::Text),
            2 => Some(MessageKind::Binary),
            _ => None,
        };
        if kind.is_some() {
            let is_compressed = *first & RSV1 != 0;
            messages.push(kind.filter(|_| is_compressed));
            if is_compressed {
                *first = *first & 0xb0 | 2;
            }
        }
        let (length, rest) = rest.split_at_mut(length_bytes);
        let length = match length {
            [] => u64::from(*second & 0x7f),
            bytes => bytes
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let mask_bytes = if *second & 0x80 == 0 { 0 } else { 4 };
        let after = usize::try_from(length.saturating_add(mask_bytes)).unwrap_or(usize::MAX);
        if rest.len() < after {
            break;
        }
        stream = &mut rest[after..];
    }
    messages
}

/// The events that tungstenite reads as `role`, up to its first error or a Close.
fn plain_events(bytes: &[u8], role: Role, config: &Config) -> Vec<Event<'static>> {
    let role = match role {
        Role::Server => tungstenite::protocol::Role::Server,
        Role::Client => tungstenite::protocol::Role::Client,
    };
    let limits = WebSocketConfig::default()
        // Its own default is taken at once, and this is called some thousand times a second.
        .read_buffer_size(1024)
        .max_message_size(Some(config.message_bytes_max))
        // It counts control frames as well, and some limits are below their 125 bytes.
        .max_frame_size(Some(config.frame_bytes_max.max(125)));
    let stream = Recorded(Cursor::new(bytes.to_vec()));
    let mut websocket = WebSocket::from_raw_socket(stream, role, Some(limits));
    let mut events = Vec::new();
    while let Ok(message) = websocket.read() {
        let event = event(message);
        let last = matches!(event, Event::Close(_));
        events.push(event);
        if last {
            break;
        }
    }
    events
}

fn event(message: Message) -> Event<'static> {
    match message {
        Message::Text(text) => Event::from(text.to_string()),
        Message::Binary(bytes) => Event::from(bytes.to_vec()),
        Message::Ping(bytes) => Event::Ping(bytes.to_vec().into()),
        Message::Pong(bytes) => Event::Pong(bytes.to_vec().into()),
        Message::Close(None) => Event::Close(Close::new(CloseCode::NO_STATUS, "")),
        Message::Close(Some(frame)) => {
            // A code that may not be sent it replaces by 1002, so this is always a code.
            let code = CloseCode::new(frame.code.into()).expect("a code that may be sent");
            Event::Close(Close::new(code, frame.reason.to_string()))
        }
        Message::Frame(_) => unreachable!("tungstenite reads no raw frames"),
    }
}

/// Where tungstenite differs by design.
///
/// | on | ours | tungstenite |
/// |---|---|---|
/// | a Close with code 1014, which IANA lists | takes it | takes it for 1002 "Protocol violation" |
pub fn as_it_would_say(event: Event<'static>) -> Event<'static> {
    match event {
        Event::Close(close) if close.code == CloseCode::BAD_GATEWAY => {
            Event::Close(Close::new(CloseCode::PROTOCOL, "Protocol violation"))
        }
        event => event,
    }
}

/// A stream that is all there, and takes whatever is written.
pub struct Recorded(pub Cursor<Vec<u8>>);

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Recorded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
