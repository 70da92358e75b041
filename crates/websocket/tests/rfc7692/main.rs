//! permessage-deflate, section by section of RFC 7692, and then as a whole: any messages, any
//! agreement, any cut, and receivers and senders that are not ours.

#![cfg(feature = "deflate")]
#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]

mod negotiation;
mod section_6_framing;
mod section_7_1_windows;
mod section_7_2_messages;

mod faults;
mod pieces;
mod prepared;
mod round_trip;

mod inflater;
mod support;
