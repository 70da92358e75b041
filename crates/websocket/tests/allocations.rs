//! What the core allocates, counted: nothing for a small whole message, nothing for an idle
//! connection, and never more than the limits say for what a peer may send.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

use std::sync::Arc;

use allocation_counter::measure;
use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::{Config, Connection, Event, Fragment, Received, mask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const KIB: usize = 1024;

/// A client's frame.
fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = Header {
        fin,
        mask: Some(KEY),
        ..Header::whole(opcode, payload.len())
    };
    header.write(&mut frame);
    let begin = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[begin..], KEY);
    frame
}

/// Answers everything in one read, with a buffer that is lent; gives that back.
fn echo(server: &mut Connection, mut input: &mut [u8], buffer: Vec<u8>) -> Vec<u8> {
    assert!(server.lend_output(buffer).is_none());
    while let Some(event) = server.receive(&mut input).unwrap() {
        server.send(event).unwrap();
    }
    let written = server.unsent_bytes();
    server.reclaim_output(written).unwrap()
}

#[test]
fn a_thousand_small_messages_are_echoed_without_an_allocation() {
    for bytes in [20, 125, 126, KIB, 16 * KIB] {
        let mut server = Connection::server(Config::default());
        let mut read: Vec<u8> = [
            frame(true, Opcode::Text, "é".repeat(bytes / 2).as_bytes()),
            frame(true, Opcode::Binary, &vec![7; bytes]),
            frame(true, Opcode::Pong, b"sign of life"),
        ]
        .concat();
        let masked = read.clone();
        let mut buffer = Vec::with_capacity(64 * KIB);
        let counted = measure(|| {
            for _ in 0..500 {
                read.copy_from_slice(&masked);
                buffer = echo(&mut server, &mut read, std::mem::take(&mut buffer));
            }
        });
        assert_eq!(counted.count_total, 0, "messages of {bytes} bytes");
    }
}

#[test]
fn an_idle_connection_owns_no_memory_whatever_it_did_before() {
    let config = Arc::new(Config::default());
    let mut kept = None;
    let message = [
        frame(false, Opcode::Text, &[b'x'; 300]),
        frame(true, Opcode::Ping, b"between"),
        frame(true, Opcode::Continuation, &[b'x'; 300]),
    ]
    .concat();
    let counted = measure(|| {
        let mut server = Connection::server(config.clone());
        for cut in 0..message.len() {
            let mut read = message.clone();
            let (begin, end) = read.split_at_mut(cut);
            let buffer = echo(&mut server, begin, Vec::new());
            drop(echo(&mut server, end, buffer));
        }
        kept = Some(server);
    });
    assert_eq!(counted.bytes_current, 0);
    drop(kept);
}

#[test]
fn a_message_in_pieces_is_not_held_however_long_it_is() {
    let config = Config {
        message_bytes_max: 1 << 40,
        frame_bytes_max: 1 << 40,
        ..Config::default()
    };
    let mut server = Connection::server(config);
    let mut header = Vec::new();
    Header {
        mask: Some([0; 4]),
        ..Header::whole(Opcode::Text, 32 * KIB * KIB)
    }
    .write(&mut header);
    let mut read = "世".repeat(64 * KIB / 3).into_bytes();
    read.resize(64 * KIB, b'x');
    let mut received = 0;
    let counted = measure(|| {
        assert!(
            server
                .receive_piece(&mut &mut header[..])
                .unwrap()
                .is_none()
        );
        for _ in 0..32 * KIB / 64 {
            let mut input = &mut read[..];
            while let Some(Received::Piece(piece)) = server.receive_piece(&mut input).unwrap() {
                received += piece.payload.len();
                if piece.fragment == Fragment::Last {
                    assert_eq!(received, 32 * KIB * KIB);
                }
            }
        }
    });
    assert_eq!(received, 32 * KIB * KIB);
    assert!(counted.bytes_max <= 256, "{counted:?}");
    assert_eq!(counted.bytes_current, 0);
}

#[test]
fn a_big_message_is_held_once_and_grows_no_further_than_it_was_promised() {
    for bytes in [100 * KIB, 1000 * KIB, 1024 * KIB] {
        let mut message = frame(true, Opcode::Binary, &vec![1; bytes]);
        let mut server = Connection::server(Config::default());
        let mut event = None;
        let counted = measure(|| {
            for mut read in message.chunks_mut(64 * KIB) {
                event = server.receive(&mut read).unwrap();
            }
        });
        let Some(Event::Binary(payload)) = event else {
            panic!("{event:?}");
        };
        assert_eq!(payload.len(), bytes);
        let held = u64::try_from(counted.bytes_current).unwrap();
        assert_eq!(held, bytes as u64, "not more than the message");
        // What was copied while it grew: less than the message once more.
        assert!(counted.bytes_total - held <= held + 256, "{counted:?}");
    }
}

#[test]
fn a_message_in_small_fragments_is_seldom_moved() {
    let first = frame(false, Opcode::Binary, &[7; 10]);
    let next = frame(false, Opcode::Continuation, &[7; 10]);
    let mut read = [first, next.repeat(9_999)].concat();
    let mut server = Connection::server(Config::default());
    let counted = measure(|| assert!(server.receive(&mut &mut read[..]).unwrap().is_none()));
    assert!(counted.count_total < 20, "{counted:?}");
    assert!(counted.bytes_max <= 3 * 100_000, "{counted:?}");
}

#[test]
fn the_memory_of_a_big_message_that_was_echoed_is_used_by_the_next() {
    let text = "x".repeat(KIB * KIB);
    let masked = [
        frame(true, Opcode::Text, text.as_bytes()),
        frame(true, Opcode::Binary, text.as_bytes()),
    ]
    .concat();
    let mut server = Connection::server(Config::default());
    let mut echo_both = || {
        let mut read = masked.clone();
        let mut buffer = Vec::with_capacity(KIB);
        let counted = measure(|| {
            for piece in read.chunks_mut(256 * KIB) {
                buffer = echo(&mut server, piece, std::mem::take(&mut buffer));
            }
        });
        counted.bytes_total
    };
    let (first, second) = (echo_both(), echo_both());
    assert!(
        first >= (KIB * KIB) as u64 && second < 4 * KIB as u64,
        "{first}, {second}"
    );
}

#[test]
fn a_header_s_promise_takes_no_memory() {
    let mut header = Vec::new();
    Header {
        mask: Some(KEY),
        ..Header::whole(Opcode::Binary, KIB * KIB)
    }
    .write(&mut header);
    header.extend([0; 10]);
    let mut server = Connection::server(Config::default());
    let counted = measure(|| assert!(server.receive(&mut &mut header[..]).unwrap().is_none()));
    assert!(counted.bytes_max <= 256, "{counted:?}");
}

#[cfg(feature = "deflate")]
mod deflate {
    use bytes::Buf;
    use tidings_websocket::Fault;
    use tidings_websocket::deflate::{Agreement, Policy};

    use super::*;

    fn agreement(no_context_takeover: bool, window_bits: u8) -> Agreement {
        Agreement {
            server_no_context_takeover: no_context_takeover,
            client_no_context_takeover: no_context_takeover,
            server_max_window_bits: window_bits,
            client_max_window_bits: window_bits,
        }
    }

    fn written(connection: &mut Connection) -> Vec<u8> {
        let output = connection.output();
        output.copy_to_bytes(output.remaining()).to_vec()
    }

    /// What a client sends when it sends that.
    fn compressed(agreement: Agreement, messages: &[Vec<u8>]) -> Vec<u8> {
        let config = Config {
            deflate: Some(Policy {
                compress_from: 0,
                level: 9,
                ..Policy::default()
            }),
            ..Config::default()
        };
        let mut client = Connection::client(config, || KEY).with_deflate(agreement);
        for message in messages {
            client.send(&message[..]).unwrap();
        }
        written(&mut client)
    }

    /// What compresses to about a half.
    fn digits(count: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| b'0' + random.u8(..10))
            .take(count)
            .collect()
    }

    /// What a connection keeps after it has received and sent what fills every window.
    fn kept_bytes(agreement: Agreement) -> i64 {
        let config = Arc::new(Config::default());
        let read = compressed(agreement, &[digits(70_000), digits(70_000)]);
        let run = || {
            let mut server = Connection::server(config.clone()).with_deflate(agreement);
            let mut input = &mut read.clone()[..];
            while let Some(event) = server.receive(&mut input).unwrap() {
                server.send(event).unwrap();
            }
            written(&mut server);
            server
        };
        let _first = run(); // what the thread keeps for all is there after it
        let mut second = None;
        measure(|| second = Some(run())).bytes_current
    }

    #[test]
    fn without_context_takeover_an_idle_connection_owns_no_memory() {
        assert_eq!(kept_bytes(agreement(true, 15)), 0);
    }

    #[test]
    fn with_context_takeover_a_connection_keeps_what_the_documentation_says() {
        // The compressor, and the receiver's window.
        for (window_bits, compressor) in [(9, 144_000), (12, 158_500), (15, 273_000)] {
            let kept = kept_bytes(agreement(false, window_bits));
            let window = 1 << window_bits;
            println!("{window_bits} bits: {kept} bytes kept, {window} of them the window");
            assert!(kept > window && kept <= compressor + window, "{kept}");
        }
        let receives_alone = Agreement {
            server_no_context_takeover: true,
            ..agreement(false, 15)
        };
        let kept = kept_bytes(receives_alone);
        assert!((32_768..33_000).contains(&kept), "{kept}");
    }

    /// The one buffer that a thread decompresses into, its decompressor, and small change.
    const BESIDE_THE_MESSAGE: usize = 16 * KIB + 48 * KIB + 512;

    #[test]
    fn a_bomb_stops_at_the_limit_and_takes_no_more_memory_than_a_message_may() {
        for (limit, one_fragment) in [(100 * KIB, true), (1024 * KIB, true), (1024 * KIB, false)] {
            let config = Config {
                message_bytes_max: limit,
                ..Config::default()
            };
            let agreement = agreement(true, 15);
            let mut bomb = compressed(agreement, &[vec![0; 20_000 * KIB]]);
            assert!(bomb.len() < KIB * KIB);
            let step = if one_fragment { bomb.len() } else { 1000 };
            let mut server = Connection::server(config).with_deflate(agreement);
            let mut fault = None;
            let counted = measure(|| {
                for mut read in bomb.chunks_mut(step) {
                    if let Err(error) = server.receive(&mut read) {
                        fault = Some(error);
                        break;
                    }
                }
            });
            assert_eq!(fault, Some(Fault::MessageTooBig { max: limit }));
            // While it grows to the limit there are, for a moment, the old half and the new whole.
            let most = limit + limit / 2 + BESIDE_THE_MESSAGE;
            assert!(counted.bytes_max as usize <= most, "{counted:?}");
        }
    }

    #[test]
    fn a_bomb_in_pieces_is_never_held() {
        let config = Config {
            message_bytes_max: usize::MAX,
            ..Config::default()
        };
        let agreement = agreement(true, 15);
        let mut bomb = compressed(agreement, &[vec![0; 10_000 * KIB]]);
        let mut server = Connection::server(config).with_deflate(agreement);
        let (mut received, mut ended) = (0, false);
        let counted = measure(|| {
            let mut input = &mut bomb[..];
            while let Some(Received::Piece(piece)) = server.receive_piece(&mut input).unwrap() {
                received += piece.payload.len();
                ended = piece.fragment == Fragment::Last;
            }
        });
        assert!(ended && received == 10_000 * KIB);
        assert!(
            counted.bytes_max as usize <= 16 * KIB + BESIDE_THE_MESSAGE,
            "{counted:?}"
        );
    }
}
