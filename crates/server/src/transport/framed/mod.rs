//! What a client with frames both ways says and is given, whatever carries them.
//!
//! A transport reads its client's frames and hands their objects to the [`Session`], which fills its room with
//! frames again. How a frame is marked off is the transport's [`Framing`], how a connection ends its own as well:
//! it is told the code and the reason.

mod frames;
mod session;

use std::time::Duration;

use tidings_hub::Room;

pub(crate) use frames::{Compression, Framing};
pub(crate) use session::{End, Giver, Parting, Session};

/// What a client is given at a time, when everything it was given before is written. The bytes are two
/// large messages, or a second of a busy room, and bound it first.
pub(crate) const ROOM: Room = Room {
    bytes: UNSENT_BYTES_MAX,
    events: 1024,
};

/// What a client may be given and not have taken, in bytes; the last frame may reach beyond it.
pub(crate) const UNSENT_BYTES_MAX: usize = 64 << 10;

/// How long a client may take to say who it is. Where guests are let in, one that has said nothing until
/// then is welcomed under a name of our choice, so that a bare client needs no `hello`.
pub(crate) const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection that we close may take to agree.
pub(crate) const CLOSING_WITHIN: Duration = Duration::from_secs(2);
