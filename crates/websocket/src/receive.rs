//! The receiving half: bytes from the peer become events.
//!
//! Every call takes all the input it is given up to the end of the next event, so a caller
//! never has to keep bytes for a frame that is not whole: a header in pieces waits here in
//! fourteen bytes, a control frame in at most 125, a message in [`Unfinished`].

use std::borrow::Cow;
use std::mem;

use crate::close::Close;
use crate::config::Config;
use crate::error::Fault;
use crate::event::Event;
use crate::frame::{HEADER_BYTES_MAX, Header, Opcode, Role};
use crate::mask;
use crate::message::{MessageKind, Unfinished, check_message_bytes};

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// The beginning of a header.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The message whose fragments are arriving. Boxed: most messages come whole.
    message: Option<Box<Unfinished>>,
    /// What has come of a control frame.
    control: Vec<u8>,
}

/// A frame of which some payload is yet to come.
#[derive(Debug, Clone, Copy)]
struct Frame {
    header: Header,
    bytes_to_come: u64,
}

impl Receiver {
    /// Takes bytes off `input` until there is an event or no more input.
    pub(crate) fn next<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        role: Role,
        config: &Config,
    ) -> Result<Option<Event<'i>>, Fault> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None if input.is_empty() => return Ok(None),
                None => match self.take_header(input, role, config)? {
                    Some(header) => self.begin(header, config)?,
                    None => return Ok(None),
                },
            };
            self.frame = Some(frame);
            if input.is_empty() && frame.bytes_to_come > 0 {
                return Ok(None);
            }
            if let Some(event) = self.take_payload(frame, input)? {
                return Ok(Some(event));
            }
        }
    }

    fn take_header(
        &mut self,
        input: &mut &mut [u8],
        role: Role,
        config: &Config,
    ) -> Result<Option<Header>, Fault> {
        if self.header_len == 0
            && let Some((header, len)) = Header::parse(input, role, config)?
        {
            take(input, len);
            return Ok(Some(header));
        }
        // The header is not whole: gather it here.
        let before = usize::from(self.header_len);
        let more = input.len().min(HEADER_BYTES_MAX - before);
        self.header[before..before + more].copy_from_slice(&input[..more]);
        match Header::parse(&self.header[..before + more], role, config)? {
            Some((header, len)) => {
                take(input, len - before);
                self.header_len = 0;
                Ok(Some(header))
            }
            None => {
                take(input, more);
                self.header_len = (before + more) as u8;
                Ok(None)
            }
        }
    }

    /// Checks what a header means after the frames before it.
    fn begin(&mut self, header: Header, config: &Config) -> Result<Frame, Fault> {
        let bytes = header.payload_bytes;
        match (header.opcode, &mut self.message) {
            (Opcode::Continuation, None) => return Err(Fault::ContinuationWithoutMessage),
            (Opcode::Continuation, Some(message)) => message.begin_fragment(bytes, config)?,
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Fault::MessageInterrupted),
            (Opcode::Text | Opcode::Binary, None) => check_message_bytes(bytes, config)?,
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
        }
        if let (false, Some(kind)) = (header.fin, kind(header.opcode)) {
            let mut message = Unfinished::new(kind);
            message.begin_fragment(bytes, config)?;
            self.message = Some(Box::new(message));
        }
        Ok(Frame {
            header,
            bytes_to_come: bytes,
        })
    }

    fn take_payload<'i>(
        &mut self,
        mut frame: Frame,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'i>>, Fault> {
        let header = frame.header;
        let here = usize::try_from(frame.bytes_to_come)
            .map_or(input.len(), |bytes| bytes.min(input.len()));
        let piece = take(input, here);
        if let Some(key) = header.mask {
            let done = header.payload_bytes - frame.bytes_to_come;
            mask::apply(piece, mask::continued(key, (done % 4) as usize));
        }
        let first = frame.bytes_to_come == header.payload_bytes;
        frame.bytes_to_come -= here as u64;
        let last = frame.bytes_to_come == 0;
        self.frame = (!last).then_some(frame);
        if header.opcode.is_control() {
            return self.take_control(header.opcode, piece, first, last);
        }
        if let (None, Some(kind)) = (&self.message, kind(header.opcode)) {
            // The first piece of its message's only frame: all of it is here, or the rest is awaited.
            if last {
                return kind.whole(piece).map(Some);
            }
            self.message = Some(Box::new(Unfinished::new(kind)));
        }
        let Some(message) = &mut self.message else {
            // `begin` refuses a continuation of nothing.
            return Err(Fault::ContinuationWithoutMessage);
        };
        message.extend(piece)?;
        match self.message.take() {
            Some(message) if last && header.fin => message.finish().map(Some),
            unfinished => {
                self.message = unfinished;
                Ok(None)
            }
        }
    }

    fn take_control<'i>(
        &mut self,
        opcode: Opcode,
        piece: &'i [u8],
        first: bool,
        last: bool,
    ) -> Result<Option<Event<'i>>, Fault> {
        let payload = match (first, last) {
            (true, true) => Cow::Borrowed(piece),
            (_, false) => {
                self.control.extend_from_slice(piece);
                return Ok(None);
            }
            (false, true) => {
                self.control.extend_from_slice(piece);
                Cow::Owned(mem::take(&mut self.control))
            }
        };
        Ok(Some(match opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(match payload {
                Cow::Borrowed(payload) => Close::parse(payload)?,
                Cow::Owned(payload) => Close::parse(&payload)?.into_owned(),
            }),
        }))
    }
}

const fn kind(opcode: Opcode) -> Option<MessageKind> {
    match opcode {
        Opcode::Text => Some(MessageKind::Text),
        Opcode::Binary => Some(MessageKind::Binary),
        _ => None,
    }
}

/// Takes the first `len` bytes off `input`.
fn take<'i>(input: &mut &'i mut [u8], len: usize) -> &'i mut [u8] {
    let (taken, rest) = mem::take(input).split_at_mut(len);
    *input = rest;
    taken
}
