//! One event, encoded once per format and shared by every follower.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::{Cursor, Epoch, Event, Format};

/// An [`Event`] and its bytes in every format that somebody has asked for so far. The bytes are the
/// same for all followers: nothing per client is inside.
#[derive(Debug)]
pub struct Encoded {
    event: Event,
    epoch: Epoch,
    json: OnceLock<Bytes>,
    cbor: OnceLock<Bytes>,
    sse: OnceLock<Bytes>,
    compressed_json: OnceLock<Option<Bytes>>,
    compressed_cbor: OnceLock<Option<Bytes>>,
}

impl Encoded {
    /// Wraps `event` of the log `epoch`; nothing is encoded yet.
    pub fn new(event: Event, epoch: Epoch) -> Self {
        Self {
            event,
            epoch,
            json: OnceLock::new(),
            cbor: OnceLock::new(),
            sse: OnceLock::new(),
            compressed_json: OnceLock::new(),
            compressed_cbor: OnceLock::new(),
        }
    }

    /// The event itself.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The log that it is of.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The message's place in its log, if it is a message.
    pub fn seq(&self) -> Option<u64> {
        match &self.event {
            Event::Message(message) => Some(message.seq),
            _ => None,
        }
    }

    /// About its size in bytes in any format, known without encoding it: what room and tails count.
    pub fn weight(&self) -> usize {
        /// The names and numbers of a message's fields, rounded up.
        const FIELDS: usize = 128;
        let content = match &self.event {
            Event::Message(message) => {
                message.id.as_str().len() + message.from.as_str().len() + message.data.len()
            }
            Event::Signal { from, data, .. } => from.as_str().len() + data.len(),
            Event::Join { user, .. } | Event::Leave { user, .. } => user.as_str().len(),
            Event::Truncated { .. } => 0,
        };
        FIELDS + self.event.channel().as_str().len() + content
    }

    /// The event as one object in `format`.
    pub fn bytes(&self, format: Format) -> &Bytes {
        let cell = match format {
            Format::Json => &self.json,
            Format::Cbor => &self.cbor,
        };
        cell.get_or_init(|| format.encode(&self.event).into())
    }

    /// What `compress` makes of the event's bytes in `format`, once for all followers: `None` where they are better
    /// sent as they are. One transport compresses, in one way; what it made first is what it is given again.
    pub fn compressed(
        &self,
        format: Format,
        compress: impl FnOnce(&[u8]) -> Option<Bytes>,
    ) -> Option<&Bytes> {
        let cell = match format {
            Format::Json => &self.compressed_json,
            Format::Cbor => &self.compressed_cbor,
        };
        cell.get_or_init(|| compress(self.bytes(format))).as_ref()
    }

    /// The event as a server-sent event (WHATWG HTML, 9.2.5). A message bears the cursor behind it as
    /// its `id:` and has no `event:`, so that a plain `EventSource` finds it in `onmessage`.
    pub fn sse(&self) -> &Bytes {
        self.sse.get_or_init(|| {
            let mut out = Vec::with_capacity(self.bytes(Format::Json).len() + 64);
            match self.seq() {
                Some(seq) => {
                    let cursor = Cursor {
                        epoch: self.epoch.clone(),
                        seq,
                    };
                    out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
                }
                None => {
                    let name = self.event.type_name();
                    out.extend_from_slice(format!("event: {name}\n").as_bytes());
                }
            }
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(self.bytes(Format::Json));
            out.extend_from_slice(b"\n\n");
            out.into()
        })
    }

    /// The same without the `id:`, for a stream whose channels are in several logs: its cursor is more than the place
    /// of one message.
    pub fn sse_without_id(&self) -> &[u8] {
        let whole = self.sse();
        match self.seq() {
            // The first line of a message.
            Some(_) => whole
                .splitn(2, |byte| *byte == b'\n')
                .nth(1)
                .unwrap_or(whole),
            None => whole,
        }
    }
}
