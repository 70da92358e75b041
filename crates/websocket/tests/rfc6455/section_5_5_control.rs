//! Ping, pong and close: short, whole, answered.

use tidings_websocket::frame::{CONTROL_BYTES_MAX, Opcode};
use tidings_websocket::{Close, CloseCode, Event, Fault, SendError};

use crate::support::*;

const CONTROLS: [Opcode; 3] = [Opcode::Close, Opcode::Ping, Opcode::Pong];

#[test]
fn a_control_frame_is_not_fragmented() {
    for opcode in CONTROLS {
        assert_eq!(
            fault(&mut server(), &from_client(false, opcode, b"")),
            Fault::ControlFragmented
        );
    }
}

#[test]
fn a_control_frame_carries_up_to_125_bytes() {
    for opcode in CONTROLS {
        for length in [CONTROL_BYTES_MAX - 1, CONTROL_BYTES_MAX] {
            let payload = [&1000u16.to_be_bytes()[..], &vec![b'x'; length - 2]].concat();
            receive_one(&mut server(), &from_client(true, opcode, &payload));
        }
        let too_long = from_client(true, opcode, &[0; CONTROL_BYTES_MAX + 1]);
        assert_eq!(fault(&mut server(), &too_long), Fault::ControlTooLong);
    }
}

#[test]
fn a_ping_is_answered_with_its_payload_in_order() {
    let mut server = server();
    let pings = [
        from_client(true, Opcode::Ping, b"1"),
        from_client(true, Opcode::Ping, b""),
        from_client(true, Opcode::Ping, b"3"),
    ];
    assert_eq!(receive(&mut server, &pings.concat()).events.len(), 3);
    assert_eq!(written(&mut server), b"\x8a\x011\x8a\x00\x8a\x013");
}

#[test]
fn a_pong_that_nobody_asked_for_is_no_fault() {
    let mut server = server();
    assert_eq!(
        receive_one(&mut server, &from_client(true, Opcode::Pong, b"x")),
        Event::Pong(b"x"[..].into())
    );
    assert_eq!(written(&mut server), b"");
}

#[test]
fn a_ping_after_our_close_is_not_answered() {
    let mut server = server();
    server.close(Close::new(CloseCode::NORMAL, "")).unwrap();
    written(&mut server);
    receive_one(&mut server, &from_client(true, Opcode::Ping, b"x"));
    assert_eq!(written(&mut server), b"");
}

#[test]
fn a_control_frame_of_more_than_125_bytes_is_not_sent() {
    let mut server = server();
    for (length, expected) in [(125, Ok(())), (126, Err(SendError::ControlTooLong(126)))] {
        assert_eq!(server.send(Event::Ping(vec![0; length].into())), expected);
        assert_eq!(server.send(Event::Pong(vec![0; length].into())), expected);
    }
}
