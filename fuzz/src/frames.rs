//! Frames that are mostly right, from a terse description: what a fuzzer would hardly guess (a mask
//! applied, a length that fits, a payload that inflates) is done for it, the rest is its choice.

use tidings_websocket::mask::{self, MaskKey};

use super::deflate::Compressor;

/// The key of every masked frame: no byte is zero, no two are alike.
pub const KEY: MaskKey = [0x37, 0xfa, 0x21, 0x3d];

/// The stream that `description` describes: for each frame a first byte as it stands on the wire
/// (FIN, reserved bits, opcode), a byte for its shape, and its payload.
///
/// Of the shape, the lower six bits are the length, bit 6 repeats the payload [`REPEATED`] times,
/// and bit 7 compresses the payload with the ones before it; both together repeat it
/// [`COMPRESSED_REPEATED`] times.
pub fn stream(mut description: &[u8], masked: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut compressor = Compressor::default();
    while let [first, shape, rest @ ..] = description {
        let (payload, rest) = rest.split_at(usize::from(shape & 0x3f).min(rest.len()));
        let compressed = shape & 0x80 != 0;
        let mut payload = payload.repeat(match (shape & 0x40 != 0, compressed) {
            (false, _) => 1,
            (true, false) => REPEATED,
            (true, true) => COMPRESSED_REPEATED,
        });
        if compressed {
            payload = compressor.compress(&payload);
        }
        append(&mut stream, *first, masked, &payload);
        description = rest;
    }
    stream
}

/// Enough to reach the lengths of 16 bits, and beyond the small limits.
pub const REPEATED: usize = 20;

/// Enough for more than one piece of a compressed message, which is at most 16 KiB.
pub const COMPRESSED_REPEATED: usize = 300;

/// Appends one frame whose first byte is given.
pub fn append(stream: &mut Vec<u8>, first: u8, masked: bool, payload: &[u8]) {
    let flag = if masked { 0x80 } else { 0 };
    stream.push(first);
    match payload.len() {
        length @ 0..126 => stream.push(flag | length as u8),
        length @ 126..=0xffff => {
            stream.push(flag | 126);
            stream.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            stream.push(flag | 127);
            stream.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        stream.extend_from_slice(&KEY);
    }
    let begin = stream.len();
    stream.extend_from_slice(payload);
    if masked {
        mask::apply(&mut stream[begin..], KEY);
    }
}
