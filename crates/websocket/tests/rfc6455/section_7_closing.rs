//! The closing handshake, its codes, and how a connection fails.

use tidings_websocket::frame::Opcode;
use tidings_websocket::{Close, CloseCode, Event, Fault, SendError};

use crate::support::*;

fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    from_client(true, Opcode::Close, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn the_peers_close_is_brought_and_answered_with_its_code() {
    let mut server = server();
    let event = receive_one(&mut server, &close_frame(3000, "bye é".as_bytes()));
    assert_eq!(
        event,
        Event::Close(Close::new(CloseCode::application(3000), "bye é"))
    );
    assert_eq!(written(&mut server), b"\x88\x02\x0b\xb8");
    assert!(server.is_closed());
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let mut server = server();
    let event = receive_one(&mut server, &from_client(true, Opcode::Close, b""));
    assert_eq!(event, Event::Close(Close::new(CloseCode::NO_STATUS, "")));
    assert_eq!(written(&mut server), b"\x88\x00");
}

#[test]
fn close_bodies_are_accepted_or_refused_by_the_table_of_codes() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        receive_one(&mut server(), &close_frame(code, b""));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        assert_eq!(
            fault(&mut server(), &close_frame(code, b"")),
            Fault::CloseCode(code)
        );
    }
    assert_eq!(
        fault(&mut server(), &from_client(true, Opcode::Close, b"\x03")),
        Fault::CloseTooShort
    );
    assert_eq!(
        fault(
            &mut server(),
            &close_frame(
                1000,
                b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
            )
        ),
        Fault::InvalidUtf8
    );
}

#[test]
fn messages_still_come_after_our_close_until_the_peers() {
    let mut server = server();
    server
        .close(Close::new(CloseCode::GOING_AWAY, "restart"))
        .unwrap();
    assert_eq!(written(&mut server), b"\x88\x09\x03\xe9restart");
    assert!(!server.is_open() && !server.is_closed());
    let bytes = [
        from_client(true, Opcode::Text, b"late"),
        close_frame(1001, b""),
    ]
    .concat();
    let received = receive(&mut server, &bytes);
    let expected = [
        Event::from("late"),
        Event::Close(Close::new(CloseCode::GOING_AWAY, "")),
    ];
    assert_eq!(received.events, expected);
    assert_eq!(written(&mut server), b"", "one Close is enough");
    assert!(server.is_closed());
}

#[test]
fn nothing_is_sent_after_a_close() {
    let mut server = server();
    server.close(Close::new(CloseCode::NORMAL, "")).unwrap();
    let before = server.unsent_bytes();
    assert_eq!(server.send("x"), Err(SendError::Closed));
    assert_eq!(
        server.send(Event::Ping(b""[..].into())),
        Err(SendError::Closed)
    );
    assert_eq!(
        server.close(Close::new(CloseCode::NORMAL, "")),
        Err(SendError::Closed)
    );
    assert_eq!(server.unsent_bytes(), before);
}

#[test]
fn whatever_follows_a_close_is_ignored() {
    let bytes = [close_frame(1000, b""), vec![0xff; 100]].concat();
    let received = receive(&mut server(), &bytes);
    assert_eq!(received.events.len(), 1);
    assert_eq!(received.fault, None);
}

#[test]
fn a_fault_is_told_to_the_peer_once_and_ends_everything() {
    let mut server = server();
    assert_eq!(fault(&mut server, &[0xff, 0xff]), Fault::ReservedBits);
    let close = written(&mut server);
    assert_eq!(close[..4], [0x88, close.len() as u8 - 2, 0x03, 0xea]);
    assert!(server.is_closed());
    assert_eq!(
        receive(&mut server, &from_client(true, Opcode::Text, b"x")).events,
        []
    );
    assert_eq!(server.send("x"), Err(SendError::Closed));
    assert_eq!(server.handle_eof(), None);
    assert_eq!(written(&mut server), b"");
}

#[test]
fn each_kind_of_fault_closes_with_its_code() {
    for (bytes, code) in [
        (vec![0x83, 0x80], CloseCode::PROTOCOL),
        (
            from_client(true, Opcode::Text, b"\xff"),
            CloseCode::INVALID_DATA,
        ),
        (vec![0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0], CloseCode::TOO_BIG),
    ] {
        let mut server = server();
        fault(&mut server, &bytes);
        let Event::Close(close) = receive_one(&mut client(), &written(&mut server)) else {
            panic!("not a Close");
        };
        assert_eq!(close.code, code, "{}", close.reason);
        assert!(!close.reason.is_empty());
    }
}

#[test]
fn a_stream_that_ends_without_a_close_is_abnormal() {
    let mut open = server();
    assert_eq!(open.handle_eof(), Some(Event::Close(Close::abnormal())));
    assert_eq!(open.handle_eof(), None);
    let mut closing = server();
    closing.close(Close::new(CloseCode::NORMAL, "")).unwrap();
    assert_eq!(closing.handle_eof(), Some(Event::Close(Close::abnormal())));
    let mut closed = server();
    receive_one(&mut closed, &close_frame(1000, b""));
    assert_eq!(closed.handle_eof(), None);
}

#[test]
fn a_conclusion_is_not_sent_as_a_reason() {
    let mut server = server();
    assert_eq!(
        server.close(Close::abnormal()),
        Err(SendError::CloseCode(CloseCode::ABNORMAL))
    );
    assert!(server.is_open());
    server
        .close(Close::new(CloseCode::NO_STATUS, "unsaid"))
        .unwrap();
    assert_eq!(written(&mut server), b"\x88\x00");
}
