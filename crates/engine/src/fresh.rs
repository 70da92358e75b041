//! A fresh identity for a log.

use tidings_wire::Epoch;

/// Digits and letters without those that people mistake for one another (Crockford's base32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 12 characters of 5 bits: 60 bits, so that no two logs anywhere share an epoch by chance.
const EPOCH_CHARACTERS: usize = 12;

/// An epoch that no log had before, from the operating system's randomness.
///
/// # Panics
///
/// If the operating system has no randomness to give, without which nothing here is safe.
pub fn fresh_epoch() -> Epoch {
    let mut random = [0; EPOCH_CHARACTERS];
    getrandom::fill(&mut random).expect("the operating system gives randomness");
    let text: String = random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    Epoch::new(&text).expect("the alphabet is of letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_epochs_are_the_same() {
        assert_ne!(fresh_epoch(), fresh_epoch());
        assert_eq!(fresh_epoch().as_str().len(), EPOCH_CHARACTERS);
    }
}
