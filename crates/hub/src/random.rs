//! Texts that nobody can guess, from the operating system's randomness.

use tidings_wire::MessageId;

/// 128 random bits as 32 hexadecimal digits.
pub(crate) fn hex() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("no system that we run on is without randomness");
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// An id that nobody else has: for messages and sessions whose clients chose none.
pub(crate) fn id() -> MessageId {
    MessageId::new(&hex()).expect("32 digits are a good id")
}
