//! The protocol, section by section of RFC 6455, and then as a whole: any cut, any message, any
//! peer.

#![allow(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by it; clippy knows only functions marked `#[test]`"
)]
#![cfg_attr(
    not(feature = "deflate"),
    allow(
        clippy::needless_update,
        reason = "with the feature there are fields that it fills in"
    )
)]

mod section_10_4_limits;
mod section_4_1_client;
mod section_4_2_server;
mod section_5_1_masking;
mod section_5_2_framing;
mod section_5_4_fragmentation;
mod section_5_5_control;
mod section_7_closing;
mod section_8_utf8;

#[cfg(feature = "tokio")]
mod adapter;
mod any_cut;
mod pieces;
mod round_trip;
#[cfg(feature = "tokio")]
mod tungstenite;

mod support;
