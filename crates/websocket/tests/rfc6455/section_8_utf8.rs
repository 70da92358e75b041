//! Text is UTF-8, and what is not fails as soon as it can be known.

use tidings_websocket::frame::Opcode;
use tidings_websocket::{Event, Fault};

use crate::support::*;

#[test]
fn text_must_be_utf8_and_binary_need_not() {
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"cut \xe2\x82",
    ] {
        assert_eq!(
            fault(&mut server(), &from_client(true, Opcode::Text, bytes)),
            Fault::InvalidUtf8
        );
        assert_eq!(
            receive_one(&mut server(), &from_client(true, Opcode::Binary, bytes)),
            Event::from(bytes)
        );
    }
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let text = "κόσμε 🌍";
    for cut in 0..=text.len() {
        let (begin, end) = text.as_bytes().split_at(cut);
        let bytes = [
            from_client(false, Opcode::Text, begin),
            from_client(true, Opcode::Continuation, end),
        ]
        .concat();
        assert_eq!(
            receive_one(&mut server(), &bytes),
            Event::from(text),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_broken_text_fails_in_the_middle_of_its_message() {
    let first = from_client(false, Opcode::Text, b"\xf4\x90");
    assert_eq!(fault(&mut server(), &first), Fault::InvalidUtf8);
}

#[test]
fn a_broken_text_fails_in_the_middle_of_its_frame() {
    let frame = from_client(true, Opcode::Text, b"broken \xff and the rest never comes");
    let header = 6;
    let mut server = server();
    assert_eq!(receive(&mut server, &frame[..header + 7]).fault, None);
    assert_eq!(
        receive(&mut server, &frame[header + 7..header + 8]).fault,
        Some(Fault::InvalidUtf8)
    );
}

#[test]
fn a_text_that_ends_within_a_character_fails_at_its_end() {
    let mut server = server();
    assert_eq!(
        receive(&mut server, &from_client(false, Opcode::Text, b"\xe2\x82")).fault,
        None
    );
    assert_eq!(
        fault(&mut server, &from_client(true, Opcode::Continuation, b"")),
        Fault::InvalidUtf8
    );
}
