//! A message compressed once is right for everybody, whatever each agreed on and has received.

use miniz_oxide::MZFlush;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::{Connection, Event, Fragment, MessageKind, Prepared, frame};

use crate::inflater::Inflater;
use crate::support::*;

/// A receiver that is another's: its state lives as long as the connection.
struct Theirs(Box<InflateState>);

impl Theirs {
    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
        let mut output = vec![0; 200_000];
        let result = inflate(&mut self.0, &bytes, &mut output, MZFlush::Sync);
        result.status.unwrap();
        assert_eq!(result.bytes_consumed, bytes.len());
        output.truncate(result.bytes_written);
        output
    }
}

/// Compresses however small.
fn everything() -> Policy {
    Policy {
        compress_from: 0,
        ..Policy::default()
    }
}

/// Everything that one follower reads by.
struct Follower {
    agreement: Agreement,
    server: Connection,
    ours: Connection,
    plainest: Inflater,
    theirs: Theirs,
}

impl Follower {
    fn new(agreement: Agreement) -> Self {
        Self {
            agreement,
            server: server(agreement),
            ours: client(agreement),
            plainest: Inflater::new(agreement.server_max_window_bits),
            theirs: Theirs(InflateState::new_boxed(miniz_oxide::DataFormat::Raw)),
        }
    }

    /// Reads what was sent since, which must be these messages; says which came compressed.
    fn check(&mut self, messages: &[Vec<u8>]) -> Vec<bool> {
        let bytes = written(&mut self.server);
        let expected: Vec<_> = messages
            .iter()
            .map(|bytes| Event::from(&bytes[..]))
            .collect();
        assert_eq!(receive(&mut self.ours, &bytes, 1000).unwrap(), expected);
        let mut compressed = Vec::new();
        let mut payload = Vec::new();
        let mut messages = messages.iter();
        for (first, part) in frames(&bytes) {
            if first & !FIN != 0 {
                compressed.push(first & RSV1 != 0);
            }
            payload.extend(part);
            if first & FIN == 0 {
                continue;
            }
            let mut message = std::mem::take(&mut payload);
            if compressed.last() == Some(&true) {
                if self.agreement.server_no_context_takeover {
                    self.plainest.reset();
                    self.theirs = Theirs(InflateState::new_boxed(miniz_oxide::DataFormat::Raw));
                }
                let theirs = self.theirs.message(&message);
                message = self.plainest.message(&message).unwrap();
                assert!(theirs == message);
            }
            assert!(Some(&message) == messages.next());
        }
        assert!(messages.next().is_none());
        compressed
    }
}

#[test]
fn shared_messages_and_own_ones_take_turns_in_any_order_by_any_agreement() {
    for agreement in agreements() {
        let mut follower = Follower::new(agreement);
        let mut random = fastrand::Rng::with_seed(u64::from(agreement.server_max_window_bits));
        let mut sent = Vec::new();
        for round in 0..150 {
            let bytes = random
                .choice([1, 50, 200, 256, 257, 500, 2000, 9000, 40_000])
                .unwrap();
            let message = chat(random.u64(..6), bytes).into_bytes();
            match random.u8(..3) {
                0 => {
                    let policy = Policy {
                        level: random.u8(1..=9),
                        ..everything()
                    };
                    let shared = Prepared::binary(&message).deflated(&policy);
                    follower.server.send_prepared(&shared).unwrap();
                }
                1 => follower.server.send(&message[..]).unwrap(),
                _ => {
                    let (begin, end) = message.split_at(message.len() / 3);
                    for (part, fragment) in [(begin, Fragment::More), (end, Fragment::Last)] {
                        let sent =
                            follower
                                .server
                                .send_fragment(MessageKind::Binary, part, fragment);
                        sent.unwrap();
                    }
                }
            }
            sent.push(message);
            if round % 5 == 4 {
                follower.check(&std::mem::take(&mut sent));
            }
        }
    }
}

#[test]
fn a_follower_gets_the_compressed_frame_if_the_message_fits_its_window() {
    for window_bits in 8..=15 {
        let bytes = 1 << window_bits;
        for (bytes, fits) in [(bytes - 1, true), (bytes, true), (bytes + 1, false)] {
            let message = vec![b'x'; bytes];
            let shared = Prepared::binary(&message).deflated(&everything());
            for alone in [false, true] {
                let mut follower = Follower::new(agreement(alone, window_bits));
                let compressed = shared.compressed(follower.agreement);
                assert_eq!(compressed.is_some(), fits);
                follower.server.send_prepared(&shared).unwrap();
                assert_eq!(follower.check(std::slice::from_ref(&message)), [fits]);
            }
        }
    }
}

#[test]
fn a_frame_refers_no_farther_back_than_its_policy_s_window() {
    // What repeats, near and far.
    let message = [noise(1, 100).repeat(200), noise(2, 20_000).repeat(2)].concat();
    for window_bits in 9..=15 {
        let policy = Policy {
            server_max_window_bits: window_bits,
            level: 6, // it stores what does not shrink
            ..everything()
        };
        let frame = frame::encode_deflated(MessageKind::Binary, &message, &policy).unwrap();
        let (_, payload) = frames(&frame).remove(0);
        let mut plainest = Inflater::new(window_bits);
        assert_eq!(plainest.message(&payload).unwrap(), message);
    }
}

#[test]
fn what_is_too_small_or_does_not_shrink_has_no_compressed_frame() {
    let policy = Policy::default();
    let encode = |payload: &[u8]| frame::encode_deflated(MessageKind::Text, payload, &policy);
    assert!(encode(&[b'x'; 255]).is_none());
    assert!(encode(&[b'x'; 256]).is_some_and(|frame| frame[0] == FIN | RSV1 | TEXT));
    assert!(encode(&noise(1, 256)).is_none());
}

#[test]
fn a_small_window_on_the_client_s_side_does_not_matter() {
    let shared = Prepared::binary(&[b'x'; 5000]).deflated(&Policy::default());
    let agreement = Agreement {
        client_max_window_bits: 8,
        ..Agreement::default()
    };
    assert!(shared.compressed(agreement).is_some());
}

#[test]
fn the_same_memory_goes_to_every_follower() {
    let shared = Prepared::binary(&noise(1, 9000).repeat(2)).deflated(&Policy::default());
    let compressed = shared.compressed(Agreement::default()).unwrap();
    assert!(compressed.len() < 10_000);
    for agreement in [agreement(false, 15), agreement(true, 15)] {
        use bytes::Buf;
        let mut server = server(agreement);
        server.send_prepared(&shared).unwrap();
        assert_eq!(server.output().chunk().as_ptr(), compressed.as_ptr());
    }
}

#[test]
fn what_does_not_compress_is_shared_plain() {
    let shared = Prepared::binary(&noise(1, 9000)).deflated(&Policy::default());
    assert!(shared.compressed(Agreement::default()).is_none());
    let small = Prepared::text("xxxxxxxxxxxxxxxxx").deflated(&Policy::default());
    assert!(small.compressed(Agreement::default()).is_none());
    let mut follower = Follower::new(Agreement::default());
    follower.server.send_prepared(&shared).unwrap();
    assert_eq!(follower.check(&[noise(1, 9000)]), [false]);
}

#[test]
fn a_client_sends_a_prepared_message_like_any_other() {
    for shared in [
        Prepared::text("to one"),
        Prepared::text(&"to one ".repeat(99)).deflated(&Policy::default()),
    ] {
        let (mut client, mut server) = (client(agreement(false, 15)), server(agreement(false, 15)));
        client.send_prepared(&shared).unwrap();
        let text = std::str::from_utf8(shared.payload()).unwrap();
        let events = receive(&mut server, &written(&mut client), usize::MAX).unwrap();
        assert_eq!(events, [Event::from(text)]);
    }
}
