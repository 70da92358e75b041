//! What Tidings' clients and hub say to each other, and how it looks in bytes.
//!
//! The map:
//!
//! - [`ChannelName`], [`Cursor`], [`StreamCursor`] and [`Epoch`]: where a message is, and how far somebody has read;
//! - [`Message`] and [`Data`]: what is stored;
//! - [`Event`]: what a follower of a channel is sent, and [`Encoded`], the same bytes for all of them;
//! - [`Request`] and [`Command`]: what a client says over WebSocket or WebTransport;
//! - [`Reply`]: what the hub answers to one client;
//! - [`Code`]: every way in which something can be refused, with its HTTP status and close code;
//! - [`Format`]: JSON or CBOR; the same objects in both.
//!
//! Nothing here knows a socket or a clock.
//!
//! ```
//! use tidings_wire::{ChannelName, Command, Data, Format, Request};
//!
//! let frame = br#"{"type":"publish","req":3,"channel":"chat:lobby","data":{"text":"hi"}}"#;
//! let request = Request::decode(frame, Format::Json)?;
//! assert_eq!(request.req, Some(3));
//! assert_eq!(
//!     request.command,
//!     Command::Publish {
//!         channel: ChannelName::new("chat:lobby")?,
//!         data: Data::from_json(r#"{ "text": "hi" }"#)?,
//!         id: None,
//!     }
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod channel;
mod code;
mod command;
mod cursor;
mod data;
mod encoded;
mod event;
mod format;
mod message;
mod reply;

pub use channel::{CHANNEL_NAME_BYTES_MAX, ChannelName, ChannelNameError};
pub use code::Code;
pub use command::{Command, Request, RequestError};
pub use cursor::{CURSOR_PARTS_MAX, Cursor, CursorError, Epoch, StreamCursor};
pub use data::{DATA_DEPTH_MAX, Data, DataError};
pub use encoded::Encoded;
pub use event::Event;
pub use format::Format;
pub use message::{MESSAGE_ID_BYTES_MAX, Message, MessageId, MessageIdError, User};
pub use reply::{Heartbeat, Newest, Presence, Present, Reply, ReplyBody};

/// The version of the protocol that this crate speaks, as `hello` tells it.
pub const PROTOCOL_VERSION: u32 = 1;
