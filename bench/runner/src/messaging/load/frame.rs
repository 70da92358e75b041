//! Frames as a client writes and reads them; RFC 6455, 5.2.

use crate::frame;

/// What a frame is about. No server under load here has a reason to fragment what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    /// Text or binary: what is followed is told by its content.
    Data,
    Close,
    Ping,
    Pong,
}

/// A whole frame of a server.
pub(super) struct Frame<'a> {
    pub(super) opcode: Opcode,
    pub(super) payload: &'a [u8],
    /// How many bytes of the input it took.
    pub(super) bytes: usize,
}

/// A payload beyond this is none that was asked for.
const PAYLOAD_BYTES_MAX: u64 = 16 << 20;

/// The frame that `input` begins with; `None` while it is incomplete.
///
/// # Errors
///
/// What no server may send to a client that offered no extension, and fragments.
#[inline]
pub(super) fn next(input: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let [first, second, rest @ ..] = input else {
        return Ok(None);
    };
    let (length, header) = match second {
        0..=125 => (u64::from(*second), 2),
        126 => match rest {
            [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        _ => return Err(wrong(*first, *second)),
    };
    if length > PAYLOAD_BYTES_MAX {
        return Err(format!("it sent a frame of {length} bytes"));
    }
    let opcode = match first {
        0x81 | 0x82 => Opcode::Data,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => return Err(wrong(*first, *second)),
    };
    let bytes = header + length as usize;
    Ok(input.get(header..bytes).map(|payload| Frame {
        opcode,
        payload,
        bytes,
    }))
}

#[cold]
fn wrong(first: u8, second: u8) -> String {
    format!("it sent a frame that begins with {first:02x} {second:02x}")
}

/// Any key will do where nobody listens in.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Appends a whole masked text frame.
pub(super) fn push_text(frames: &mut Vec<u8>, text: &str) {
    frame::push(frames, 0x81, text.as_bytes(), MASK);
}

/// Appends the answer to a ping.
pub(super) fn push_pong(frames: &mut Vec<u8>, payload: &[u8]) {
    frame::push(frames, 0x8a, payload, MASK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_there_when_its_last_byte_is() {
        for length in [0_usize, 125, 126, 70_000] {
            let mut wire = vec![0x81];
            match length {
                0..=125 => wire.push(length as u8),
                126..=0xffff => wire.extend([126, (length >> 8) as u8, length as u8]),
                _ => {
                    wire.push(127);
                    wire.extend((length as u64).to_be_bytes());
                }
            }
            wire.extend(std::iter::repeat_n(b'x', length));
            let whole = wire.len();
            wire.extend_from_slice(b"the next");
            let frame = next(&wire).unwrap().unwrap();
            assert_eq!(frame.opcode, Opcode::Data);
            assert_eq!((frame.payload.len(), frame.bytes), (length, whole));
            for cut in [0, 1, 2, 3, 9, whole - 1] {
                let part = &wire[..cut.min(whole - 1)];
                assert!(next(part).unwrap().is_none(), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        for frame in [[0x81, 0x81], [0xc1, 0x01], [0x01, 0x01], [0x83, 0x00]] {
            assert!(next(&frame).is_err(), "{frame:02x?}");
        }
    }

    #[test]
    fn what_is_pushed_can_be_unmasked() {
        for length in [5, 200, 70_000] {
            let text = "y".repeat(length);
            let mut wire = Vec::new();
            push_text(&mut wire, &text);
            let payload = wire.split_off(wire.len() - length);
            assert_eq!(wire[wire.len() - 4..], MASK);
            assert!(wire[1] & 0x80 != 0);
            let plain = payload.iter().zip(MASK.iter().cycle()).map(|(b, k)| b ^ k);
            assert!(plain.eq(text.bytes()));
        }
    }
}
