//! Frames on a stream: each object stands behind its length, a QUIC varint (RFC 9000, section 16). Pure.

use bytes::{Buf as _, Bytes, BytesMut};
use tidings_wire::{Encoded, Event, Format};

use crate::transport::Transport;
use crate::transport::framed::Framing;

/// The server's frames. Signals travel as datagrams.
pub(super) struct StreamFrames;

impl Framing for StreamFrames {
    const TRANSPORT: Transport = Transport::WebTransport;
    const HEADER_BYTES_MAX: usize = 8;

    fn write(_: Format, object: &[u8], out: &mut Vec<u8>) {
        write_varint(object.len() as u64, out);
        out.extend_from_slice(object);
    }

    fn is_apart(event: &Encoded) -> bool {
        matches!(event.event(), Event::Signal { .. })
    }
}

/// Appends a number below 2^62: the two highest bits say how many bytes it has.
pub(crate) fn write_varint(number: u64, out: &mut Vec<u8>) {
    match number {
        0..0x40 => out.push(number as u8),
        0x40..0x4000 => out.extend_from_slice(&(number as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend_from_slice(&(number as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend_from_slice(&(number | 0xC000_0000_0000_0000).to_be_bytes()),
    }
}

/// The number that `bytes` begins with, and how many of them it has; `None` if there are more to come.
fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?.iter();
    let number = rest.fold(u64::from(first & 0x3F), |number, &byte| {
        number << 8 | u64::from(byte)
    });
    Some((number, length))
}

/// Cuts a stream into objects. It holds no more than one that has not come whole, and what came with its last
/// piece; nothing between two frames.
#[derive(Debug)]
pub(crate) struct Deframer {
    object_bytes_max: usize,
    unread: BytesMut,
}

/// A frame is larger than it may be. The stream cannot be read any further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Deframer {
    /// Of objects of at most so many bytes.
    pub(crate) fn new(object_bytes_max: usize) -> Self {
        let unread = BytesMut::new();
        Self {
            object_bytes_max,
            unread,
        }
    }

    /// Takes what came. Poll until there is nothing more.
    pub(crate) fn handle(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next object that has come whole.
    pub(crate) fn poll(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let Some((length, header)) = read_varint(&self.unread) else {
            if self.unread.is_empty() {
                self.unread = BytesMut::new(); // who is idle holds nothing
            }
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| TooLarge)?;
        if length > self.object_bytes_max {
            return Err(TooLarge);
        }
        if self.unread.len() - header < length {
            return Ok(None);
        }
        self.unread.advance(header);
        Ok(Some(self.unread.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(objects: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for object in objects {
            StreamFrames::write(Format::Cbor, object, &mut out);
        }
        out
    }

    fn drain(deframer: &mut Deframer) -> Result<Vec<Vec<u8>>, TooLarge> {
        let mut objects = Vec::new();
        while let Some(object) = deframer.poll()? {
            objects.push(object.to_vec());
        }
        Ok(objects)
    }

    #[test]
    fn numbers_are_as_the_rfc_has_them() {
        // RFC 9000, appendix A.1.
        for (number, bytes) in [
            (37, &[0x25][..]),
            (15_293, &[0x7b, 0xbd]),
            (494_878_333, &[0x9d, 0x7f, 0x3e, 0x7d]),
            (
                151_288_809_941_952_652,
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            ),
        ] {
            let mut out = Vec::new();
            write_varint(number, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read_varint(bytes), Some((number, bytes.len())));
            assert_eq!(read_varint(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(
            read_varint(&[0x40, 0x25]),
            Some((37, 2)),
            "longer than need be"
        );
    }

    #[test]
    fn the_largest_object_comes_and_a_larger_one_does_not() {
        for (length, came) in [(99, true), (100, true), (101, false)] {
            let mut deframer = Deframer::new(100);
            deframer.handle(&framed(&[vec![7; length]]));
            assert_eq!(drain(&mut deframer).is_ok(), came, "{length}");
        }
        // It is known by its length alone.
        let mut deframer = Deframer::new(100);
        deframer.handle(&[0xFF; 8]);
        assert_eq!(deframer.poll(), Err(TooLarge));
    }

    #[test]
    fn nothing_is_held_between_frames() {
        let mut deframer = Deframer::new(1 << 16);
        deframer.handle(&framed(&[vec![1; 40_000]]));
        assert_eq!(drain(&mut deframer).unwrap().len(), 1);
        assert_eq!(deframer.unread.capacity(), 0);
    }

    proptest! {
        #[test]
        fn every_number_comes_back(number in 0..1u64 << 62, behind: Vec<u8>) {
            let mut out = Vec::new();
            write_varint(number, &mut out);
            let length = out.len();
            out.extend(behind);
            prop_assert_eq!(read_varint(&out), Some((number, length)));
        }

        #[test]
        fn objects_come_whole_however_the_stream_is_cut(
            objects in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in prop::collection::vec(1..200usize, 1..20),
        ) {
            let stream = framed(&objects);
            let mut deframer = Deframer::new(300);
            let mut came = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at(rest.len().min(*cut));
                deframer.handle(piece);
                came.extend(drain(&mut deframer).unwrap());
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(came, objects);
        }

        #[test]
        fn whatever_comes_it_holds_no_more_than_one_object_and_a_piece(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..50),
        ) {
            let mut deframer = Deframer::new(50);
            for piece in pieces {
                deframer.handle(&piece);
                if drain(&mut deframer).is_err() {
                    break;
                }
                prop_assert!(deframer.unread.len() < 50 + StreamFrames::HEADER_BYTES_MAX);
            }
        }
    }
}
