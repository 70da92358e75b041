//! UTF-8 that arrives in pieces: what is valid so far becomes text, what cannot become valid fails
//! at once.
//!
//! RFC 6455 section 8.1 lets an endpoint fail a text message at the first byte that breaks
//! UTF-8, long before the message ends. A piece may end inside a character; at most three
//! bytes of it wait here for the next piece, and everything before them is already `str`.

use crate::error::Fault;

/// Checks a whole text at once.
///
/// simdutf8's basic flavour, measured beside std on an AMD EPYC (Zen 4), nanoseconds: 125 bytes of
/// ASCII 12 and 11, of other letters 20 and 70 to 120; 64 KiB 580 and 1,150, 3,700 and
/// 38,000. Below 64 bytes it is std. The compat flavour, which says where the fault is, is
/// level from 16 KiB on and up to a half slower below. To look for ASCII while unmasking would
/// bring nothing that `str` can be made of without `unsafe`.
#[inline]
pub(crate) fn whole(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::InvalidUtf8)
}

/// The beginning of a character whose end has not come yet.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tail {
    bytes: [u8; CHARACTER_BYTES_MAX],
    len: u8,
}

impl Tail {
    /// Checks the next piece of a text, and gives `take` what is whole: everything but an
    /// unfinished character at its end.
    pub(crate) fn extend(&mut self, piece: &[u8], mut take: impl FnMut(&str)) -> Result<(), Fault> {
        let piece = self.complete(piece, &mut take)?;
        let (characters, unfinished) = split_unfinished(piece);
        take(whole(characters)?);
        if !unfinished.is_empty() {
            // Fail fast: what waits must be able to become a character.
            if !may_become_character(unfinished) {
                return Err(Fault::InvalidUtf8);
            }
            self.bytes[..unfinished.len()].copy_from_slice(unfinished);
            self.len = unfinished.len() as u8;
        }
        Ok(())
    }

    /// What has come of the unfinished character.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Says that no further piece comes: nothing may be left unfinished.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.len == 0 {
            Ok(())
        } else {
            Err(Fault::InvalidUtf8)
        }
    }

    /// Finishes the waiting character with the first bytes of `piece`; returns the others.
    fn complete<'p>(
        &mut self,
        mut piece: &'p [u8],
        take: &mut impl FnMut(&str),
    ) -> Result<&'p [u8], Fault> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                break;
            };
            piece = rest;
            // Three bytes at most may wait, so a fourth always has its place.
            self.bytes[usize::from(self.len)] = byte;
            let candidate = &self.bytes[..=usize::from(self.len)];
            if let Ok(character) = whole(candidate) {
                take(character);
                self.len = 0;
            } else if may_become_character(candidate) {
                self.len += 1;
            } else {
                return Err(Fault::InvalidUtf8);
            }
        }
        Ok(piece)
    }
}

/// RFC 3629: no character is longer.
const CHARACTER_BYTES_MAX: usize = 4;

/// Splits off the last bytes that look like the beginning of a character.
fn split_unfinished(bytes: &[u8]) -> (&[u8], &[u8]) {
    for back in 1..=bytes.len().min(CHARACTER_BYTES_MAX - 1) {
        let at = bytes.len() - back;
        let length = match bytes[at] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0x00..=0x7f => 1,
        };
        return if length > back {
            bytes.split_at(at)
        } else {
            (bytes, &[])
        };
    }
    (bytes, &[])
}

/// Whether some continuation makes `bytes` a character, and they are none yet.
fn may_become_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(bytes: &[u8], cut: usize) -> Result<String, Fault> {
        let (mut tail, mut text) = (Tail::default(), String::new());
        tail.extend(&bytes[..cut], |whole| text.push_str(whole))?;
        tail.extend(&bytes[cut..], |whole| text.push_str(whole))?;
        tail.finish()?;
        Ok(text)
    }

    #[test]
    fn any_cut_gives_what_the_standard_library_says_of_the_whole() {
        let texts: [&[u8]; 12] = [
            "κόσμε, 世界, 🌍🌎".as_bytes(),
            b"\xf4\x8f\xbf\xbf",         // U+10FFFF, the last
            b"\xf4\x90\x80\x80",         // one beyond it
            b"\xed\x9f\xbf\xee\x80\x80", // around the surrogates
            b"\xed\xa0\x80",             // a surrogate
            b"\xc0\xaf",                 // overlong
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\x80",
            b"ascii\xff",
            b"ends within \xe2\x82",
            b"\xf8\x88\x80\x80\x80",
        ];
        for bytes in texts {
            let expected = std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| Fault::InvalidUtf8);
            for cut in 0..=bytes.len() {
                assert_eq!(in_pieces(bytes, cut), expected, "{bytes:x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn every_sequence_of_two_bytes_fails_no_later_than_it_must() {
        // Miri interprets every step.
        let step = if cfg!(miri) { 15 } else { 1 };
        for first in (0..=255u8).step_by(step) {
            for second in (0..=255u8).step_by(step) {
                let bytes = [first, second];
                let mut tail = Tail::default();
                let outcome = tail
                    .extend(&bytes[..1], |_| {})
                    .and_then(|()| tail.extend(&bytes[1..], |_| {}));
                let hopeless =
                    std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_some());
                assert_eq!(outcome.is_err(), hopeless, "{bytes:x?}");
            }
        }
    }

    #[test]
    fn a_hopeless_beginning_fails_before_its_end_came() {
        let mut tail = Tail::default();
        assert_eq!(tail.extend(b"ok \xf4", |_| {}), Ok(()));
        assert_eq!(tail.extend(b"\x90", |_| {}), Err(Fault::InvalidUtf8));
    }
}
