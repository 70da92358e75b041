//! A DEFLATE decoder (RFC 1951) that is nobody's: the plainest that can be, with a window of just
//! the agreed size, so that a distance beyond it is an error.

/// A receiver that keeps its window over the whole connection.
pub(crate) struct Inflater {
    window_bytes: usize,
    /// Everything that came, or all that a distance may reach.
    output: Vec<u8>,
    /// How far the farthest reference went back.
    pub(crate) farthest: usize,
}

impl Inflater {
    pub(crate) fn new(window_bits: u8) -> Self {
        Self {
            window_bytes: 1 << window_bits,
            output: Vec::new(),
            farthest: 0,
        }
    }

    /// Forgets what came before, as without context takeover.
    pub(crate) fn reset(&mut self) {
        self.output.clear();
    }

    /// The message whose payload is `compressed`.
    pub(crate) fn message(&mut self, compressed: &[u8]) -> Result<Vec<u8>, &'static str> {
        let begin = self.output.len();
        let bytes = [compressed, &[0x00, 0x00, 0xff, 0xff]].concat();
        let mut bits = Bits {
            bytes: &bytes,
            at: 0,
        };
        while bits.at < 8 * bytes.len() {
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => self.huffman(&mut bits, &fixed())?,
                2 => {
                    let codes = dynamic(&mut bits)?;
                    self.huffman(&mut bits, &codes)?;
                }
                _ => return Err("a kind of block that there is not"),
            }
            if last {
                bits.align();
            }
        }
        Ok(self.output[begin..].to_vec())
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        bits.align();
        let (length, complement) = (bits.take(16)?, bits.take(16)?);
        if length != complement ^ 0xffff {
            return Err("a stored block's length does not match its complement");
        }
        for _ in 0..length {
            let byte = bits.take(8)? as u8;
            self.output.push(byte);
        }
        Ok(())
    }

    fn huffman(&mut self, bits: &mut Bits<'_>, codes: &[Code; 2]) -> Result<(), &'static str> {
        let [literals, distances] = codes;
        loop {
            let symbol = literals.take(bits)?;
            match symbol {
                0..=255 => self.output.push(symbol as u8),
                256 => return Ok(()),
                257..=285 => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let length = base + bits.take(extra)?;
                    let symbol = distances.take(bits)?;
                    let (base, extra) = *DISTANCES.get(symbol).ok_or("no such distance")?;
                    let distance = base + bits.take(extra)?;
                    self.copy(length, distance)?;
                }
                _ => return Err("no such length"),
            }
        }
    }

    fn copy(&mut self, length: usize, distance: usize) -> Result<(), &'static str> {
        if distance > self.window_bytes {
            return Err("a distance beyond the window that was agreed on");
        }
        self.farthest = self.farthest.max(distance);
        for _ in 0..length {
            let at = self.output.len().checked_sub(distance);
            let byte = self.output[at.ok_or("a distance beyond what has come")?];
            self.output.push(byte);
        }
        Ok(())
    }
}

struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or("it was cut off")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// A canonical Huffman code: how many symbols have each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (length, count) in counts.iter_mut().enumerate().skip(1) {
            let begin = symbols.len();
            symbols.extend((0..lengths.len()).filter(|&symbol| lengths[symbol] == length));
            *count = symbols.len() - begin;
        }
        Self { counts, symbols }
    }

    fn take(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code = code << 1 | bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
        }
        Err("a code that means nothing")
    }
}

fn fixed() -> [Code; 2] {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    [Code::new(&lengths), Code::new(&[5; 30])]
}

fn dynamic(bits: &mut Bits<'_>) -> Result<[Code; 2], &'static str> {
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let count = bits.take(4)? + 4;
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3)?;
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.take(bits)? {
            16 => (
                *lengths.last().ok_or("nothing to repeat")?,
                3 + bits.take(2)?,
            ),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok([Code::new(literals), Code::new(distances)])
}

const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

const LENGTHS: [(usize, usize); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

const DISTANCES: [(usize, usize); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

#[test]
fn the_plain_decoder_decodes_what_another_encodes() {
    for level in [0, 1, 6, 9] {
        let text = crate::support::chat(level.into(), 50_000);
        let compressed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), level);
        // Its last block is marked as the last; a stored block follows as in a message.
        let message = [&compressed[..], &[0x00]].concat();
        assert_eq!(
            Inflater::new(15).message(&message).unwrap(),
            text.as_bytes()
        );
    }
}
