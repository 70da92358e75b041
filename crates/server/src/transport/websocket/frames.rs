//! What is a WebSocket's own of a client's frames: the kind of frame that each format travels in, and Close.

use std::borrow::Cow;

use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::{Close, CloseCode, Event};
use tidings_wire::{Encoded, Format, RequestError};

use super::deflate;
use crate::transport::Transport;
use crate::transport::framed::{End, Framing, Parting, Session};

/// A server's frames: header and payload, without a mask.
pub(super) struct WebSocketFrames;

impl Framing for WebSocketFrames {
    const TRANSPORT: Transport = Transport::WebSocket;
    const HEADER_BYTES_MAX: usize = 10;

    fn write(format: Format, object: &[u8], out: &mut Vec<u8>) {
        let opcode = match format {
            Format::Json => Opcode::Text,
            Format::Cbor => Opcode::Binary,
        };
        Header::whole(opcode, object.len()).write(out);
        out.extend_from_slice(object);
    }

    fn write_compressed(format: Format, event: &Encoded, out: &mut Vec<u8>) {
        match event.compressed(format, |object| deflate::frame(format, object)) {
            Some(frame) => out.extend_from_slice(frame),
            None => Self::write(format, event.bytes(format), out),
        }
    }
}

/// Hands the session what its client said. Pings were answered, pongs were heard.
pub(super) fn hear(session: &mut Session, event: &Event<'_>) {
    match (event, session.format) {
        (Event::Text(text), Format::Json) => session.handle(text.as_bytes()),
        (Event::Binary(bytes), Format::Cbor) => session.handle(bytes),
        (Event::Text(text), Format::Cbor) => {
            session.handle_bad_frame(text.len(), wrong_kind("CBOR in binary frames"));
        }
        (Event::Binary(bytes), Format::Json) => {
            session.handle_bad_frame(bytes.len(), wrong_kind("JSON in text frames"));
        }
        _ => {}
    }
}

fn wrong_kind(spoken: &str) -> RequestError {
    RequestError {
        req: None,
        detail: format!("this connection speaks {spoken}"),
    }
}

/// How we end a connection, as a Close.
pub(super) fn close(End { code, reason }: End) -> Close<'static> {
    Close::new(close_code(code), Cow::into_owned(reason))
}

/// What a code of ours is in a Close.
pub(super) fn close_code(code: u16) -> CloseCode {
    CloseCode::new(code).unwrap_or(CloseCode::INTERNAL)
}

/// How a client has gone whose connection has ended with that code. Who has closed it on purpose is seen no longer,
/// anybody else may come back: a page that is loaded again says 1001.
pub(super) fn parting(code: CloseCode) -> Parting {
    match code {
        // 1005: a Close without a code, as of a page that calls `close()`.
        CloseCode::NORMAL | CloseCode::NO_STATUS => Parting::Meant,
        _ => Parting::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_kind_of_frame() {
        let frame = |format| {
            let mut out = Vec::new();
            WebSocketFrames::write(format, b"ab", &mut out);
            out
        };
        assert_eq!(frame(Format::Json), b"\x81\x02ab");
        assert_eq!(frame(Format::Cbor), b"\x82\x02ab");
    }
}
