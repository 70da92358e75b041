//! permessage-deflate, section by section of RFC 7692.

#![cfg(feature = "deflate")]
#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

mod negotiation;
