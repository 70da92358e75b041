//! One WebSocket connection after its handshake: bytes in, events out; events in, bytes out.
//!
//! The connection is pure. It owns no socket and asks no clock; its caller reads from a socket
//! into any buffer, gives the bytes to [`Connection::receive`] until that says `None`, and
//! writes what [`Connection::output`] holds. An event borrows from the input alone, never from
//! the connection, so it can be answered on the spot:
//!
//! ```
//! use bytes::Buf;
//! use tidings_websocket::{Config, Connection, Fault};
//!
//! fn echo(connection: &mut Connection, mut bytes_read: &mut [u8]) -> Result<(), Fault> {
//!     while let Some(event) = connection.receive(&mut bytes_read)? {
//!         if event.is_message() {
//!             // An error means that the connection is closing, which `receive` tells as well.
//!             let _ = connection.send(event);
//!         }
//!     }
//!     Ok(()) // now write `connection.output()`: one write for all that was read
//! }
//!
//! let mut server = Connection::server(Config::default());
//! echo(&mut server, &mut b"\x81\x82\0\0\0\0hi\x89\x80\0\0\0\0".to_vec())?;
//! assert_eq!(server.output().chunk(), b"\x81\x02hi\x8a\x00"); // the echo, and a pong
//! # Ok::<(), Fault>(())
//! ```
//!
//! The closing handshake (RFC 6455 section 7) runs by itself:
//!
//! | when | then |
//! |---|---|
//! | the peer's Close comes | [`Event::Close`] is brought, the answer is in the output, [`Connection::is_closed`] |
//! | [`Connection::close`] is called | messages still come, until the peer's Close does |
//! | the peer breaks the protocol | `receive` fails with a [`Fault`], the Close that says why is in the output |
//! | the stream ends | [`Connection::handle_eof`] gives an [`Event::Close`] with code 1006, or `None` if the Close came before |
//!
//! When a connection is closed, write the rest of the output and close the stream: a server
//! at once, a client after the server did (7.1.1).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::close::{Close, CloseCode};
use crate::config::Config;
use crate::deflate::Deflate;
#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, Policy, pool};
use crate::error::{Fault, SendError};
pub use crate::event::Fragment;
use crate::event::{Event, Received};
use crate::frame::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, Role};
use crate::mask::{self, MaskKey};
use crate::message::MessageKind;
use crate::output::{OWNED_BYTES_MIN, Output};
use crate::prepared::Prepared;
use crate::receive::{Inbound, Receiver};

/// A connection, in either role. See the [module](self) for how it is driven.
pub struct Connection {
    side: Side,
    state: State,
    receiver: Receiver,
    output: Output,
    /// The message that was begun with [`Connection::send_fragment`].
    sending: Option<Sending>,
    /// Where compression was agreed on.
    deflate: Option<Deflate>,
    config: Arc<Config>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sending {
    kind: MessageKind,
    compressed: bool,
}

enum Side {
    Server,
    /// Where a client's masking keys come from.
    Client(Box<dyn FnMut() -> MaskKey + Send + Sync>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Neither has said Close.
    Open,
    /// When we said Close, and wait for the peer's.
    CloseSent,
    /// When both said Close, or the connection failed, or the stream ended: nothing is received or
    /// sent any more.
    Closed,
}

impl Connection {
    /// The end that answered the handshake.
    pub fn server(config: impl Into<Arc<Config>>) -> Self {
        Self::new(Side::Server, config.into())
    }

    /// The end that began the handshake; each frame is masked with a key from `mask_keys`.
    ///
    /// RFC 6455, 5.3 and 10.3: the keys must not be predictable by whoever chooses the
    /// messages, so outside tests they come from the operating system's randomness, as the
    /// tokio adapter's do.
    pub fn client(
        config: impl Into<Arc<Config>>,
        mask_keys: impl FnMut() -> MaskKey + Send + Sync + 'static,
    ) -> Self {
        Self::new(Side::Client(Box::new(mask_keys)), config.into())
    }

    fn new(side: Side, config: Arc<Config>) -> Self {
        Self {
            side,
            state: State::Open,
            receiver: Receiver::default(),
            output: Output::default(),
            sending: None,
            deflate: None,
            config,
        }
    }

    /// Shares the memory of `known`, if that says the same as its own.
    pub(crate) fn share_config(&mut self, known: &Arc<Config>) {
        if self.config == *known {
            self.config = known.clone();
        }
    }

    /// What it was made with.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The same connection, with the compression that its handshake agreed on.
    ///
    /// How hard to compress, and from which size on, it takes from
    /// [`Config::deflate`](Config), or from the default policy where there is none.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreement: Agreement) -> Self {
        self.deflate = Some(Deflate::new(agreement, self.role()));
        self
    }

    /// Takes bytes off the front of `input` up to the end of the next event.
    ///
    /// `None` says that all of `input` was taken: read more. The input is unmasked in place.
    /// A ping's pong, and the answer to a Close, are in the output when the event comes.
    /// After a Close event whatever else comes is taken and ignored.
    ///
    /// Each ping adds at most 127 bytes to the output, so a caller that stops reading while
    /// much is unwritten bounds what a peer can make it hold.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the peer broke the protocol or a limit. The output then ends with the
    /// Close frame that says so: write it, then close the stream.
    #[inline]
    pub fn receive<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Option<Event<'i>>, Fault> {
        if self.state == State::Closed {
            *input = &mut [];
            return Ok(None);
        }
        let mut inbound = Inbound {
            role: self.side.role(),
            config: &self.config,
            deflate: self.deflate.as_mut(),
        };
        match self.receiver.next(input, &mut inbound) {
            Ok(event) => {
                if let Some(event) = &event
                    && !event.is_message()
                {
                    self.answer(event);
                }
                Ok(event)
            }
            Err(fault) => Err(self.fail(fault, input)),
        }
    }

    /// [`receive`](Self::receive) for messages too big to be held: brings whatever has come of a
    /// message, without waiting for the rest.
    ///
    /// Nothing is kept but a character that is cut, and of a compressed message its decompressor.
    /// A piece is at most what `input` held, or 16 KiB of a compressed message; call it until it
    /// says `None`, also when all of `input` was taken. The limits are those of whole messages,
    /// so raise [`Config::message_bytes_max`] and [`Config::frame_bytes_max`] for big ones.
    ///
    /// Either way of receiving may be used at any time. In the middle of a message `receive`
    /// brings the rest of it as if that were the whole (of a text, from the beginning of the
    /// character that was cut), and `receive_piece` first brings what was held.
    ///
    /// ```
    /// use tidings_websocket::{Config, Connection, Fault, Fragment, Received};
    ///
    /// let mut server = Connection::server(Config { message_bytes_max: 1 << 40, ..Config::default() });
    /// let mut length = 0;
    /// // Two fragments of a binary message, a ping between.
    /// let mut bytes_read = *b"\x02\x82\0\0\0\0ab\x89\x80\0\0\0\0\x80\x81\0\0\0\0c";
    /// let mut input = &mut bytes_read[..];
    /// while let Some(received) = server.receive_piece(&mut input)? {
    ///     if let Received::Piece(piece) = received {
    ///         length += piece.payload.len();
    ///         if piece.fragment == Fragment::Last {
    ///             assert_eq!(length, 3);
    ///         }
    ///     }
    /// }
    /// # assert_eq!(length, 3);
    /// # Ok::<(), Fault>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `receive`'s.
    pub fn receive_piece<'i>(
        &mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Received<'i>>, Fault> {
        if self.state == State::Closed {
            *input = &mut [];
            return Ok(None);
        }
        let mut inbound = Inbound {
            role: self.side.role(),
            config: &self.config,
            deflate: self.deflate.as_mut(),
        };
        match self.receiver.next_piece(input, &mut inbound) {
            Ok(received) => {
                if let Some(Received::Event(event)) = &received {
                    self.answer(event);
                }
                Ok(received)
            }
            Err(fault) => Err(self.fail(fault, input)),
        }
    }

    /// Says that the stream ended: nothing more will be received.
    ///
    /// Gives the Close event with code 1006 where the peer's Close had not come (RFC 6455, 7.1.5).
    pub fn handle_eof(&mut self) -> Option<Event<'static>> {
        let abnormal = self.state != State::Closed;
        self.state = State::Closed;
        abnormal.then(|| Event::Close(Close::abnormal()))
    }

    /// Appends a message or a control frame to the output. Sending a Close begins the closing
    /// handshake.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    #[inline(always)]
    pub fn send<'e>(&mut self, event: impl Into<Event<'e>>) -> Result<(), SendError> {
        match event.into() {
            Event::Text(Cow::Borrowed(text)) => self.send_message(Opcode::Text, text.as_bytes()),
            Event::Text(Cow::Owned(text)) => self.send_owned(Opcode::Text, text.into_bytes()),
            Event::Binary(Cow::Borrowed(bytes)) => self.send_message(Opcode::Binary, bytes),
            Event::Binary(Cow::Owned(bytes)) => self.send_owned(Opcode::Binary, bytes),
            Event::Ping(payload) => self.send_control(Opcode::Ping, &payload),
            Event::Pong(payload) => self.send_control(Opcode::Pong, &payload),
            Event::Close(close) => self.close(close),
        }
    }

    /// Appends one fragment of a message; control frames may be sent in between, other messages
    /// not.
    ///
    /// A text may be cut anywhere, even within a character; that the whole is UTF-8 is the
    /// caller's promise. Where compression was agreed on, a message in fragments is always
    /// compressed, and each fragment so that the peer can decompress it when it comes.
    ///
    /// # Errors
    ///
    /// [`SendError::MessageUnfinished`] if the fragments before were of the other kind, or
    /// [`SendError::Closed`].
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let (opcode, compressed) = match self.sending {
            None => (Opcode::of(kind), self.deflate.is_some()),
            Some(begun) if begun.kind == kind => (Opcode::Continuation, begun.compressed),
            Some(_) => return Err(SendError::MessageUnfinished),
        };
        if (opcode, fragment) == (Opcode::of(kind), Fragment::Last) {
            return self.send_message(opcode, payload); // in one fragment, so it is whole
        }
        let more = Sending { kind, compressed };
        self.sending = (fragment == Fragment::More).then_some(more);
        if compressed {
            self.write_compressed_fragment(opcode, payload, fragment);
        } else {
            self.write_frame(opcode, payload, fragment == Fragment::Last);
        }
        Ok(())
    }

    /// Appends one or more whole frames that [`frame::encode_text`](crate::frame::encode_text) or
    /// [`encode_binary`](crate::frame::encode_binary) made, for this client among others.
    ///
    /// From [`SHARED_BYTES_MIN`](crate::output::SHARED_BYTES_MIN) on the bytes are not copied.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; [`SendError::NotAServer`] on a client's connection.
    pub fn send_encoded(&mut self, frames: &Bytes) -> Result<(), SendError> {
        self.check_encoded()?;
        self.output.push_shared(frames);
        Ok(())
    }

    /// Whether whole frames of a server can be sent now.
    pub(crate) fn check_encoded(&self) -> Result<(), SendError> {
        if matches!(self.side, Side::Client(_)) {
            return Err(SendError::NotAServer);
        }
        self.check_message_may_begin()
    }

    /// Appends a message whose payload others hold as well. A server sends it uncompressed.
    ///
    /// On a server's connection a payload of [`SHARED_BYTES_MIN`](crate::output::SHARED_BYTES_MIN)
    /// and more is not copied. That a text is UTF-8 is the caller's promise.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn send_shared(&mut self, kind: MessageKind, payload: &Bytes) -> Result<(), SendError> {
        let opcode = Opcode::of(kind);
        match self.side {
            Side::Client(_) => self.send_message(opcode, payload),
            Side::Server => {
                self.check_message_may_begin()?;
                Header::whole(opcode, payload.len()).write(self.output.tail());
                self.output.push_shared(payload);
                Ok(())
            }
        }
    }

    /// Appends a message that was made ready for many: by reference where it is big, and
    /// compressed where that was agreed on and the client can read it. See
    /// [`prepared`](crate::prepared).
    ///
    /// A client's connection sends the message like any other.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was appended.
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        if let Side::Client(_) = self.side {
            return self.send_message(Opcode::of(message.kind()), message.payload());
        }
        self.check_message_may_begin()?;
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &mut self.deflate
            && let Some(frame) = message.compressed_within(deflate.sending_window_bits())
        {
            deflate.make_stale();
            self.output.push_shared(frame);
            return Ok(());
        }
        self.output.push_shared(message.plain());
        Ok(())
    }

    /// Begins the closing handshake: after this nothing can be sent, and messages may still come.
    ///
    /// A reason of more than [`REASON_BYTES_MAX`](crate::close::REASON_BYTES_MAX) bytes is cut.
    /// Code 1005 sends a Close without a code.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if a Close was sent before, [`SendError::CloseCode`] for 1006.
    pub fn close(&mut self, close: Close<'_>) -> Result<(), SendError> {
        self.check_open()?;
        if close.code == CloseCode::ABNORMAL {
            return Err(SendError::CloseCode(close.code));
        }
        self.write_frame(Opcode::Close, &close.payload(), true);
        self.state = State::CloseSent;
        Ok(())
    }

    /// What waits to be written; a [`Buf`] to write from and to advance.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Lends memory for the output, an empty buffer, to whoever handles events next. Gives it back
    /// at once if something waits already.
    ///
    /// For a thread that drives many connections with one warm buffer: lend it, handle what was
    /// read, write, and [reclaim](Self::reclaim_output) it for the next.
    pub fn lend_output(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        self.output.lend(buffer)
    }

    /// Takes `bytes_written` off the output like [`Buf::advance`], and gives back the memory, an
    /// empty buffer, when it is not needed any more: all was written, or so little is left
    /// that it moved to memory of its own.
    pub fn reclaim_output(&mut self, bytes_written: usize) -> Option<Vec<u8>> {
        self.output.reclaim(bytes_written)
    }

    /// How many bytes wait to be written.
    pub fn unsent_bytes(&self) -> usize {
        self.output.remaining()
    }

    /// Whether messages can still be sent: no Close was sent, and the stream has not ended.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether nothing more will be received or sent: write the output, then close the stream.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether there may be more to receive, though all input was taken.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_more(&self) -> bool {
        self.state != State::Closed && self.receiver.is_waiting()
    }

    /// Whether compressed messages may come.
    #[cfg(all(feature = "tokio", target_os = "linux"))]
    pub(crate) fn may_inflate(&self) -> bool {
        self.deflate.is_some()
    }

    /// How much is to come of the message's frame that is arriving.
    #[cfg(all(feature = "tokio", target_os = "linux"))]
    pub(crate) fn message_bytes_to_come(&self) -> usize {
        self.receiver.message_bytes_to_come()
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.side.role()
    }

    /// What a control frame asks for by itself.
    fn answer(&mut self, event: &Event<'_>) {
        match event {
            Event::Ping(payload) => self.answer_ping(payload),
            Event::Close(close) => self.answer_close(close.code),
            _ => {}
        }
    }

    /// RFC 6455, 5.5.2: a ping is answered with its payload, unless a Close was received. Nor do we once
    /// we sent one: by 1.4 the peer discards what comes after it.
    fn answer_ping(&mut self, payload: &[u8]) {
        if self.state == State::Open {
            self.write_frame(Opcode::Pong, payload, true);
        }
    }

    /// RFC 6455, 5.5.1: a Close is answered with a Close that "typically echos the status code".
    fn answer_close(&mut self, code: CloseCode) {
        if self.state == State::Open {
            self.write_frame(Opcode::Close, &Close::new(code, "").payload(), true);
        }
        self.state = State::Closed;
    }

    /// RFC 6455, 7.1.7: fail the connection, and say why if we still may.
    #[cold]
    fn fail(&mut self, fault: Fault, input: &mut &mut [u8]) -> Fault {
        *input = &mut [];
        if self.state == State::Open {
            let close = Close::new(fault.close_code(), fault.to_string());
            self.write_frame(Opcode::Close, &close.payload(), true);
        }
        self.state = State::Closed;
        fault
    }

    #[inline]
    fn send_message(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.check_message_may_begin()?;
        if self.deflate.is_none() || !self.write_compressed(opcode, payload) {
            self.write_frame(opcode, payload, true);
        }
        Ok(())
    }

    /// A message that nobody else needs is not copied, where it is big and goes out as it is.
    fn send_owned(&mut self, opcode: Opcode, mut payload: Vec<u8>) -> Result<(), SendError> {
        if payload.len() < OWNED_BYTES_MIN || self.deflate.is_some() {
            return self.send_message(opcode, &payload);
        }
        self.check_message_may_begin()?;
        let mut header = Header::whole(opcode, payload.len());
        if let Side::Client(next_key) = &mut self.side {
            let key = next_key();
            mask::apply(&mut payload, key);
            header.mask = Some(key);
        }
        header.write(self.output.tail());
        self.output.push_owned(payload);
        Ok(())
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        if payload.len() > CONTROL_BYTES_MAX {
            return Err(SendError::ControlTooLong(payload.len()));
        }
        self.write_frame(opcode, payload, true);
        Ok(())
    }

    fn check_message_may_begin(&self) -> Result<(), SendError> {
        self.check_open()?;
        if self.sending.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.is_open() {
            Ok(())
        } else {
            Err(SendError::Closed)
        }
    }

    #[inline]
    fn write_frame(&mut self, opcode: Opcode, payload: &[u8], fin: bool) {
        self.write(
            Header {
                fin,
                ..Header::whole(opcode, payload.len())
            },
            payload,
        );
    }

    #[inline]
    fn write(&mut self, mut header: Header, payload: &[u8]) {
        // RFC 6455, 5.3: "the masking key MUST be freshly chosen for each frame".
        if let Side::Client(next_key) = &mut self.side {
            header.mask = Some(next_key());
        }
        let tail = self.output.tail();
        tail.reserve(HEADER_BYTES_MAX + payload.len());
        header.write(tail);
        match header.mask {
            None => tail.extend_from_slice(payload),
            Some(key) => mask::append(tail, payload, key),
        }
    }
}

#[cfg(feature = "deflate")]
impl Connection {
    /// Writes a whole message compressed, where that is worth it.
    fn write_compressed(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let policy = self.policy();
        let Some(deflate) = &mut self.deflate else {
            return false;
        };
        // zlib would give nothing for an empty message.
        if payload.len() < policy.compress_from.max(1) {
            return false;
        }
        let mut buffer = pool::take_buffer(0);
        let compressed = deflate.message(payload, &policy, &mut buffer);
        if let Some(bytes) = compressed {
            let header = Header {
                compressed: true,
                ..Header::whole(opcode, bytes)
            };
            self.write(header, &buffer[..bytes]);
        }
        pool::put_buffer(buffer);
        compressed.is_some()
    }

    fn write_compressed_fragment(&mut self, opcode: Opcode, payload: &[u8], fragment: Fragment) {
        let policy = self.policy();
        let Some(deflate) = &mut self.deflate else {
            return;
        };
        let mut buffer = pool::take_buffer(0);
        let bytes = deflate.fragment(payload, fragment, &policy, &mut buffer);
        let header = Header {
            fin: fragment == Fragment::Last,
            // RFC 7692, 6.1: the bit stands on the first frame alone.
            compressed: opcode != Opcode::Continuation,
            ..Header::whole(opcode, bytes)
        };
        self.write(header, &buffer[..bytes]);
        pool::put_buffer(buffer);
    }

    fn policy(&self) -> Policy {
        self.config.deflate.unwrap_or_default()
    }
}

#[cfg(not(feature = "deflate"))]
impl Connection {
    fn write_compressed(&mut self, _: Opcode, _: &[u8]) -> bool {
        false
    }

    fn write_compressed_fragment(&mut self, _: Opcode, _: &[u8], _: Fragment) {}
}

impl Side {
    #[inline]
    fn role(&self) -> Role {
        match self {
            Self::Server => Role::Server,
            Self::Client(_) => Role::Client,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("role", &self.role())
            .field("state", &self.state)
            .field("unsent_bytes", &self.unsent_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 136,
            "{}",
            size_of::<Connection>()
        );
    }

    #[test]
    fn a_connection_may_move_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Connection>();
    }
}
