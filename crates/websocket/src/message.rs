//! Messages (RFC 6455 section 5.4): putting one together from fragments and pieces of fragments.
//!
//! Text is checked as it arrives and kept as a `String` from its first piece on, so that
//! nothing is looked at twice and a broken text fails in its middle.

use std::borrow::Cow;

use crate::config::Config;
use crate::error::Fault;
use crate::event::Event;
use crate::utf8;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl MessageKind {
    /// A message that came in one piece, checked; it borrows that piece.
    pub(crate) fn whole(self, payload: &[u8]) -> Result<Event<'_>, Fault> {
        Ok(match self {
            Self::Text => Event::Text(Cow::Borrowed(utf8::whole(payload)?)),
            Self::Binary => Event::Binary(Cow::Borrowed(payload)),
        })
    }
}

/// A message of which something has come, but not all.
#[derive(Debug)]
pub(crate) struct Unfinished {
    content: Content,
    fragments: u32,
}

#[derive(Debug)]
enum Content {
    Text(String, utf8::Tail),
    Binary(Vec<u8>),
}

impl Unfinished {
    /// A message of which nothing has come.
    pub(crate) fn new(kind: MessageKind) -> Self {
        let content = match kind {
            MessageKind::Text => Content::Text(String::new(), utf8::Tail::default()),
            MessageKind::Binary => Content::Binary(Vec::new()),
        };
        Self {
            content,
            fragments: 0,
        }
    }

    /// Counts a frame whose header has come, and checks that the message may still be kept.
    pub(crate) fn begin_fragment(
        &mut self,
        payload_bytes: u64,
        config: &Config,
    ) -> Result<(), Fault> {
        self.fragments += 1;
        if self.fragments > config.fragments_max {
            return Err(Fault::TooManyFragments {
                max: config.fragments_max,
            });
        }
        let kept = match &self.content {
            Content::Text(text, _) => text.len(),
            Content::Binary(bytes) => bytes.len(),
        };
        check_message_bytes(kept as u64 + payload_bytes, config)
    }

    /// Appends unmasked payload of the current fragment.
    ///
    /// Memory doubles with what has arrived: a header's word alone takes none.
    pub(crate) fn extend(&mut self, piece: &[u8]) -> Result<(), Fault> {
        match &mut self.content {
            Content::Text(text, tail) => tail.extend(text, piece),
            Content::Binary(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// The whole message, once its last fragment is there.
    pub(crate) fn finish(self) -> Result<Event<'static>, Fault> {
        match self.content {
            Content::Text(text, tail) => {
                tail.finish()?;
                Ok(Event::Text(Cow::Owned(text)))
            }
            Content::Binary(bytes) => Ok(Event::Binary(Cow::Owned(bytes))),
        }
    }
}

/// Checks the size that a message will have, before its bytes are there.
pub(crate) fn check_message_bytes(bytes: u64, config: &Config) -> Result<(), Fault> {
    if bytes > config.message_bytes_max as u64 {
        return Err(Fault::MessageTooBig {
            max: config.message_bytes_max,
        });
    }
    Ok(())
}
