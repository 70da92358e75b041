//! "A client MUST mask all frames", "a server MUST NOT mask any frames".

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
