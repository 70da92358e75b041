//! Masking (RFC 6455 section 5.3): exclusive or with a key of four bytes, repeated.
//!
//! Masking is its own inverse. It works in blocks of a size that the compiler turns into
//! vector instructions, so no code of ours is written for a particular processor.

/// The masking key of one frame.
pub type MaskKey = [u8; 4];

/// Masks or unmasks `bytes` in place with `key`, whose first byte meets the first of `bytes`.
pub fn apply(bytes: &mut [u8], key: MaskKey) {
    let block_key = block(key);
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(block_key) {
            *byte ^= key;
        }
    }
    // A block is a multiple of four long: the rest begins with the key's first byte again.
    for (byte, key) in rest.iter_mut().zip(block_key) {
        *byte ^= key;
    }
}

/// The key for the bytes that follow the first `bytes_done` of a frame's payload.
///
/// A frame whose payload comes in several reads is unmasked piece by piece.
pub fn continued(mut key: MaskKey, bytes_done: usize) -> MaskKey {
    key.rotate_left(bytes_done % 4);
    key
}

/// Two AVX2 registers, four of SSE2 or NEON.
const BLOCK: usize = 64;

fn block(key: MaskKey) -> [u8; BLOCK] {
    std::array::from_fn(|at| key[at % key.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MaskKey = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn the_rfc_example_is_masked_as_the_rfc_says() {
        let mut bytes = *b"Hello";
        apply(&mut bytes, KEY);
        assert_eq!(bytes, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn every_length_equals_the_definition_byte_by_byte() {
        for len in 0..4 * BLOCK {
            let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let expected: Vec<u8> = (0..len).map(|at| plain[at] ^ KEY[at % 4]).collect();
            let mut bytes = plain.clone();
            apply(&mut bytes, KEY);
            assert_eq!(bytes, expected, "length {len}");
        }
    }

    #[test]
    fn a_payload_in_two_pieces_is_masked_like_a_whole_one() {
        let plain: Vec<u8> = (0..=255).collect();
        let mut whole = plain.clone();
        apply(&mut whole, KEY);
        for cut in 0..plain.len() {
            let mut pieces = plain.clone();
            let (first, second) = pieces.split_at_mut(cut);
            apply(first, KEY);
            apply(second, continued(KEY, cut));
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }
}
