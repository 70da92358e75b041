//! WebSocket (RFC 6455), client and server: a pure core that any I/O can drive, and tokio around
//! it.
//!
//! # The map
//!
//! | to | look at |
//! |---|---|
//! | choose among all this, and learn what each choice costs | the [`guide`], chapter by chapter |
//! | talk over a socket with tokio | [`tokio`]: [`accept`](tokio::accept), [`connect`](tokio::connect), [`WebSocket`](tokio::WebSocket) |
//! | open a connection behind any HTTP server or client | [`handshake`]: functions on `http`'s types |
//! | open one behind axum | the feature `axum`, its module of that name: an extractor |
//! | drive the protocol yourself | [`connection`]: bytes in, events out; events in, bytes out |
//! | send one message to many | [`Prepared`] once, then [`send_prepared`](Connection::send_prepared) to each |
//! | read or send a message that is too big to be held | [`Connection::receive_piece`], [`Connection::send_fragment`] |
//! | notice that a peer is gone | [`keepalive`] |
//! | know what can come, and what can go wrong | [`Event`], [`Fault`], [`SendError`], [`CloseCode`] |
//! | set limits | [`Config`], [`tokio::Options`] |
//! | compress | [`deflate`]: permessage-deflate, [`Config::deflate`] |
//!
//! Reading order for newcomers: [`frame`] → `receive` → [`message`] → [`connection`] → [`tokio`].
//!
//! # A whole example
//!
//! A server that echoes, and a client that says hello:
//!
#![cfg_attr(feature = "tokio", doc = "```")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use std::error::Error;
//! use std::time::Duration;
//!
//! use tidings_websocket::handshake::{client, server};
//! use tidings_websocket::tokio::{Options, accept, connect};
//! use tidings_websocket::{Close, CloseCode, Event};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! async fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
//!     let offer = server::Options { subprotocols: &["echo"], ..server::Options::default() };
//!     let mut websocket = accept(stream, &offer, Options::default()).await?.websocket;
//!     while let Some(event) = websocket.recv().await? {
//!         if event.is_message() {
//!             websocket.feed(event)?; // `recv` writes what was fed before it waits
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}/", listener.local_addr()?);
//! let server = async { serve(listener.accept().await?.0).await };
//!
//! let client = async {
//!     let offer = client::Options { subprotocols: &["echo"], ..client::Options::default() };
//!     let mut websocket = connect(&url, &offer, Options::default()).await?.websocket;
//!     websocket.send("hello").await?;
//!     assert_eq!(websocket.recv().await?, Some(Event::from("hello")));
//!     let done = Close::new(CloseCode::NORMAL, "done");
//!     let answer = websocket.close(done, Duration::from_secs(1)).await?;
//!     assert_eq!(answer.code, CloseCode::NORMAL);
//!     Ok::<(), Box<dyn Error>>(())
//! };
//! tokio::try_join!(server, client)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
// The docs are written to be read with the default features, and link to what these bring.
#![cfg_attr(
    not(all(feature = "tokio", feature = "deflate", target_os = "linux")),
    allow(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)
)]

#[cfg(feature = "axum")]
pub mod axum;
pub mod close;
pub mod config;
pub mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "deflate/absent.rs"]
mod deflate;
pub mod error;
pub mod event;
pub mod frame;
// It links to nearly everything.
#[cfg(all(doc, feature = "tokio", feature = "deflate", target_os = "linux"))]
pub mod guide;
pub mod handshake;
pub mod keepalive;
pub mod mask;
pub mod message;
pub mod output;
pub mod prepared;
mod receive;
mod reuse;
#[cfg(feature = "tokio")]
pub mod tokio;
mod utf8;

pub use crate::close::{Close, CloseCode};
pub use crate::config::Config;
pub use crate::connection::Connection;
pub use crate::error::{Fault, SendError};
pub use crate::event::{Event, Fragment, Piece, Received};
pub use crate::frame::Role;
pub use crate::message::MessageKind;
pub use crate::prepared::Prepared;

/// The README's example compiles.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
