//! The guide: how to choose among what the crate offers, and what each choice costs.
//!
//! | chapter | answers |
//! |---|---|
//! | [`choosing`] | event loop, WebSocket, `Stream` and `Sink`, or the bare core? |
//! | [`buffers`] | what does a connection cost, idle and busy? who owns which memory? |
//! | [`limits`] | what may a peer do to me, and how do I set the bounds? |
//! | [`compression`] | what does permessage-deflate bring, what does it cost, what is dangerous? |
//! | [`back_pressure`] | what happens to a peer that reads slowly, or not at all? |
//! | [`time`] | who notices a dead peer? how does a connection end in order? |
//! | [`security`] | which pages may connect? what must be true before I trust a peer? |
//! | [`http`] | frameworks, proxies, TLS, HTTP/2 |
//! | [`testing`] | how do I test my application without sockets and clocks? |
//! | [`migrating`] | I know tungstenite or fastwebsockets: what is called how here? |
//!
//! Figures were measured on one core of an AMD EPYC (Zen 4), Linux 6.18, release build. Take the
//! ratios with you rather than the absolute numbers.

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("buffers.md")]
pub mod buffers {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("compression.md")]
pub mod compression {}

#[doc = include_str!("back_pressure.md")]
pub mod back_pressure {}

#[doc = include_str!("time.md")]
pub mod time {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("http.md")]
pub mod http {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}
