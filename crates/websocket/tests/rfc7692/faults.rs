//! A compressed message that is wrong in more than one way: which fault that is does not depend on
//! how its bytes were cut, for it is the first in what comes out.

use tidings_websocket::deflate::Agreement;
use tidings_websocket::{Config, Fault, Fragment, Received};

use crate::support::*;

/// A block that is stored as it is, then one of a type that is reserved.
fn stored_and_broken(payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut block = vec![0];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(payload);
    block.push(0b111);
    block
}

fn fault(payload: &[u8], message_bytes_max: usize, step: usize) -> Option<Fault> {
    let config = Config {
        message_bytes_max,
        ..config()
    };
    let mut client =
        tidings_websocket::Connection::client(config, || KEY).with_deflate(Agreement::default());
    let message = frame(FIN | RSV1 | TEXT, &stored_and_broken(payload));
    receive(&mut client, &message, step).err()
}

#[test]
fn a_text_that_is_none_is_the_fault_before_what_follows_it() {
    for step in [1, 2, 1000] {
        assert_eq!(fault(b"a\xff", 10, step), Some(Fault::InvalidUtf8));
        assert_eq!(fault(b"ab", 10, step), Some(Fault::Deflate));
        // The third byte would be one too many.
        assert_eq!(fault(b"a\xffb", 2, step), Some(Fault::InvalidUtf8));
        let too_big = Fault::MessageTooBig { max: 2 };
        assert_eq!(fault(b"abc\xff", 2, step), Some(too_big));
    }
}

#[test]
fn a_break_behind_a_piece_is_the_fault_before_the_next_frame() {
    let mut bytes = frame(RSV1 | TEXT, &stored_and_broken(b"a"));
    bytes.extend([0xff, 0]); // with all bits reserved
    for whole_from in 0..2 {
        let mut client = client(Agreement::default());
        let mut input = &mut bytes.clone()[..];
        if whole_from > 0 {
            let Ok(Some(Received::Piece(piece))) = client.receive_piece(&mut input) else {
                panic!("what came before the break");
            };
            assert_eq!(*piece.payload, *b"a");
            assert_eq!(piece.fragment, Fragment::More);
        }
        assert_eq!(client.receive(&mut input), Err(Fault::Deflate));
    }
}

#[test]
fn a_character_that_the_limit_cuts_is_too_much_and_not_missing() {
    let mut server = server(Agreement::default());
    server.send("ab世").unwrap();
    let bytes = written(&mut server);
    let too_big = Fault::MessageTooBig { max: 3 };
    for in_pieces in [false, true] {
        let config = Config {
            message_bytes_max: 3,
            ..config()
        };
        let mut client = tidings_websocket::Connection::client(config, || KEY)
            .with_deflate(Agreement::default());
        let input = &mut &mut bytes.clone()[..];
        let fault = match in_pieces {
            true => client.receive_piece(input).err(),
            false => client.receive(input).err(),
        };
        assert_eq!(fault, Some(too_big), "in pieces: {in_pieces}");
    }
}
