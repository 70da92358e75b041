//! Connections to examine, frames to feed them, and what came of it.

use bytes::Buf;
use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::{Config, Connection, Event, Fault, mask};

pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) fn server() -> Connection {
    Connection::server(Config::default())
}

pub(crate) fn client() -> Connection {
    Connection::client(Config::default(), || KEY)
}

/// A frame as a client sends it.
pub(crate) fn from_client(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        fin,
        compressed: false,
        opcode,
        mask: Some(KEY),
        payload_bytes: payload.len() as u64,
    };
    let mut frame = Vec::new();
    header.write(&mut frame);
    let begin = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[begin..], KEY);
    frame
}

/// A frame as a server sends it.
pub(crate) fn from_server(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        fin,
        compressed: false,
        opcode,
        mask: None,
        payload_bytes: payload.len() as u64,
    };
    let mut frame = Vec::new();
    header.write(&mut frame);
    frame.extend_from_slice(payload);
    frame
}

/// What a connection made of its input.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Received {
    pub(crate) events: Vec<Event<'static>>,
    pub(crate) fault: Option<Fault>,
}

/// Feeds `bytes` in one piece.
pub(crate) fn receive(connection: &mut Connection, bytes: &[u8]) -> Received {
    receive_pieces(connection, [bytes])
}

/// Feeds the pieces one after the other, each in a buffer of its own, until a fault.
pub(crate) fn receive_pieces<'p>(
    connection: &mut Connection,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Received {
    let mut received = Received::default();
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let mut input = &mut buffer[..];
        loop {
            match connection.receive(&mut input) {
                Ok(Some(event)) => received.events.push(event.into_owned()),
                Ok(None) => break,
                Err(fault) => {
                    received.fault = Some(fault);
                    return received;
                }
            }
        }
        assert!(
            input.is_empty(),
            "what was not an event must have been taken"
        );
    }
    received
}

/// The one event that `bytes` must be.
pub(crate) fn receive_one(connection: &mut Connection, bytes: &[u8]) -> Event<'static> {
    let mut received = receive(connection, bytes);
    assert_eq!(received.fault, None);
    assert_eq!(received.events.len(), 1, "{:?}", received.events);
    received.events.remove(0)
}

/// The fault that `bytes` must be.
pub(crate) fn fault(connection: &mut Connection, bytes: &[u8]) -> Fault {
    receive(connection, bytes).fault.expect("a fault")
}

/// Takes everything that waits to be written.
pub(crate) fn written(connection: &mut Connection) -> Vec<u8> {
    let output = connection.output();
    output.copy_to_bytes(output.remaining()).to_vec()
}

/// Long enough for anything that happens at all.
#[cfg(feature = "tokio")]
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);

/// Waits no longer than [`DEADLINE`].
#[cfg(feature = "tokio")]
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}
