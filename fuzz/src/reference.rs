//! What another implementation reads in the same bytes: tungstenite.

use std::io::{self, Cursor, Read, Write};

use tidings_websocket::{Close, CloseCode, Config, Event, Role};
use tungstenite::protocol::{Message, WebSocket, WebSocketConfig};

/// The events that tungstenite reads as `role`, up to its first error or a Close.
pub fn events(bytes: &[u8], role: Role, config: &Config) -> Vec<Event<'static>> {
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
