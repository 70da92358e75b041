//! What the fuzzer asks of the WebSocket protocol: each target's body, apart from the fuzzer.
//!
//! A body takes bytes and panics when the protocol does not keep its word, so it runs under
//! libFuzzer (`fuzz_targets/`) and, over the corpus that is kept, in `cargo test`
//! (`crates/websocket/tests/corpus.rs`), which includes this file by its path.
//!
//! | target | takes | asks |
//! |---|---|---|
//! | [`receive`] | bytes from a peer | the same events however they are cut, memory within limits, and what tungstenite reads |
//! | [`operations`] | what two ends do | everything sent arrives once, in order, intact; closing ends |
//! | [`handshake`] | heads and header fields | refusals have a status; what is accepted, tungstenite accepts |
//! | [`payload`] | payloads and cuts | masking is its definition, UTF-8 is what std says, no later than std can |

pub mod corpus;
pub mod deflate;
pub mod frames;
pub mod handshake;
pub mod operations;
pub mod payload;
pub mod receive;
pub mod reference;
