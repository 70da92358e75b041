//! Messages (RFC 6455 section 5.4): putting one together from fragments and pieces of fragments,
//! or handing its pieces on.
//!
//! Text is checked as it arrives and kept as a `String` from its first piece on, so that
//! nothing is looked at twice and a broken text fails in its middle. A compressed message is
//! decompressed as it arrives, and never into more than it may be.

use std::borrow::Cow;
use std::mem;

use crate::config::Config;
use crate::deflate::{Incoming, Inflating, pool};
use crate::error::Fault;
use crate::event::{Event, Fragment, Piece};
use crate::reuse;
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
    #[inline]
    pub(crate) fn whole(self, payload: &[u8]) -> Result<Event<'_>, Fault> {
        Ok(match self {
            Self::Text => Event::Text(Cow::Borrowed(utf8::whole(payload)?)),
            Self::Binary => Event::Binary(Cow::Borrowed(payload)),
        })
    }

    /// The same as a piece, the only one.
    pub(crate) fn whole_piece(self, payload: &[u8]) -> Result<Piece<'_>, Fault> {
        if self == Self::Text {
            utf8::whole(payload)?;
        }
        Ok(Piece {
            kind: self,
            payload: Cow::Borrowed(payload),
            fragment: Fragment::Last,
        })
    }
}

/// A message of which something has come, but not all.
pub(crate) struct Unfinished {
    content: Content,
    /// How much has come, uncompressed.
    bytes: usize,
    /// How much of that was not handed on.
    kept: usize,
    /// How much will have come with the rest of the frame that is arriving.
    promised: usize,
    /// How much room may be made for fragments that nobody has promised yet.
    room_max: usize,
    fragments: u32,
    inflating: Option<Inflating>,
}

/// What is kept of it.
enum Content {
    Text(String, utf8::Tail),
    Binary(Vec<u8>),
}

/// The most that one call decompresses to a piece, and the room beside the message itself that
/// decompressing needs.
pub(crate) const INFLATED_BYTES_MAX: usize = 16 * 1024;

impl Unfinished {
    /// A message of which nothing has come but a header, that promises `bytes` of payload.
    /// `incoming` where the message is compressed.
    pub(crate) fn new(kind: MessageKind, bytes: usize, incoming: Option<&Incoming>) -> Self {
        let content = match kind {
            MessageKind::Text => Content::Text(String::new(), utf8::Tail::default()),
            MessageKind::Binary => Content::Binary(Vec::new()),
        };
        Self {
            content,
            bytes: 0,
            kept: 0,
            promised: bytes,
            room_max: 0,
            fragments: 1,
            inflating: incoming.map(Inflating::begin),
        }
    }

    /// Counts a further frame whose header has come, and checks that the message may still be kept.
    pub(crate) fn begin_fragment(
        &mut self,
        payload_bytes: u64,
        config: &Config,
    ) -> Result<(), Fault> {
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > config.fragments_max {
            return Err(Fault::TooManyFragments {
                max: config.fragments_max,
            });
        }
        if self.inflating.is_none() {
            self.room_max = config.message_bytes_max;
            self.promised = check_message_bytes(self.bytes as u64 + payload_bytes, config)?;
        }
        Ok(())
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.inflating.is_some()
    }

    /// Whether its end has come, though not everything has been handed on.
    pub(crate) fn is_ending(&self) -> bool {
        self.inflating.as_ref().is_some_and(Inflating::is_ending)
    }

    /// Says how much of the current fragment is about to be appended, so that room is made once.
    pub(crate) fn expect(&mut self, bytes: usize) {
        if !self.is_compressed() {
            self.make_room(bytes, self.promised.saturating_sub(self.bytes + bytes));
        }
    }

    /// Appends unmasked payload of the current fragment.
    pub(crate) fn extend(
        &mut self,
        piece: &[u8],
        config: &Config,
        incoming: Option<&mut Incoming>,
    ) -> Result<(), Fault> {
        match incoming {
            Some(incoming) if self.is_compressed() => {
                self.extend_inflated(piece, Fragment::More, config, incoming)
            }
            _ => self.append(piece),
        }
    }

    /// The whole message, once its last fragment is there.
    pub(crate) fn finish(
        mut self,
        config: &Config,
        incoming: Option<&mut Incoming>,
    ) -> Result<Event<'static>, Fault> {
        if let Some(incoming) = incoming
            && self.is_compressed()
        {
            self.extend_inflated(&[], Fragment::Last, config, incoming)?;
        }
        self.release();
        match self.content {
            Content::Text(text, tail) => {
                tail.finish()?;
                Ok(Event::Text(Cow::Owned(text)))
            }
            Content::Binary(bytes) => Ok(Event::Binary(Cow::Owned(bytes))),
        }
    }

    /// Hands on what was kept, when the rest is wanted in pieces.
    pub(crate) fn take_kept(&mut self) -> Option<Piece<'static>> {
        let kept = mem::take(&mut self.kept);
        if kept == 0 {
            return None;
        }
        let (kind, mut payload) = match &mut self.content {
            Content::Text(text, tail) => {
                let mut payload = mem::take(text).into_bytes();
                payload.extend_from_slice(tail.bytes());
                (MessageKind::Text, payload)
            }
            Content::Binary(bytes) => (MessageKind::Binary, mem::take(bytes)),
        };
        // The beginning of a character may have been handed on before.
        payload.drain(..payload.len() - kept);
        Some(Piece {
            kind,
            payload: Cow::Owned(payload),
            fragment: Fragment::More,
        })
    }

    /// Hands unmasked payload of the current fragment on, checked.
    pub(crate) fn piece<'p>(
        &mut self,
        payload: &'p [u8],
        fragment: Fragment,
    ) -> Result<Piece<'p>, Fault> {
        self.bytes += payload.len();
        Ok(Piece {
            kind: self.check(payload, fragment)?,
            payload: Cow::Borrowed(payload),
            fragment,
        })
    }

    /// Hands on what comes out of compressed payload, as much as one piece may be, and takes what
    /// was needed for it off `input`.
    pub(crate) fn inflated_piece(
        &mut self,
        input: &mut &[u8],
        last: Fragment,
        config: &Config,
        incoming: &mut Incoming,
    ) -> Result<Option<Piece<'static>>, Fault> {
        let mut buffer = pool::take_buffer(INFLATED_BYTES_MAX);
        let output = &mut buffer[..INFLATED_BYTES_MAX];
        let (filled, fragment) = self.inflate(input, output, last, incoming)?;
        let (payload, size) = self.count(&output[..filled], config);
        // Where that is too much, what is cut off is not missing.
        let judged = size.as_ref().map_or(Fragment::More, |()| fragment);
        let kind = self.check(payload, judged)?;
        size?;
        let piece = (filled > 0 || fragment == Fragment::Last).then(|| Piece {
            kind,
            payload: Cow::Owned(payload.to_vec()),
            fragment,
        });
        pool::put_buffer(buffer);
        Ok(piece)
    }

    /// Whether there may be more to hand on without further input.
    pub(crate) fn is_waiting(&self) -> bool {
        self.inflating.as_ref().is_some_and(Inflating::is_waiting)
    }

    /// Gives back what the next message can use.
    pub(crate) fn release(&mut self) {
        if let Some(inflating) = self.inflating.take() {
            inflating.release();
        }
    }

    fn extend_inflated(
        &mut self,
        mut input: &[u8],
        last: Fragment,
        config: &Config,
        incoming: &mut Incoming,
    ) -> Result<(), Fault> {
        let mut buffer = pool::take_buffer(INFLATED_BYTES_MAX);
        let output = &mut buffer[..INFLATED_BYTES_MAX];
        loop {
            let (filled, fragment) = self.inflate(&mut input, output, last, incoming)?;
            // A bomb stops here, one buffer beyond the limit.
            let (payload, size) = self.count(&output[..filled], config);
            self.promised = config.message_bytes_max;
            self.keep(payload)?;
            size?;
            if fragment == Fragment::Last || (last == Fragment::More && !self.is_waiting()) {
                break;
            }
        }
        pool::put_buffer(buffer);
        Ok(())
    }

    /// Decompresses from `input`, and where that is the last of the message, to its end.
    fn inflate(
        &mut self,
        input: &mut &[u8],
        output: &mut [u8],
        last: Fragment,
        incoming: &mut Incoming,
    ) -> Result<(usize, Fragment), Fault> {
        let Some(inflating) = &mut self.inflating else {
            return Ok((0, last));
        };
        let (mut filled, mut done) = (0, false);
        if !inflating.is_ending() {
            filled = inflating.inflate(input, output, incoming);
            if last == Fragment::Last && input.is_empty() && !inflating.is_broken() {
                inflating.end();
            }
        }
        if inflating.is_ending() {
            let more;
            (more, done) = inflating.finish(&mut output[filled..], incoming);
            filled += more;
        }
        // What came before the break is judged first: a text, or a message's size, may be the fault.
        if inflating.is_broken() && filled == 0 {
            return Err(Fault::Deflate);
        }
        let fragment = if done { Fragment::Last } else { Fragment::More };
        Ok((filled, fragment))
    }

    /// Counts what came out of compressed payload; gives what of it the message may have, and
    /// whether that is all.
    fn count<'o>(&mut self, output: &'o [u8], config: &Config) -> (&'o [u8], Result<(), Fault>) {
        let allowed = config.message_bytes_max.saturating_sub(self.bytes);
        self.bytes += output.len();
        let size = check_message_bytes(self.bytes as u64, config).map(drop);
        (&output[..allowed.min(output.len())], size)
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.bytes += piece.len();
        self.keep(piece)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.make_room(piece.len(), self.promised.saturating_sub(self.bytes));
        self.kept += piece.len();
        match &mut self.content {
            Content::Text(text, tail) => tail.extend(piece, |whole| text.push_str(whole)),
            Content::Binary(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Makes room for what has arrived. A header's word alone takes no memory: it doubles with
    /// that, or takes what is promised where that is at most the fivefold, and never more. Where
    /// further fragments follow, it doubles, so that many small ones are not moved each time.
    ///
    /// Nobody promises what decompressing gives but the limit. That is taken in two steps at the
    /// end, half and whole, so that while one is copied to the next there is never more than both.
    fn make_room(&mut self, arrived: usize, to_come: usize) {
        let (len, capacity) = match &self.content {
            Content::Text(text, _) => (text.len(), text.capacity()),
            Content::Binary(bytes) => (bytes.len(), bytes.capacity()),
        };
        let needed = len + arrived;
        if needed <= capacity {
            return;
        }
        let half = (needed + to_come) / 2;
        let wanted = match self.is_compressed() {
            false if to_come > PROMISE_TRUSTED * needed => 2 * needed,
            true if needed <= half => half.min(2 * needed),
            _ => (needed + to_come).max(self.room_max.min(2 * capacity)),
        };
        match (&mut self.content, reuse::take(wanted)) {
            (Content::Text(text, _), None) => text.reserve_exact(wanted - len),
            (Content::Binary(bytes), None) => bytes.reserve_exact(wanted - len),
            (Content::Text(text, _), Some(room)) => {
                let mut room = String::from_utf8(room).unwrap_or_default(); // it is empty
                room.push_str(text);
                reuse::give_back(mem::replace(text, room).into_bytes());
            }
            (Content::Binary(bytes), Some(mut room)) => {
                room.extend_from_slice(bytes);
                reuse::give_back(mem::replace(bytes, room));
            }
        }
    }

    fn check(&mut self, payload: &[u8], fragment: Fragment) -> Result<MessageKind, Fault> {
        match &mut self.content {
            Content::Text(_, tail) => {
                tail.extend(payload, |_| {})?;
                if fragment == Fragment::Last {
                    tail.finish()?;
                }
                Ok(MessageKind::Text)
            }
            Content::Binary(_) => Ok(MessageKind::Binary),
        }
    }
}

/// When this many times what has arrived is yet to come, or less, memory is taken for all of it.
///
/// Four, because a message of a mebibyte mostly begins with a read of 256 KiB, a header in it.
const PROMISE_TRUSTED: usize = 4;

/// Checks the size that a message will have, before its bytes are there.
#[inline]
pub(crate) fn check_message_bytes(bytes: u64, config: &Config) -> Result<usize, Fault> {
    match usize::try_from(bytes) {
        Ok(bytes) if bytes <= config.message_bytes_max => Ok(bytes),
        _ => Err(Fault::MessageTooBig {
            max: config.message_bytes_max,
        }),
    }
}
