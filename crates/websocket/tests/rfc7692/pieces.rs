//! Compressed messages in pieces: what comes out is the same, and no piece is big.

use tidings_websocket::{Connection, Event, Fragment, MessageKind, Received};

use crate::support::*;

/// The most that one piece of a compressed message is.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// Receives in pieces, or whole where `whole` says so; gives the messages put together, and the
/// size of the largest piece.
fn receive_pieces(
    connection: &mut Connection,
    bytes: &[u8],
    step: usize,
    mut whole: impl FnMut() -> bool,
) -> (Vec<(MessageKind, Vec<u8>)>, usize) {
    let mut messages = Vec::new();
    let mut begun = Vec::new();
    let mut longest = 0;
    for read in bytes.chunks(step) {
        let mut read = read.to_vec();
        let mut input = &mut read[..];
        loop {
            if whole() {
                let (kind, rest) = match connection.receive(&mut input).unwrap() {
                    None => break,
                    Some(Event::Text(text)) => (MessageKind::Text, text.into_owned().into_bytes()),
                    Some(Event::Binary(bytes)) => (MessageKind::Binary, bytes.into_owned()),
                    Some(event) => panic!("{event:?}"),
                };
                // A character that was cut comes whole.
                while !begun.is_empty() && kind == MessageKind::Text {
                    if std::str::from_utf8(&begun).is_ok() {
                        break;
                    }
                    begun.pop();
                }
                begun.extend(rest);
                messages.push((kind, std::mem::take(&mut begun)));
                continue;
            }
            match connection.receive_piece(&mut input).unwrap() {
                None => break,
                Some(Received::Event(event)) => panic!("{event:?}"),
                Some(Received::Piece(piece)) => {
                    longest = longest.max(piece.payload.len());
                    begun.extend_from_slice(&piece.payload);
                    if piece.fragment == Fragment::Last {
                        messages.push((piece.kind, std::mem::take(&mut begun)));
                    }
                }
            }
        }
        assert!(input.is_empty());
    }
    assert!(begun.is_empty());
    (messages, longest)
}

#[test]
fn a_compressed_message_comes_in_pieces_that_together_are_the_message() {
    for alone in [false, true] {
        for step in [1, 7, 100, 5000, usize::MAX] {
            let agreement = agreement(alone, 15);
            let messages = [
                (MessageKind::Binary, vec![0; 5 * PIECE_BYTES_MAX]),
                (MessageKind::Text, chat(1, 50_000).into_bytes()),
                (MessageKind::Binary, vec![0; PIECE_BYTES_MAX]),
                (MessageKind::Binary, Vec::new()),
                (MessageKind::Binary, noise(3, 1000)),
                (MessageKind::Text, chat(1, 40_000).into_bytes()),
            ];
            // What a client sends is masked, and a piece may end in the middle of that.
            for (mut sender, mut receiver) in [
                (server(agreement), client(agreement)),
                (client(agreement), server(agreement)),
            ] {
                for (kind, payload) in &messages {
                    for part in payload.chunks(39_999) {
                        sender.send_fragment(*kind, part, Fragment::More).unwrap();
                    }
                    sender.send_fragment(*kind, b"", Fragment::Last).unwrap();
                }
                let bytes = written(&mut sender);
                let (received, longest) = receive_pieces(&mut receiver, &bytes, step, || false);
                assert!(received == messages, "reads of {step}");
                assert!(longest <= PIECE_BYTES_MAX);
            }
        }
    }
}

#[test]
fn the_rest_of_a_message_whose_end_has_come_is_brought_whole() {
    // Around what one piece holds, all payload is taken before everything came out of it.
    for bytes in PIECE_BYTES_MAX - 1..PIECE_BYTES_MAX + 300 {
        let (mut server, mut client) = (server(agreement(false, 15)), client(agreement(false, 15)));
        let message = (MessageKind::Binary, vec![b'x'; bytes]);
        for _ in 0..2 {
            server.send(message.1.clone()).unwrap();
        }
        let mut calls = 0;
        let (received, _) = receive_pieces(&mut client, &written(&mut server), 1 << 20, || {
            calls += 1;
            calls > 1
        });
        assert!(received == [message.clone(), message], "{bytes} bytes");
    }
}

#[test]
fn either_way_of_receiving_may_be_used_at_any_time() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let agreement = agreement(random.bool(), 15);
        let (mut server, mut client) = (server(agreement), client(agreement));
        let mut messages = Vec::new();
        for _ in 0..6 {
            let bytes = random.choice([3, 500, 20_000, 60_000]).unwrap();
            let text = match random.bool() {
                true => chat(random.u64(..), bytes),
                false => "é世🌍".repeat(bytes / 9),
            };
            let kind = match random.bool() {
                true => MessageKind::Text,
                false => MessageKind::Binary,
            };
            if random.bool() {
                server
                    .send_fragment(kind, text.as_bytes(), Fragment::Last)
                    .unwrap();
            } else {
                for part in text.as_bytes().chunks(random.usize(100..3000)) {
                    server.send_fragment(kind, part, Fragment::More).unwrap();
                }
                server.send_fragment(kind, b"", Fragment::Last).unwrap();
            }
            messages.push((kind, text.into_bytes()));
        }
        let bytes = written(&mut server);
        let step = random.choice([1, 10, 333, 4096, 100_000]).unwrap();
        let (received, _) = receive_pieces(&mut client, &bytes, step, || random.u8(..3) == 0);
        assert!(received == messages, "seed {seed}");
    }
}
