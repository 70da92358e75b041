//! Messages in fragments, and the control frames between them.

use tidings_websocket::frame::Opcode;
use tidings_websocket::{Event, Fault, Fragment, MessageKind, SendError};

use crate::support::*;

#[test]
fn fragments_become_one_message() {
    let bytes = [
        from_client(false, Opcode::Text, "Hé".as_bytes()),
        from_client(false, Opcode::Continuation, b""),
        from_client(true, Opcode::Continuation, b"llo"),
    ];
    assert_eq!(
        receive_one(&mut server(), &bytes.concat()),
        Event::from("Héllo")
    );
}

#[test]
fn control_frames_between_fragments_come_first() {
    let bytes = [
        from_client(false, Opcode::Binary, b"a"),
        from_client(true, Opcode::Ping, b"p"),
        from_client(true, Opcode::Continuation, b"b"),
    ];
    let mut server = server();
    let received = receive(&mut server, &bytes.concat());
    assert_eq!(
        received.events,
        [Event::Ping(b"p"[..].into()), Event::from(&b"ab"[..])]
    );
    assert_eq!(written(&mut server), b"\x8a\x01p");
}

#[test]
fn fragments_out_of_order_are_faults() {
    let begin = from_client(false, Opcode::Text, b"a");
    let table = [
        (
            vec![from_client(true, Opcode::Continuation, b"a")],
            Fault::ContinuationWithoutMessage,
        ),
        (
            vec![from_client(false, Opcode::Continuation, b"a")],
            Fault::ContinuationWithoutMessage,
        ),
        (
            vec![begin.clone(), from_client(true, Opcode::Text, b"b")],
            Fault::MessageInterrupted,
        ),
        (
            vec![begin.clone(), from_client(false, Opcode::Binary, b"b")],
            Fault::MessageInterrupted,
        ),
        (
            vec![
                begin,
                from_client(true, Opcode::Continuation, b"b"),
                from_client(true, Opcode::Continuation, b"c"),
            ],
            Fault::ContinuationWithoutMessage,
        ),
    ];
    for (frames, expected) in table {
        assert_eq!(fault(&mut server(), &frames.concat()), expected);
    }
}

#[test]
fn a_message_can_be_sent_in_fragments_with_control_frames_between() {
    let (mut client, mut server) = (client(), server());
    client
        .send_fragment(MessageKind::Text, &"é".as_bytes()[..1], Fragment::More)
        .unwrap();
    client.send(Event::Pong(b""[..].into())).unwrap();
    client
        .send_fragment(MessageKind::Text, &"é".as_bytes()[1..], Fragment::Last)
        .unwrap();
    client.send("next").unwrap();
    let received = receive(&mut server, &written(&mut client));
    let expected = [
        Event::Pong(b""[..].into()),
        Event::from("é"),
        Event::from("next"),
    ];
    assert_eq!(received.events, expected);
}

#[test]
fn no_other_message_fits_between_the_fragments_that_are_sent() {
    let mut client = client();
    client
        .send_fragment(MessageKind::Text, b"a", Fragment::More)
        .unwrap();
    let before = client.unsent_bytes();
    assert_eq!(client.send("b"), Err(SendError::MessageUnfinished));
    assert_eq!(
        client.send_fragment(MessageKind::Binary, b"b", Fragment::Last),
        Err(SendError::MessageUnfinished)
    );
    assert_eq!(client.unsent_bytes(), before);
}
