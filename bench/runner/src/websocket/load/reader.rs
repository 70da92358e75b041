//! Finds frames in what a server sends; keeps none of it.

/// A piece of one frame's payload: all of it, where it came in one read.
pub(super) struct Piece<'a> {
    pub(super) payload: &'a [u8],
    /// RSV1: the message is compressed. Only its first frame says so.
    pub(super) compressed: bool,
    /// The message ends with this piece.
    pub(super) last: bool,
}

/// The state between two reads.
#[derive(Default)]
pub(super) struct Reader {
    header: [u8; 10],
    header_bytes: usize,
    in_payload: bool,
    payload_left: u64,
}

impl Reader {
    /// Tells `on` of each piece of a data message. Pings and pongs are passed over.
    ///
    /// # Errors
    ///
    /// What no server may send, and a Close, which none should while it is asked to echo.
    #[inline]
    pub(super) fn read<'a>(
        &mut self,
        mut input: &'a [u8],
        mut on: impl FnMut(Piece<'a>),
    ) -> Result<(), String> {
        while !input.is_empty() || (self.in_payload && self.payload_left == 0) {
            if !self.in_payload {
                if self.header_bytes == 0 && input.len() >= self.header.len() {
                    // The usual case: the header is whole.
                    self.header.copy_from_slice(&input[..10]);
                    input = &input[header_bytes(self.header[1])..];
                } else {
                    self.header[self.header_bytes] = input[0];
                    self.header_bytes += 1;
                    input = &input[1..];
                    if self.header_bytes < 2 || self.header_bytes < header_bytes(self.header[1]) {
                        continue;
                    }
                    self.header_bytes = 0;
                }
                self.begin_frame()?;
                self.in_payload = true;
            }
            let count = self.payload_left.min(input.len() as u64) as usize;
            let (payload, rest) = input.split_at(count);
            input = rest;
            self.payload_left -= count as u64;
            self.in_payload = self.payload_left > 0;
            if self.header[0] & 0x08 == 0 {
                on(Piece {
                    payload,
                    compressed: self.header[0] & 0x40 != 0,
                    last: !self.in_payload && self.header[0] & 0x80 != 0,
                });
            }
        }
        Ok(())
    }

    #[inline]
    fn begin_frame(&mut self) -> Result<(), String> {
        let [first, second, ..] = self.header;
        if first & 0x30 != 0 || second & 0x80 != 0 {
            return Err(format!(
                "it sent a frame that begins with {first:02x} {second:02x}"
            ));
        }
        if first & 0x0f == 0x08 {
            return Err("it closed the connection".to_owned());
        }
        let length = &self.header[2..header_bytes(second)];
        self.payload_left = match length {
            [] => u64::from(second),
            length => length
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        };
        Ok(())
    }
}

#[inline]
fn header_bytes(second: u8) -> usize {
    match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_they_end_however_they_are_cut() {
        let lengths = [0_usize, 1, 125, 126, 300, 70_000];
        let mut wire = Vec::new();
        for (number, &length) in lengths.iter().enumerate() {
            wire.push(0x82);
            match length {
                0..=125 => wire.push(length as u8),
                126..=0xffff => {
                    wire.push(126);
                    wire.extend_from_slice(&(length as u16).to_be_bytes());
                }
                _ => {
                    wire.push(127);
                    wire.extend_from_slice(&(length as u64).to_be_bytes());
                }
            }
            wire.extend(std::iter::repeat_n(number as u8, length));
            wire.extend_from_slice(&[0x89, 1, b'?']); // a ping between messages
        }
        for step in [1, 2, 3, 7, 64, 1000, wire.len()] {
            let mut reader = Reader::default();
            let (mut messages, mut current) = (Vec::new(), Vec::new());
            for part in wire.chunks(step) {
                reader
                    .read(part, |piece| {
                        current.extend_from_slice(piece.payload);
                        if piece.last {
                            messages.push(std::mem::take(&mut current));
                        }
                    })
                    .unwrap();
            }
            assert_eq!(messages.len(), lengths.len(), "cut every {step} bytes");
            for (number, (message, &length)) in messages.iter().zip(&lengths).enumerate() {
                assert_eq!(*message, vec![number as u8; length]);
            }
        }
    }

    #[test]
    fn a_close_and_a_masked_frame_are_errors() {
        for frame in [[0x88, 0x02], [0x81, 0x81], [0xa1, 0x01]] {
            let result = Reader::default().read(&frame, |_| {});
            assert!(result.is_err(), "{frame:02x?}");
        }
    }
}
