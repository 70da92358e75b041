//! Messages in pieces: nothing is waited for, nothing is kept, and nothing else changes.

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_websocket::frame::Opcode;
use tidings_websocket::{Config, Connection, Event, Fault, Fragment, MessageKind, Received};

use crate::support::*;

/// A message as its pieces say, or a control frame.
#[derive(Debug, PartialEq)]
enum Said {
    Message(MessageKind, Vec<u8>),
    Control(Event<'static>),
}

/// What `reads` say in pieces, each read in a buffer of its own; and the fault at the end.
fn receive_in_pieces<'p>(
    connection: &mut Connection,
    reads: impl IntoIterator<Item = &'p [u8]>,
) -> (Vec<Said>, Option<Fault>) {
    let (mut said, mut begun) = (Vec::new(), Vec::new());
    for read in reads {
        let mut buffer = read.to_vec();
        let mut input = &mut buffer[..];
        loop {
            match connection.receive_piece(&mut input) {
                Ok(Some(Received::Event(event))) => {
                    assert!(!event.is_message());
                    said.push(Said::Control(event.into_owned()));
                }
                Ok(Some(Received::Piece(piece))) => {
                    assert!(piece.fragment == Fragment::Last || !piece.payload.is_empty());
                    begun.extend_from_slice(&piece.payload);
                    if piece.fragment == Fragment::Last {
                        said.push(Said::Message(piece.kind, std::mem::take(&mut begun)));
                    }
                }
                Ok(None) => break,
                Err(fault) => return (said, Some(fault)),
            }
        }
        assert!(input.is_empty());
    }
    (said, None)
}

/// The same of whole messages.
fn receive_whole(connection: &mut Connection, bytes: &[u8]) -> (Vec<Said>, Option<Fault>) {
    let received = receive(connection, bytes);
    let said = received.events.into_iter().map(|event| match event {
        Event::Text(text) => Said::Message(MessageKind::Text, text.into_owned().into_bytes()),
        Event::Binary(bytes) => Said::Message(MessageKind::Binary, bytes.into_owned()),
        control => Said::Control(control),
    });
    (said.collect(), received.fault)
}

/// Frames that are mostly right, one after the other, sometimes with a byte changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        4 => Just(Opcode::Text),
        2 => Just(Opcode::Binary),
        4 => Just(Opcode::Continuation),
        2 => Just(Opcode::Ping),
        1 => Just(Opcode::Close),
    ];
    let payload = prop_oneof![
        4 => "[a-zé世🌍]{0,30}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..20),
        1 => Just(b"\x03\xe8bye".to_vec()),
        1 => Just("🌍".repeat(50).into_bytes()),
    ];
    let frame = (prop::bool::weighted(0.5), opcode, payload).prop_map(|(fin, opcode, payload)| {
        let payload = &payload[..payload
            .len()
            .min(if opcode.is_control() { 125 } else { 200 })];
        from_client(fin || opcode.is_control(), opcode, payload)
    });
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (vec(frame, 1..8), damage).prop_map(|(frames, damage)| {
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
    fn any_stream_in_any_cut_says_in_pieces_what_it_says_whole(bytes in stream(), step in 1usize..300) {
        let mut whole = server();
        let expected = (receive_whole(&mut whole, &bytes), written(&mut whole));
        let mut server = server();
        let received = receive_in_pieces(&mut server, bytes.chunks(step));
        prop_assert_eq!((received, written(&mut server)), expected);
    }
}

#[test]
fn what_has_come_of_a_frame_is_brought_at_once() {
    let mut server = server();
    let mut frame = from_client(true, Opcode::Text, "a世b".as_bytes());
    // The header and two bytes, of which the second begins a character.
    let (begin, end) = frame.split_at_mut(6 + 2);
    for (bytes, payload, fragment) in [
        (begin, &b"a\xe4"[..], Fragment::More),
        (end, b"\xb8\x96b", Fragment::Last),
    ] {
        let mut input = bytes;
        let Some(Received::Piece(piece)) = server.receive_piece(&mut input).unwrap() else {
            panic!("a piece");
        };
        assert_eq!((&piece.payload[..], piece.fragment), (payload, fragment));
        assert!(matches!(piece.payload, std::borrow::Cow::Borrowed(_)));
        assert_eq!(server.receive_piece(&mut input), Ok(None));
    }
}

#[test]
fn a_text_that_ends_within_a_character_fails() {
    let frames = from_client(true, Opcode::Text, b"a\xe4\xb8");
    for step in 1..10 {
        let (_, fault) = receive_in_pieces(&mut server(), frames.chunks(step));
        assert_eq!(fault, Some(Fault::InvalidUtf8));
    }
}

#[test]
fn the_limits_hold_in_pieces_too() {
    let config = Config {
        message_bytes_max: 1000,
        frame_bytes_max: 600,
        fragments_max: 3,
        ..Config::default()
    };
    let fault = |frames: &[Vec<u8>]| {
        let mut server = Connection::server(config);
        receive_in_pieces(&mut server, [&frames.concat()[..]]).1
    };
    let more = |bytes| from_client(false, Opcode::Continuation, &vec![b'x'; bytes]);
    let begin = from_client(false, Opcode::Text, &[b'x'; 600]);
    let last = |bytes| from_client(true, Opcode::Continuation, &vec![b'x'; bytes]);
    assert_eq!(fault(&[begin.clone(), more(400), last(0)]), None);
    assert_eq!(
        fault(&[begin.clone(), more(400), last(1)]),
        Some(Fault::MessageTooBig { max: 1000 })
    );
    assert_eq!(fault(&[begin.clone(), more(0), more(0)]), None);
    assert_eq!(
        fault(&[begin, more(0), more(0), last(0)]),
        Some(Fault::TooManyFragments { max: 3 })
    );
    let long = from_client(true, Opcode::Text, &[b'x'; 601]);
    assert_eq!(
        fault(&[long]),
        Some(Fault::FrameTooBig {
            bytes: 601,
            max: 600
        })
    );
}

#[test]
fn the_rest_of_a_message_in_pieces_can_be_had_whole_and_the_other_way_around() {
    let mut server = server();
    let mut frame = from_client(true, Opcode::Text, "ab世cd".as_bytes());
    let (mut begin, mut end) = frame.split_at_mut(6 + 3);
    let piece = server.receive_piece(&mut begin).unwrap();
    let Some(Received::Piece(piece)) = piece else {
        panic!("{piece:?}");
    };
    assert_eq!(&piece.payload[..], b"ab\xe4");
    // From the beginning of the character that was cut.
    assert_eq!(server.receive(&mut end), Ok(Some(Event::from("世cd"))));

    let mut frame = from_client(true, Opcode::Text, "ab世cd".as_bytes());
    let (mut begin, mut end) = frame.split_at_mut(6 + 3);
    assert_eq!(server.receive(&mut begin), Ok(None));
    let (said, fault) = receive_in_pieces(&mut server, [&*end]);
    assert_eq!(fault, None);
    assert_eq!(said, [Said::Message(MessageKind::Text, "ab世cd".into())]);
    end = &mut [];
    assert_eq!(server.receive(&mut end), Ok(None));
}

#[test]
fn what_was_handed_on_of_a_character_is_not_handed_on_again() {
    let mut server = server();
    let mut frame = from_client(true, Opcode::Text, "🌍!".as_bytes());
    let [first, second, third] = frame.get_disjoint_mut([0..8, 8..9, 9..11]).unwrap();
    assert_eq!(said_by_one_piece(&mut server, first), b"\xf0\x9f");
    assert_eq!(server.receive(&mut &mut *second), Ok(None));
    // What was held in between is one byte, though two more wait to become the character.
    assert_eq!(said_by_one_piece(&mut server, &mut []), b"\x8c");
    assert_eq!(said_by_one_piece(&mut server, third), b"\x8d!");
}

fn said_by_one_piece(connection: &mut Connection, mut input: &mut [u8]) -> Vec<u8> {
    match connection.receive_piece(&mut input) {
        Ok(Some(Received::Piece(piece))) => piece.payload.into_owned(),
        other => panic!("{other:?}"),
    }
}
