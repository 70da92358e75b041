//! "Limiting the LZ77 sliding window size": nobody refers farther back than was agreed, and
//! everybody understands who refers as far back as was agreed.

use tidings_websocket::deflate::Policy;
use tidings_websocket::{Config, Connection, Event, Fault};

use crate::inflater::Inflater;
use crate::support::*;

#[test]
fn no_distance_exceeds_the_window_at_any_level() {
    for agreement in agreements() {
        let (alone, window_bits) = (
            agreement.server_no_context_takeover,
            agreement.server_max_window_bits,
        );
        for level in [1, 2, 3, 6, 9] {
            let policy = Policy {
                level,
                compress_from: 0,
                ..Policy::default()
            };
            let config = Config {
                deflate: Some(policy),
                ..Config::default()
            };
            let mut server = Connection::server(config).with_deflate(agreement);
            // Of exactly the size: a distance beyond it is an error.
            let mut inflater = Inflater::new(window_bits);
            for (seed, bytes) in [(1, 700), (2, 300), (1, 700), (3, 40_000), (1, 700)] {
                let text = chat(seed, bytes);
                server.send(&text[..]).unwrap();
                let frames = frames(&written(&mut server));
                if alone {
                    inflater.reset();
                }
                let message = inflater.message(&frames[0].1);
                assert_eq!(
                    message.as_deref(),
                    Ok(text.as_bytes()),
                    "level {level}, {agreement:?}"
                );
            }
            // And most of the window is made use of; zlib keeps 262 bytes of it ahead.
            let window_bytes = 1 << window_bits.max(9);
            assert!(inflater.farthest <= window_bytes - 262);
            assert!(
                inflater.farthest > (window_bytes - 262) / 2,
                "{} of {window_bytes} at level {level}",
                inflater.farthest
            );
        }
    }
}

#[test]
fn with_eight_bits_a_distance_of_256_is_understood_and_one_of_257_is_not() {
    for alone in [false, true] {
        for (distance, understood) in [(255, true), (256, true), (257, false)] {
            let agreement = agreement(alone, 8);
            let mut client = client(agreement);
            // 256 bytes as a stored block, and the header of the empty one that ends a message.
            let history: Vec<u8> = (0..=255).collect();
            let stored = [&[0x00, 0x00, 0x01, 0xff, 0xfe], &history[..], &[0x00]].concat();
            let first = frame(FIN | RSV1 | BINARY, &stored);
            let events = receive(&mut client, &first, usize::MAX);
            assert_eq!(events, Ok(vec![Event::from(history)]));

            let second = frame(FIN | RSV1 | BINARY, &copy_of_three(distance));
            let events = receive(&mut client, &second, usize::MAX);
            if alone || !understood {
                assert_eq!(events, Err(Fault::Deflate), "{distance}");
            } else {
                let first = (256 - distance) as u8;
                let expected = Event::from(vec![first, first + 1, first + 2]);
                assert_eq!(events, Ok(vec![expected]), "{distance}");
            }
        }
    }
}

/// A message that is three bytes from `distance` back, 129 to 512.
fn copy_of_three(distance: usize) -> Vec<u8> {
    let mut bits = vec![false]; // not the last block
    bits.extend([true, false]); // fixed codes
    code(&mut bits, 1, 7); // symbol 257, length 3
    let (symbol, base, extra) = match distance {
        129..=192 => (14, 129, 6),
        193..=256 => (15, 193, 6),
        257..=384 => (16, 257, 7),
        _ => (17, 385, 7),
    };
    code(&mut bits, symbol, 5);
    bits.extend((0..extra).map(|place| (distance - base) >> place & 1 == 1));
    code(&mut bits, 0, 7); // the end of the block
    bits.extend([false; 3]); // the header of an empty stored block
    bits.chunks(8)
        .map(|bits| {
            bits.iter()
                .rev()
                .fold(0, |byte, &bit| byte << 1 | u8::from(bit))
        })
        .collect()
}

/// Huffman codes begin with their highest bit.
fn code(bits: &mut Vec<bool>, code: usize, length: usize) {
    bits.extend((0..length).rev().map(|place| code >> place & 1 == 1));
}
