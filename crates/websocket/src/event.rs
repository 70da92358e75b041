//! What a connection brings and what is sent over it: one vocabulary for both directions.
//!
//! A received event borrows the bytes it came in wherever it can: a message of one frame
//! that lies whole in the input is that input, unmasked in place. Only a message that came in
//! several pieces was put together in memory of its own, and then the event owns it.

use std::borrow::Cow;

use crate::close::Close;
use crate::message::MessageKind;

/// A message or a control frame.
///
/// `&str`, `String`, `&[u8]` and `Vec<u8>` turn into the message they look like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole text message.
    Text(Cow<'a, str>),
    /// A whole binary message.
    Binary(Cow<'a, [u8]>),
    /// A ping, at most 125 bytes. When received, its pong is already in the output, unless our Close
    /// was before it.
    Ping(Cow<'a, [u8]>),
    /// A pong, at most 125 bytes: the answer to a ping, or a sign of life.
    Pong(Cow<'a, [u8]>),
    /// The end of what the peer says. When received, the answer is already in the output.
    Close(Close<'a>),
}

/// What [`Connection::receive_piece`](crate::Connection::receive_piece) brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received<'a> {
    /// Some of a message.
    Piece(Piece<'a>),
    /// A control frame; never a message.
    Event(Event<'a>),
}

/// Some of a message, as it came: how it is cut means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What the message is.
    pub kind: MessageKind,
    /// The next bytes of it, uncompressed; only a last piece may be empty.
    ///
    /// Those of a text are UTF-8 so far, though the piece may begin and end within a character;
    /// the pieces of a whole text are UTF-8 when the last one has come.
    pub payload: Cow<'a, [u8]>,
    /// Whether it is the last of its message.
    pub fragment: Fragment,
}

/// Whether a part of a message ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragment {
    /// More of the message will follow.
    More,
    /// The message is complete.
    Last,
}

impl Piece<'_> {
    /// The same piece, borrowing nothing. Copies what was borrowed.
    pub fn into_owned(self) -> Piece<'static> {
        Piece {
            kind: self.kind,
            payload: Cow::Owned(self.payload.into_owned()),
            fragment: self.fragment,
        }
    }
}

impl Received<'_> {
    /// The same, borrowing nothing. Copies what was borrowed.
    pub fn into_owned(self) -> Received<'static> {
        match self {
            Self::Piece(piece) => Received::Piece(piece.into_owned()),
            Self::Event(event) => Received::Event(event.into_owned()),
        }
    }
}

impl Event<'_> {
    /// The same event, borrowing nothing. Copies what was borrowed.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Event::Binary(Cow::Owned(bytes.into_owned())),
            Self::Ping(bytes) => Event::Ping(Cow::Owned(bytes.into_owned())),
            Self::Pong(bytes) => Event::Pong(Cow::Owned(bytes.into_owned())),
            Self::Close(close) => Event::Close(close.into_owned()),
        }
    }

    /// Whether this is a message, not a control frame.
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }
}

impl<'a> From<&'a str> for Event<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Event<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Event<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<Vec<u8>> for Event<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl<'a> From<Close<'a>> for Event<'a> {
    fn from(close: Close<'a>) -> Self {
        Self::Close(close)
    }
}
