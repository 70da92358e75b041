//! "Impose limits": each at the bound, below it and above it, and before the bytes are there.

use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::{Config, Connection, Fault};

use crate::support::*;

fn header(fin: bool, opcode: Opcode, payload_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header {
        fin,
        compressed: false,
        opcode,
        mask: Some(KEY),
        payload_bytes,
    }
    .write(&mut bytes);
    bytes
}

#[test]
fn a_frame_may_be_as_big_as_the_limit() {
    let config = Config {
        frame_bytes_max: 1000,
        ..Config::default()
    };
    for bytes in [999, 1000] {
        let mut server = Connection::server(config);
        assert_eq!(
            receive(&mut server, &header(true, Opcode::Binary, bytes)).fault,
            None
        );
    }
    let too_big = Fault::FrameTooBig {
        bytes: 1001,
        max: 1000,
    };
    assert_eq!(
        fault(
            &mut Connection::server(config),
            &header(true, Opcode::Binary, 1001)
        ),
        too_big
    );
}

#[test]
fn a_message_may_be_as_big_as_the_limit_in_one_frame_or_in_many() {
    let config = Config {
        message_bytes_max: 1000,
        ..Config::default()
    };
    let too_big = Fault::MessageTooBig { max: 1000 };
    for bytes in [999, 1000] {
        let mut server = Connection::server(config);
        assert_eq!(
            receive(&mut server, &header(true, Opcode::Text, bytes)).fault,
            None
        );
    }
    assert_eq!(
        fault(
            &mut Connection::server(config),
            &header(true, Opcode::Text, 1001)
        ),
        too_big
    );
    // Also where all of it is there already.
    let whole = from_client(true, Opcode::Text, &[b'x'; 1001]);
    assert_eq!(fault(&mut Connection::server(config), &whole), too_big);

    let begin = from_client(false, Opcode::Text, &[b'x'; 600]);
    for (bytes, expected) in [(399, None), (400, None), (401, Some(too_big))] {
        let mut server = Connection::server(config);
        receive(&mut server, &begin);
        assert_eq!(
            receive(&mut server, &header(true, Opcode::Continuation, bytes)).fault,
            expected,
            "{bytes}"
        );
    }
}

#[test]
fn a_message_may_have_as_many_fragments_as_the_limit() {
    let config = Config {
        fragments_max: 3,
        ..Config::default()
    };
    for (between, expected) in [
        (0, None),
        (1, None),
        (2, Some(Fault::TooManyFragments { max: 3 })),
    ] {
        let mut frames = from_client(false, Opcode::Text, b"");
        frames.extend(from_client(false, Opcode::Continuation, b"").repeat(between));
        frames.extend(from_client(true, Opcode::Continuation, b""));
        assert_eq!(
            receive(&mut Connection::server(config), &frames).fault,
            expected
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "would take it long")]
fn the_suite_of_conformance_tests_stays_below_the_default_limit_of_fragments() {
    let mut frames = from_client(false, Opcode::Binary, b"x");
    frames.extend(from_client(false, Opcode::Continuation, b"x").repeat(65_536));
    frames.extend(from_client(true, Opcode::Continuation, b"x"));
    assert_eq!(receive(&mut server(), &frames).events.len(), 1);
}

#[test]
fn the_limits_of_messages_are_not_those_of_control_frames() {
    let config = Config {
        frame_bytes_max: 1,
        message_bytes_max: 1,
        fragments_max: 1,
        ..Config::default()
    };
    let mut server = Connection::server(config);
    receive_one(&mut server, &from_client(true, Opcode::Ping, b"longer"));
}
