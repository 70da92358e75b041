//! Another implementation of DEFLATE (RFC 1951), to compress what ours inflates and to inflate what
//! ours compressed: miniz_oxide, with the framing of RFC 7692.

use miniz_oxide::deflate::core as deflate;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use tidings_websocket::Role;
use tidings_websocket::deflate::Agreement;

/// Whether a side's messages may refer to those before them, in `agreement`.
pub fn takes_context_over(agreement: Agreement, sender: Role) -> bool {
    !match sender {
        Role::Server => agreement.server_no_context_takeover,
        Role::Client => agreement.client_no_context_takeover,
    }
}

/// The empty block that RFC 7692, 7.2.1 takes off a message's end.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses messages, each referring to all before it.
pub struct Compressor(Box<deflate::CompressorOxide>);

impl Default for Compressor {
    fn default() -> Self {
        // 6 of 9, raw.
        let flags = deflate::create_comp_flags_from_zip_params(6, 0, 0);
        Self(Box::new(deflate::CompressorOxide::new(flags)))
    }
}

impl Compressor {
    /// The payload of a message that is compressed.
    pub fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; message.len() * 2 + 64];
        let sync = deflate::TDEFLFlush::Sync;
        let (status, read, written) = deflate::compress(&mut self.0, message, &mut payload, sync);
        assert_eq!(status, deflate::TDEFLStatus::Okay);
        assert_eq!(read, message.len());
        payload.truncate(written);
        assert!(payload.ends_with(&TAIL), "a flush ends in an empty block");
        payload.truncate(written - TAIL.len());
        payload
    }
}

/// Inflates messages, remembering all that it inflated.
#[derive(Default)]
pub struct Inflater {
    history: Vec<u8>,
}

impl Inflater {
    /// Forgets the messages before: the next may not refer to them.
    pub fn forget(&mut self) {
        self.history.clear();
    }

    /// The message whose payload this is, or `None` if it is none, or longer than `bytes_max`.
    pub fn inflate(&mut self, payload: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let begin = self.history.len();
        let payload = [payload, &TAIL].concat();
        let mut input = &payload[..];
        let mut end = begin;
        let mut state = Box::<DecompressorOxide>::default();
        loop {
            // Never more than is allowed, and a byte to see that there is more.
            let room = (end + ROOM_BYTES).min(begin + bytes_max + 1);
            self.history.resize(room, 0);
            let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
                | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, read, written) =
                decompress(&mut state, input, &mut self.history, end, flags);
            input = &input[read..];
            end += written;
            match status {
                // RFC 7692, 7.2.3.4: a final block ends a stream of DEFLATE, not the message.
                TINFLStatus::Done if !input.is_empty() => state.init(),
                TINFLStatus::Done | TINFLStatus::NeedsMoreInput => break,
                TINFLStatus::HasMoreOutput if end <= begin + bytes_max => {}
                _ => return None,
            }
        }
        self.history.truncate(end);
        (end - begin <= bytes_max).then(|| self.history[begin..].to_vec())
    }
}

/// Panics if a message refers farther back than its sender's window reaches in `agreement`.
///
/// zlib, inflating with a window of just that size, finds no more than the window: but only if it is
/// given no room to find it in, so its output is taken byte by byte. Large windows are left out,
/// which it would take long to fill.
pub fn is_within_window(agreement: Agreement, sender: Role, messages: &[Vec<u8>]) {
    let window_bits = match sender {
        Role::Server => agreement.server_max_window_bits,
        Role::Client => agreement.client_max_window_bits,
    };
    if window_bits > EXAMINED_WINDOW_BITS_MAX {
        return;
    }
    let mut inflate = zlib_rs::Inflate::new(false, window_bits);
    for message in messages {
        if !takes_context_over(agreement, sender) {
            inflate.reset(false);
        }
        let payload = [message, &TAIL[..]].concat();
        let begin = inflate.total_in();
        loop {
            let taken = (inflate.total_in() - begin) as usize;
            let given = inflate.total_out();
            inflate
                .decompress(
                    &payload[taken..],
                    &mut [0],
                    zlib_rs::InflateFlush::SyncFlush,
                )
                .expect("nothing beyond the window is referred to");
            if inflate.total_out() == given {
                break;
            }
        }
    }
}

/// 1 KiB.
const EXAMINED_WINDOW_BITS_MAX: u8 = 10;

/// By how much the history grows at a time.
const ROOM_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7692_inflate() {
        let mut inflater = Inflater::default();
        // 7.2.3.1, and 7.2.3.2 that refers to it.
        let first = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(inflater.inflate(first, 5).as_deref(), Some(&b"Hello"[..]));
        assert_eq!(
            inflater.inflate(b"\xf2\x00\x11\x00\x00", 5).as_deref(),
            Some(&b"Hello"[..])
        );
        inflater.forget();
        assert_eq!(inflater.inflate(b"\xf2\x00\x11\x00\x00", 5), None);
        // 7.2.3.3 without compression, 7.2.3.4 with a final block, 7.2.3.5 in two blocks.
        for payload in [
            &b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"[..],
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(inflater.inflate(payload, 5).as_deref(), Some(&b"Hello"[..]));
            assert_eq!(Inflater::default().inflate(payload, 4), None);
        }
    }

    #[test]
    fn what_is_compressed_inflates() {
        let (mut compressor, mut inflater) = (Compressor::default(), Inflater::default());
        for message in [&b"hello hello hello"[..], b"", b"hello hello", &[7; 5000]] {
            let payload = compressor.compress(message);
            assert_eq!(inflater.inflate(&payload, 5000).as_deref(), Some(message));
        }
    }
}
