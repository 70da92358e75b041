//! One WebSocket connection of a client: bytes in, texts out.

use super::frame::{self, Opcode};
use crate::socket::Socket;

/// A connection, with what is incomplete in both directions.
pub(super) struct Link {
    socket: Socket,
    /// The begin of a frame whose end has not come.
    partial: Vec<u8>,
    /// What the socket had no room for.
    unsent: Vec<u8>,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            partial: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Sends whole frames, behind what waits.
    pub(super) fn send(&mut self, frames: &[u8]) -> Result<(), String> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(frames);
            return self.flush();
        }
        let sent = self.write(frames)?;
        self.unsent.extend_from_slice(&frames[sent..]);
        Ok(())
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        self.unsent.extend_from_slice(&unsent[sent..]);
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, String> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(Some(count)) => sent += count,
                Ok(None) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(sent)
    }

    /// How many bytes came into `buffer`; `None` when there are none for now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        self.socket.read(buffer).map_err(|error| error.to_string())
    }

    /// Takes bytes that came, tells `on` of each text, and answers pings.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8])) -> Result<(), String> {
        let mut pongs = Vec::new();
        if self.partial.is_empty() {
            let taken = frames(bytes, &mut pongs, &mut on)?;
            if taken < bytes.len() {
                self.partial.extend_from_slice(&bytes[taken..]);
            }
        } else {
            self.partial.extend_from_slice(bytes);
            let taken = frames(&self.partial, &mut pongs, &mut on)?;
            if taken == self.partial.len() {
                // Ten thousand of them: an idle one keeps nothing.
                self.partial = Vec::new();
            } else {
                self.partial.drain(..taken);
            }
        }
        if pongs.is_empty() {
            Ok(())
        } else {
            self.send(&pongs)
        }
    }
}

/// Goes through the whole frames; gives how many bytes they took.
#[inline]
fn frames(bytes: &[u8], pongs: &mut Vec<u8>, on: &mut impl FnMut(&[u8])) -> Result<usize, String> {
    let mut taken = 0;
    while let Some(frame) = frame::next(&bytes[taken..])? {
        match frame.opcode {
            Opcode::Data => on(frame.payload),
            Opcode::Ping => frame::push_pong(pongs, frame.payload),
            Opcode::Pong => {}
            Opcode::Close => return Err(closed(frame.payload)),
        }
        taken += frame.bytes;
    }
    Ok(taken)
}

#[cold]
fn closed(payload: &[u8]) -> String {
    match payload {
        [a, b, reason @ ..] => format!(
            "it closed the connection: {} {}",
            u16::from_be_bytes([*a, *b]),
            String::from_utf8_lossy(reason)
        ),
        _ => "it closed the connection".to_owned(),
    }
}
