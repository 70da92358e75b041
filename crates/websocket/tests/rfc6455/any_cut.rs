//! However a stream of bytes is cut into reads, it means the same; and no bytes do harm.

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_websocket::frame::Opcode;

use crate::support::*;

/// A frame that is mostly right, alone or after others.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        4 => Just(Opcode::Text),
        2 => Just(Opcode::Binary),
        4 => Just(Opcode::Continuation),
        2 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong),
        1 => Just(Opcode::Close),
    ];
    let payload = prop_oneof![
        3 => "[a-zé世🌍]{0,20}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..20),
        1 => Just(b"\x03\xe8bye".to_vec()),
        1 => Just(vec![b'x'; 200]),
    ];
    (prop::bool::weighted(0.6), opcode, payload).prop_map(|(fin, opcode, payload)| {
        from_client(fin || opcode.is_control(), opcode, &payload)
    })
}

/// Frames one after the other, sometimes with a byte changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (vec(frame(), 1..8), damage).prop_map(|(frames, damage)| {
        let mut bytes = frames.concat();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_stream_cut_once_anywhere_gives_the_same_events_and_answers(bytes in stream()) {
        let mut whole = server();
        let expected = (receive(&mut whole, &bytes), written(&mut whole));
        for cut in 0..=bytes.len() {
            let mut server = server();
            let (begin, end) = bytes.split_at(cut);
            let received = receive_pieces(&mut server, [begin, end]);
            prop_assert_eq!(&(received, written(&mut server)), &expected, "cut at {}", cut);
        }
    }

    #[test]
    fn a_stream_that_drips_gives_the_same_events_and_answers(bytes in stream(), step in 1usize..5) {
        let mut whole = server();
        let expected = (receive(&mut whole, &bytes), written(&mut whole));
        let mut server = server();
        let received = receive_pieces(&mut server, bytes.chunks(step));
        prop_assert_eq!((received, written(&mut server)), expected);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..300)) {
        receive(&mut server(), &bytes);
        receive(&mut client(), &bytes);
    }
}
