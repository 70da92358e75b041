//! permessage-deflate (RFC 7692): what is compressed, and on which terms.
//!
//! Neither side refers to messages before, so no connection keeps a window, and one frame serves everybody: an event
//! is compressed once, when the first who agreed is given it, and kept beside its other encodings.

use bytes::Bytes;
use tidings_websocket::deflate::{Agreement, ContextTakeover, Policy};
use tidings_websocket::{MessageKind, frame};
use tidings_wire::Format;

use crate::transport::framed::Compression;

/// What is offered and how events are compressed.
///
/// Measured with events of JSON, words in their data: level 2 is the first that makes codes of its own for a
/// message, 0.56 of 1.2 KB in 15 us where level 1 leaves 0.80 in 7; level 6 leaves as much for a fifth more work. A
/// window of 12 bits is what Python's `websockets` asks for; 15 would make 10 KB smaller by one percent, and
/// each thread's compressor larger by 115 KB.
pub(super) const POLICY: Policy = Policy {
    server_context_takeover: ContextTakeover::Refuse,
    client_context_takeover: ContextTakeover::Refuse,
    server_max_window_bits: 12,
    client_max_window_bits: 15,
    compress_from: COMPRESSED_BYTES_MIN,
    level: 2,
};

/// The smallest object that is compressed, in bytes. Below, it fits one packet with or without, shrinks by a third at the most,
/// and takes 7 to 10 us for it: as much as to store and acknowledge it.
const COMPRESSED_BYTES_MIN: usize = 512;

/// Whether a client takes the one frame that is made for all. One that wants a smaller window takes events as they are, and
/// may compress what it says.
pub(super) fn compression(agreement: Option<Agreement>) -> Compression {
    match agreement {
        Some(agreed) if agreed.server_max_window_bits >= POLICY.server_max_window_bits => {
            Compression::Agreed
        }
        _ => Compression::Refused,
    }
}

/// An object as a compressed frame; `None` where it is better sent as it is.
pub(super) fn frame(format: Format, object: &[u8]) -> Option<Bytes> {
    let kind = match format {
        Format::Json => MessageKind::Text,
        Format::Cbor => MessageKind::Binary,
    };
    frame::encode_deflated(kind, object, &POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_compressed_from_the_bound_on() {
        for (format, first) in [(Format::Json, 0xc1), (Format::Cbor, 0xc2)] {
            assert_eq!(frame(format, &[b'a'; COMPRESSED_BYTES_MIN - 1]), None);
            let frame = frame(format, &[b'a'; COMPRESSED_BYTES_MIN]).unwrap();
            assert_eq!(frame[0], first);
        }
    }

    #[test]
    fn who_wants_a_smaller_window_takes_events_as_they_are() {
        let with = |server_max_window_bits| {
            compression(Some(Agreement {
                server_max_window_bits,
                ..Agreement::default()
            }))
        };
        assert_eq!(with(11), Compression::Refused);
        assert_eq!(with(12), Compression::Agreed);
        assert_eq!(with(15), Compression::Agreed);
        assert_eq!(compression(None), Compression::Refused);
    }
}
