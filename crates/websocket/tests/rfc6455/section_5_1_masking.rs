//! "A client MUST mask all frames", "a server MUST NOT mask any frames"; and section 5.3, how.

use tidings_websocket::frame::Opcode;
use tidings_websocket::{Config, Connection, Event, Fault};

use crate::support::*;

#[test]
fn a_server_refuses_a_frame_without_a_mask() {
    let frame = from_server(true, Opcode::Text, b"hi");
    assert_eq!(fault(&mut server(), &frame), Fault::MaskMissing);
}

#[test]
fn a_client_refuses_a_frame_with_a_mask() {
    let frame = from_client(true, Opcode::Text, b"hi");
    assert_eq!(fault(&mut client(), &frame), Fault::MaskUnexpected);
}

#[test]
fn the_examples_of_section_5_7_are_understood() {
    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(receive_one(&mut server(), &masked), Event::from("Hello"));
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(receive_one(&mut client(), &unmasked), Event::from("Hello"));
}

#[test]
fn a_client_masks_each_frame_with_a_new_key() {
    let mut keys = (1u8..).map(|at| [at; 4]);
    let mut client = Connection::client(Config::default(), move || keys.next().unwrap_or_default());
    client.send("a").unwrap();
    client.send("a").unwrap();
    let expected = [
        &[0x81, 0x81, 1, 1, 1, 1, b'a' ^ 1][..],
        &[0x81, 0x81, 2, 2, 2, 2, b'a' ^ 2],
    ];
    assert_eq!(written(&mut client), expected.concat());
}

#[test]
fn a_server_masks_nothing() {
    let mut server = server();
    server.send("Hello").unwrap();
    server.send(Event::Ping(b"p"[..].into())).unwrap();
    assert_eq!(written(&mut server), b"\x81\x05Hello\x89\x01p");
}

/// Section 5.3, word by word: "octet i of the transformed data is the XOR of octet i of the
/// original data with octet at index i modulo 4 of the masking key".
fn masked_as_defined(payload: &[u8]) -> Vec<u8> {
    let octets = payload.iter().enumerate();
    octets.map(|(i, octet)| octet ^ KEY[i % 4]).collect()
}

/// A frame that none of our masking has touched.
fn frame_as_defined(payload: &[u8]) -> Vec<u8> {
    let mut frame = from_client(true, Opcode::Binary, payload);
    frame.truncate(frame.len() - payload.len());
    frame.extend(masked_as_defined(payload));
    frame
}

/// Bytes that repeat neither with the key nor with any power of two.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Every small length, and some around those at which a faster way might begin.
fn lengths() -> Vec<usize> {
    if cfg!(miri) {
        return vec![0, 5, 130, 1025]; // it interprets every step
    }
    let around = |at: usize| at - 1..at + 2;
    let bounds = [1 << 10, 1 << 12, 1 << 13, 1 << 15, 1 << 16];
    (0..300)
        .chain(bounds.into_iter().flat_map(around))
        .collect()
}

#[test]
fn every_length_is_unmasked_as_defined_wherever_its_frame_begins() {
    for len in lengths() {
        for before in 0..if cfg!(miri) { 2 } else { 8 } {
            let pong = from_client(true, Opcode::Pong, &payload(before));
            let bytes = [pong, frame_as_defined(&payload(len))].concat();
            let received = receive(&mut server(), &bytes);
            assert!(
                received.events[1] == Event::from(payload(len)),
                "{len} bytes, {before} more before them"
            );
        }
    }
}

#[test]
fn every_length_is_masked_as_defined() {
    for len in lengths() {
        let mut client = client();
        client.send(payload(len)).unwrap();
        assert!(
            written(&mut client) == frame_as_defined(&payload(len)),
            "{len} bytes"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "would take it hours")]
fn a_payload_in_pieces_of_any_size_is_unmasked_like_a_whole_one() {
    let len = 20_000;
    let frame = frame_as_defined(&payload(len));
    let sizes = (1..70).chain([255, 1023, 1025, 4099, 8191, 8193, 12_289]);
    for size in sizes {
        let received = receive_pieces(&mut server(), frame.chunks(size));
        assert!(
            received.events == [Event::from(payload(len))],
            "pieces of {size}"
        );
    }
}
