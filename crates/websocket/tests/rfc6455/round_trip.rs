//! What one end sends, the other receives: any messages, in any fragments, with control frames
//! between.

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_websocket::{Close, CloseCode, Connection, Event, Fragment, MessageKind};

use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    Message(Event<'static>),
    /// A text or binary message in fragments of this size, with a ping before each.
    Fragments(MessageKind, String, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let text = || {
        prop_oneof![
            "[a-zé世🌍]{0,40}",
            Just("x".repeat(126)),
            Just("é".repeat(40_000))
        ]
    };
    prop_oneof![
        text().prop_map(|text| Step::Message(Event::from(text))),
        vec(any::<u8>(), 0..200).prop_map(|bytes| Step::Message(Event::from(bytes))),
        vec(any::<u8>(), 0..=125).prop_map(|bytes| Step::Message(Event::Pong(bytes.into()))),
        (any::<bool>(), text(), 1usize..50).prop_map(|(is_text, text, size)| {
            let kind = if is_text {
                MessageKind::Text
            } else {
                MessageKind::Binary
            };
            let size = size.max(text.len() / 20);
            Step::Fragments(kind, text, size)
        }),
    ]
}

/// Sends the step; gives what must arrive.
fn send(connection: &mut Connection, step: &Step) -> Vec<Event<'static>> {
    match step {
        Step::Message(event) => {
            connection.send(event.clone()).unwrap();
            vec![event.clone()]
        }
        Step::Fragments(kind, content, size) => {
            let mut expected = Vec::new();
            for piece in content.as_bytes().chunks(*size) {
                let ping = Event::Ping(piece[..1].to_vec().into());
                connection.send(ping.clone()).unwrap();
                connection
                    .send_fragment(*kind, piece, Fragment::More)
                    .unwrap();
                expected.push(ping);
            }
            connection
                .send_fragment(*kind, b"", Fragment::Last)
                .unwrap();
            expected.push(match kind {
                MessageKind::Text => Event::from(content.clone()),
                MessageKind::Binary => Event::from(content.clone().into_bytes()),
            });
            expected
        }
    }
}

fn check_direction(
    mut sender: Connection,
    mut receiver: Connection,
    steps: &[Step],
    read_bytes: usize,
) -> Result<(), TestCaseError> {
    let mut expected: Vec<_> = steps
        .iter()
        .flat_map(|step| send(&mut sender, step))
        .collect();
    sender.close(Close::new(CloseCode::NORMAL, "done")).unwrap();
    expected.push(Event::Close(Close::new(CloseCode::NORMAL, "done")));
    let received = receive_pieces(&mut receiver, written(&mut sender).chunks(read_bytes));
    prop_assert_eq!(received.fault, None);
    prop_assert_eq!(received.events, expected);

    // And back: a pong for each ping, then the Close.
    let pings = steps.iter().flat_map(|step| match step {
        Step::Message(_) => Vec::new(),
        Step::Fragments(_, content, size) => content
            .as_bytes()
            .chunks(*size)
            .map(|piece| piece[..1].to_vec())
            .collect(),
    });
    let mut answers: Vec<_> = pings.map(|payload| Event::Pong(payload.into())).collect();
    answers.push(Event::Close(Close::new(CloseCode::NORMAL, "")));
    let received = receive(&mut sender, &written(&mut receiver));
    prop_assert_eq!(received.events, answers);
    prop_assert!(sender.is_closed() && receiver.is_closed());
    Ok(())
}

proptest! {
    #[test]
    fn what_a_client_sends_arrives_at_the_server(steps in vec(step(), 0..6), read_bytes in 1usize..100_000) {
        check_direction(client(), server(), &steps, read_bytes)?;
    }

    #[test]
    fn what_a_server_sends_arrives_at_the_client(steps in vec(step(), 0..6), read_bytes in 1usize..100_000) {
        check_direction(server(), client(), &steps, read_bytes)?;
    }
}
