//! A stream of bytes into lines, without a copy of those that came whole.

/// What of a line has come so far.
#[derive(Debug, Default)]
pub(in crate::cli) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Hands out each line that `bytes` end, without its end, which is `\n` alone.
    pub(in crate::cli) fn push(&mut self, mut bytes: &[u8], mut handle: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.begun.is_empty() {
                handle(line);
            } else {
                self.begun.extend_from_slice(line);
                handle(&self.begun);
                self.begun.clear();
            }
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let stream = b"\na\nbcd\n\n\nef\n";
        for size in 1..=stream.len() {
            let mut lines = Lines::default();
            let mut read: Vec<Vec<u8>> = Vec::new();
            for piece in stream.chunks(size) {
                lines.push(piece, |line| read.push(line.to_vec()));
            }
            let expected: [&[u8]; 6] = [b"", b"a", b"bcd", b"", b"", b"ef"];
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }
}
