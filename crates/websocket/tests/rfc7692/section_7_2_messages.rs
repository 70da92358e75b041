//! "Compression and decompression" of messages: the examples of the RFC, what ends a message, and
//! what is none.

use tidings_websocket::deflate::Agreement;
use tidings_websocket::{Config, Connection, Event, Fault};

use crate::support::*;

/// The text that a compressed message is, after others on the same connection.
fn texts(messages: &[&[u8]]) -> Result<Vec<Event<'static>>, Fault> {
    texts_by(Agreement::default(), messages)
}

fn texts_by(agreement: Agreement, messages: &[&[u8]]) -> Result<Vec<Event<'static>>, Fault> {
    let frames: Vec<_> = messages
        .iter()
        .flat_map(|message| frame(FIN | RSV1 | TEXT, message))
        .collect();
    let whole = receive(&mut client(agreement), &frames, usize::MAX);
    for step in 1..6 {
        assert_eq!(receive(&mut client(agreement), &frames, step), whole);
    }
    whole
}

fn hello(times: usize) -> Result<Vec<Event<'static>>, Fault> {
    Ok(vec![Event::from("Hello"); times])
}

const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
/// Refers to the "Hello" before it.
const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";
/// In a block that says it is the last.
const HELLO_FINAL: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";

#[test]
fn the_examples_of_the_rfc_are_understood() {
    assert_eq!(texts(&[HELLO]), hello(1)); // 7.2.3.1
    assert_eq!(texts(&[HELLO, HELLO_AGAIN]), hello(2)); // 7.2.3.2
    let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    assert_eq!(texts(&[stored]), hello(1)); // 7.2.3.3
    assert_eq!(texts(&[HELLO_FINAL]), hello(1)); // 7.2.3.4
    let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    assert_eq!(texts(&[two_blocks]), hello(1)); // 7.2.3.5
    assert_eq!(texts(&[b"\x00"]), Ok(vec![Event::from("")])); // 7.2.3.6
}

#[test]
fn what_a_final_block_ends_is_not_the_context() {
    assert_eq!(
        texts(&[HELLO, HELLO_FINAL, HELLO_AGAIN, HELLO_FINAL]),
        hello(4)
    );
    // Within a message, and without the padding that the RFC asks for.
    let both = [&HELLO_FINAL[..7], HELLO_AGAIN].concat();
    let expected = vec![Event::from("HelloHello"), Event::from("Hello")];
    assert_eq!(texts(&[&both, &HELLO_FINAL[..7]]), Ok(expected));
}

#[test]
fn without_context_takeover_a_message_refers_to_itself_alone() {
    let alone = agreement(true, 15);
    assert_eq!(
        texts_by(alone, &[HELLO, HELLO, HELLO_FINAL, HELLO]),
        hello(4)
    );
    assert_eq!(texts_by(alone, &[HELLO, HELLO_AGAIN]), Err(Fault::Deflate));
}

#[test]
fn what_one_connection_received_no_other_can_refer_to() {
    let [mut one, mut busy, mut other] = [(); 3].map(|()| client(Agreement::default()));
    let message = |payload| frame(FIN | RSV1 | TEXT, payload);
    assert_eq!(receive(&mut one, &message(HELLO), 99), hello(1));
    // While this keeps the thread's only decompressor, the empty message is given a new one, with
    // the context, and needs nothing of it.
    let begun = receive(&mut busy, &frame(RSV1 | TEXT, HELLO), 99);
    assert_eq!(begun, Ok(Vec::new()));
    assert_eq!(receive(&mut one, &message(b""), 99), Ok(vec!["".into()]));
    let stolen = receive(&mut other, &message(HELLO_AGAIN), 99);
    assert_eq!(stolen, Err(Fault::Deflate));
}

#[test]
fn only_compressed_messages_are_context() {
    let mut client = client(Agreement::default());
    let frames = [
        frame(FIN | RSV1 | TEXT, HELLO),
        frame(FIN | TEXT, b"Hallo"),
        frame(FIN | RSV1 | TEXT, HELLO_AGAIN),
    ];
    let events = receive(&mut client, &frames.concat(), usize::MAX).unwrap();
    assert_eq!(events[2], Event::from("Hello"));
}

#[test]
fn what_other_implementations_make_of_an_empty_message_is_understood() {
    assert_eq!(
        texts(&[b"", HELLO, b"", HELLO_AGAIN]).unwrap()[3],
        Event::from("Hello")
    );
    // A fragment that was flushed, its end not cut off, and an empty one after it.
    let flushed = [HELLO, &[0x00, 0x00, 0xff, 0xff]].concat();
    let frames = [
        frame(RSV1 | TEXT, &flushed),
        frame(FIN, b""),
        frame(FIN | RSV1 | TEXT, HELLO_AGAIN),
    ];
    for step in (1..30).step_by(if cfg!(miri) { 7 } else { 1 }) {
        let mut client = client(Agreement::default());
        assert_eq!(receive(&mut client, &frames.concat(), step), hello(2));
    }
}

#[test]
fn a_message_that_was_cut_off_anywhere_is_refused() {
    let mut server = server(agreement(true, 15));
    server.send(&chat(1, 2000)[..]).unwrap();
    let frames = frames(&written(&mut server));
    let payload = &frames[0].1;
    for end in (1..payload.len()).step_by(if cfg!(miri) { 97 } else { 1 }) {
        let message = frame(FIN | RSV1 | BINARY, &payload[..end]);
        let received = receive(&mut client(Agreement::default()), &message, usize::MAX);
        assert_eq!(received, Err(Fault::Deflate), "{end} of {}", payload.len());
    }
}

#[test]
fn what_is_not_deflate_is_refused_and_the_close_code_says_so() {
    for garbage in [
        &b"\xff\xff\xff"[..],
        b"\x06",
        b"\x00\x05\x00\xfa\xfe",
        b"\x04\x00",
    ] {
        let mut client = client(Agreement::default());
        let message = frame(FIN | RSV1 | BINARY, garbage);
        assert_eq!(
            receive(&mut client, &message, usize::MAX),
            Err(Fault::Deflate)
        );
        assert!(client.is_closed());
        let mut server = server(Agreement::default());
        let events = receive(&mut server, &written(&mut client), usize::MAX).unwrap();
        let [Event::Close(close)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(u16::from(close.code), 1007);
    }
}

#[test]
fn text_is_checked_when_it_is_decompressed() {
    let mut server = server(Agreement::default());
    server.send(&b"ok \xff and more"[..]).unwrap();
    let frames = frames(&written(&mut server));
    let message = frame(FIN | RSV1 | TEXT, &frames[0].1);
    for step in (1..20).step_by(if cfg!(miri) { 7 } else { 1 }) {
        let received = receive(&mut client(Agreement::default()), &message, step);
        assert_eq!(received, Err(Fault::InvalidUtf8));
    }
}

#[test]
#[cfg_attr(miri, ignore = "would take it hours")]
fn the_limit_is_that_of_what_comes_out() {
    for alone in [false, true] {
        let config = Config {
            message_bytes_max: 50_000,
            ..config()
        };
        for (bytes, fits) in [
            (49_999, true),
            (50_000, true),
            (50_001, false),
            (9_000_000, false),
        ] {
            let agreement = agreement(alone, 15);
            let mut server = server(agreement);
            server.send(vec![0; bytes]).unwrap();
            let message = written(&mut server);
            assert!(message.len() < bytes / 100);
            let mut client = Connection::client(config, || KEY).with_deflate(agreement);
            let received = receive(&mut client, &message, 999);
            let too_big = Fault::MessageTooBig { max: 50_000 };
            assert_eq!(received.is_ok(), fits, "{bytes}");
            assert!(fits || received == Err(too_big));
        }
    }
}
