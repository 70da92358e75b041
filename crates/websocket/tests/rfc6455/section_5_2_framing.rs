//! The header: reserved bits and opcodes, and lengths in their three forms.

use bytes::Bytes;
use tidings_websocket::frame::{self, Opcode};
use tidings_websocket::output::SHARED_BYTES_MIN;
use tidings_websocket::{Config, Connection, Event, Fault, MessageKind, SendError};

use crate::support::*;

/// Lengths around the borders between the three forms.
const LENGTHS: [usize; 9] = [0, 1, 124, 125, 126, 127, 65_535, 65_536, 65_537];

#[test]
fn messages_of_every_form_of_length_arrive_in_both_directions() {
    for length in LENGTHS {
        let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let (mut client, mut server) = (client(), server());
        client.send(&payload[..]).unwrap();
        assert_eq!(
            receive_one(&mut server, &written(&mut client)),
            Event::from(&payload[..]),
            "{length} to the server"
        );
        server.send(&payload[..]).unwrap();
        assert_eq!(
            receive_one(&mut client, &written(&mut server)),
            Event::from(&payload[..]),
            "{length} to the client"
        );
    }
}

#[test]
fn the_length_is_written_in_its_shortest_form() {
    for (length, header) in [
        (125, &[0x82, 125][..]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let frame = frame::encode_binary(&vec![0; length]);
        assert_eq!(&frame[..header.len()], header);
        assert_eq!(frame.len(), header.len() + length);
    }
}

#[test]
fn headers_that_the_rfc_forbids_are_faults() {
    let table: [(&[u8], Fault); 14] = [
        (&[0xc1, 0x80], Fault::ReservedBits),
        (&[0xa1, 0x80], Fault::ReservedBits),
        (&[0x91, 0x80], Fault::ReservedBits),
        (&[0x83, 0x80], Fault::ReservedOpcode(3)),
        (&[0x87, 0x80], Fault::ReservedOpcode(7)),
        (&[0x8b, 0x80], Fault::ReservedOpcode(11)),
        (&[0x8f, 0x80], Fault::ReservedOpcode(15)),
        (&[0x82, 0xfe, 0, 0], Fault::LengthNotMinimal),
        (&[0x82, 0xfe, 0, 125], Fault::LengthNotMinimal),
        (
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
            Fault::LengthNotMinimal,
        ),
        (
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            Fault::LengthNotMinimal,
        ),
        (
            &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            Fault::LengthTooHigh,
        ),
        (
            &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Fault::LengthTooHigh,
        ),
        (
            &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            too_big(u64::MAX >> 1),
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(fault(&mut server(), bytes), expected, "{bytes:x?}");
    }
}

fn too_big(bytes: u64) -> Fault {
    Fault::FrameTooBig {
        bytes,
        max: Config::default().frame_bytes_max,
    }
}

#[test]
fn the_shortest_use_of_each_longer_form_is_accepted() {
    let table: [(&[u8], usize); 2] = [
        (&[0x82, 0xfe, 0, 126, 0, 0, 0, 0], 126),
        (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 65_536),
    ];
    for (header, length) in table {
        let frame = [header, &vec![0; length]].concat();
        assert_eq!(
            receive_one(&mut server(), &frame),
            Event::from(vec![0; length])
        );
    }
}

#[test]
fn a_message_of_one_frame_that_lies_whole_in_the_input_is_not_copied() {
    let mut bytes = from_client(true, Opcode::Text, b"hello");
    let place = bytes.as_ptr_range();
    let mut server = server();
    let event = server.receive(&mut &mut bytes[..]).unwrap();
    let Some(Event::Text(std::borrow::Cow::Borrowed(text))) = event else {
        panic!("not borrowed: {event:?}");
    };
    assert!(place.contains(&text.as_ptr()));
}

#[test]
fn an_event_can_be_answered_while_it_borrows_the_input() {
    let mut bytes = [
        from_client(true, Opcode::Text, b"one"),
        from_client(true, Opcode::Text, b"two"),
    ]
    .concat();
    let mut input = &mut bytes[..];
    let mut server = server();
    while let Some(event) = server.receive(&mut input).unwrap() {
        server.send(event).unwrap();
    }
    assert_eq!(written(&mut server), b"\x81\x03one\x81\x03two");
}

#[test]
fn what_is_shared_arrives_like_what_is_sent_alone() {
    for length in [0, 125, SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN, 70_000] {
        let text = "x".repeat(length);
        let payload = Bytes::from(text.clone());
        let mut server = server();
        server.send(&text[..]).unwrap();
        let expected = written(&mut server);
        server.send_shared(MessageKind::Text, &payload).unwrap();
        assert_eq!(written(&mut server), expected, "{length} shared");
        server.send_encoded(&frame::encode_text(&text)).unwrap();
        assert_eq!(written(&mut server), expected, "{length} encoded");
        let mut client = client();
        client.send_shared(MessageKind::Text, &payload).unwrap();
        assert_eq!(
            receive_one(&mut server, &written(&mut client)),
            Event::from(&text[..])
        );
    }
}

#[test]
fn a_client_cannot_send_a_servers_frames() {
    let mut client = client();
    assert_eq!(
        client.send_encoded(&frame::encode_text("x")),
        Err(SendError::NotAServer)
    );
    assert_eq!(written(&mut client), b"");
}

#[test]
fn an_idle_connection_is_small() {
    assert!(
        size_of::<Connection>() <= 256,
        "{} bytes",
        size_of::<Connection>()
    );
}
