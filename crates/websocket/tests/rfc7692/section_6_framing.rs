//! "Framing": what the first reserved bit may stand on, and what need not be compressed.

use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::{Config, Connection, Event, Fault, Fragment, MessageKind};

use crate::inflater::Inflater;
use crate::support::*;

/// "Hello", from the examples of section 7.2.3.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

fn received(bytes: &[u8]) -> Result<Vec<Event<'static>>, Fault> {
    receive(&mut client(Agreement::default()), bytes, usize::MAX)
}

#[test]
fn the_bit_means_something_only_where_it_was_agreed_on() {
    let frame = frame(FIN | RSV1 | TEXT, HELLO);
    assert_eq!(received(&frame), Ok(vec![Event::from("Hello")]));
    let mut plain = Connection::client(Config::default(), || KEY);
    let fault = receive(&mut plain, &frame, usize::MAX);
    assert_eq!(fault, Err(Fault::ReservedBits));
    // And fails at the first byte that says so.
    let mut plain = Connection::client(Config::default(), || KEY);
    assert_eq!(
        receive(&mut plain, &frame[..2], 1),
        Err(Fault::ReservedBits)
    );
}

#[test]
fn the_other_reserved_bits_never_mean_anything() {
    for bits in [0x20, 0x10, 0x30, RSV1 | 0x20, RSV1 | 0x10, 0x70] {
        let fault = received(&frame(FIN | bits | TEXT, HELLO));
        assert_eq!(fault, Err(Fault::ReservedBits), "{bits:x}");
    }
}

#[test]
fn the_bit_stands_on_no_control_frame_and_on_no_continuation() {
    for opcode in [8, 9, 10] {
        let fault = received(&frame(FIN | RSV1 | opcode, b""));
        assert_eq!(fault, Err(Fault::ReservedBits), "opcode {opcode}");
    }
    let fragments = [
        frame(RSV1 | TEXT, &HELLO[..3]),
        frame(FIN | RSV1, &HELLO[3..]),
    ];
    assert_eq!(received(&fragments.concat()), Err(Fault::ReservedBits));
}

#[test]
fn a_peer_may_send_any_message_uncompressed() {
    let frames = [
        frame(FIN | TEXT, b"plain"),
        frame(FIN | RSV1 | TEXT, HELLO),
        frame(FIN | BINARY, b"plain"),
    ];
    let events = [
        Event::from("plain"),
        Event::from("Hello"),
        Event::from(&b"plain"[..]),
    ];
    assert_eq!(received(&frames.concat()), Ok(events.to_vec()));
}

#[test]
fn control_frames_come_between_the_fragments_of_a_compressed_message() {
    let frames = [
        frame(RSV1 | TEXT, &HELLO[..3]),
        frame(FIN | 9, b"ping"),
        frame(0, b""),
        frame(FIN, &HELLO[3..]),
    ];
    let events = vec![Event::Ping(b"ping"[..].into()), Event::from("Hello")];
    for step in 1..20 {
        let mut client = client(Agreement::default());
        let received = receive(&mut client, &frames.concat(), step);
        assert_eq!(received.as_ref(), Ok(&events), "reads of {step}");
    }
}

#[test]
fn small_messages_and_those_that_do_not_compress_are_sent_as_they_are() {
    let policy = Policy {
        compress_from: 100,
        ..Policy::default()
    };
    let config = Config {
        deflate: Some(policy),
        ..Config::default()
    };
    for alone in [false, true] {
        let agreement = agreement(alone, 15);
        let mut server = Connection::server(config).with_deflate(agreement);
        for message in [vec![b'x'; 99], vec![b'x'; 100], noise(7, 3000)] {
            server.send(message).unwrap();
        }
        let firsts: Vec<_> = frames(&written(&mut server))
            .into_iter()
            .map(|(first, _)| first)
            .collect();
        let expected = [FIN | BINARY, FIN | RSV1 | BINARY, FIN | BINARY];
        assert_eq!(firsts, expected, "alone: {alone}");
    }
}

#[test]
fn a_message_in_fragments_is_marked_once_and_each_fragment_can_be_read_when_it_comes() {
    for alone in [false, true] {
        let mut server = server(agreement(alone, 15));
        let mut inflater = Inflater::new(15);
        for _ in 0..2 {
            if alone {
                inflater.reset();
            }
            let mut payload = Vec::new();
            for (at, text) in ["one", "", "one two", "one two three", ""]
                .into_iter()
                .enumerate()
            {
                let fragment = if at == 4 {
                    Fragment::Last
                } else {
                    Fragment::More
                };
                let sent = server.send_fragment(MessageKind::Text, text.as_bytes(), fragment);
                assert_eq!(sent, Ok(()));
                server.send(Event::Ping(b"between"[..].into())).unwrap();
                let frames = frames(&written(&mut server));
                let [(first, bytes), (0x89, _)] = &frames[..] else {
                    panic!("{frames:?}");
                };
                let expected = match at {
                    0 => RSV1 | TEXT,
                    4 => FIN,
                    _ => 0,
                };
                assert_eq!(*first, expected);
                payload.extend_from_slice(bytes);
                if at == 2 {
                    // So far all ends where a flush does.
                    assert!(payload.ends_with(&[0x00, 0x00, 0xff, 0xff]));
                }
            }
            assert_eq!(
                inflater.message(&payload).unwrap(),
                b"oneone twoone two three"
            );
        }
    }
}

#[test]
fn a_message_that_grows_when_it_is_compressed_is_not_too_big_for_its_frame() {
    const MAX: usize = 128 * 1000;
    let config = Config {
        frame_bytes_max: MAX,
        message_bytes_max: MAX,
        ..config()
    };
    let ours = |agreement| Connection::client(config, || KEY).with_deflate(agreement);
    let mut server = server(Agreement::default());
    let noise = noise(1, MAX);
    for (part, fragment) in [(&noise[..], Fragment::More), (&[], Fragment::Last)] {
        let sent = server.send_fragment(MessageKind::Binary, part, fragment);
        sent.unwrap();
    }
    let sent = written(&mut server);
    assert!(frames(&sent)[0].1.len() > MAX);
    let received = receive(&mut ours(Agreement::default()), &sent, 1 << 16);
    assert_eq!(received, Ok(vec![Event::from(noise)]));

    // Nine bits for each byte, and one more.
    let longest = MAX + MAX / 8 + 16;
    let header = |bytes: usize| frame(FIN | RSV1 | BINARY, &vec![0; bytes])[..10].to_vec();
    let within = receive(&mut ours(Agreement::default()), &header(longest), 10);
    assert_eq!(within, Ok(vec![]));
    let beyond = receive(&mut ours(Agreement::default()), &header(longest + 1), 10);
    let bytes = longest as u64 + 1;
    assert_eq!(beyond, Err(Fault::FrameTooBig { bytes, max: MAX }));
}
