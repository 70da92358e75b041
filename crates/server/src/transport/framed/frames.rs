//! Pushes as frames: what many followers are given is framed once for all of them.
//!
//! A frame is the same bytes for everybody: a server's WebSocket frame carries no mask. After a
//! committed batch the followers of a channel are given the same events one after the other; the
//! run of them that was framed last is kept, and compared by address with the next one.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use tidings_wire::{Encoded, Format, Reply};

use crate::transport::Transport;

/// Whether a client has agreed to take events compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// It is given them as they are.
    Refused,
    /// It is given what [`Framing::write_compressed`] makes of them.
    Agreed,
}

/// How a transport marks off its frames.
pub(crate) trait Framing {
    /// Whose frames they are.
    const TRANSPORT: Transport;

    /// The longest mark, in bytes.
    const HEADER_BYTES_MAX: usize;

    /// Appends the frame of an object.
    fn write(format: Format, object: &[u8], out: &mut Vec<u8>);

    /// Appends the frame of an event for those who agreed to take it compressed, where the transport has that.
    fn write_compressed(format: Format, event: &Encoded, out: &mut Vec<u8>) {
        Self::write(format, event.bytes(format), out);
    }

    /// Whether an event goes another way than in frames.
    fn is_apart(_event: &Encoded) -> bool {
        false
    }
}

/// The frames of the newest runs. A run is no larger than the room that it was given for, and its
/// last event.
pub(super) struct Frames<F> {
    json: Run,
    cbor: Run,
    compressed_json: Run,
    compressed_cbor: Run,
    framing: PhantomData<F>,
}

impl<F> Default for Frames<F> {
    fn default() -> Self {
        Self {
            json: Run::default(),
            cbor: Run::default(),
            compressed_json: Run::default(),
            compressed_cbor: Run::default(),
            framing: PhantomData,
        }
    }
}

/// Events, and all of them as frames.
#[derive(Default)]
struct Run {
    events: Vec<Arc<Encoded>>,
    frames: Bytes,
}

impl<F: Framing> Frames<F> {
    /// The frames of `events`, one behind the other.
    pub(super) fn of_events(
        &mut self,
        format: Format,
        compression: Compression,
        events: &[Arc<Encoded>],
    ) -> &Bytes {
        let run = match (format, compression) {
            (Format::Json, Compression::Refused) => &mut self.json,
            (Format::Cbor, Compression::Refused) => &mut self.cbor,
            (Format::Json, Compression::Agreed) => &mut self.compressed_json,
            (Format::Cbor, Compression::Agreed) => &mut self.compressed_cbor,
        };
        if !run.is_of(events) {
            *run = Run::new::<F>(format, compression, events);
        }
        &run.frames
    }

    /// The frame of an answer, which is one client's alone and never compressed: it would be work for each client,
    /// and a page of history has many authors, of whom one could learn from its length what the others said.
    pub(super) fn of_reply(format: Format, reply: &Reply) -> Bytes {
        let mut frame = Vec::new();
        F::write(format, &format.encode(reply), &mut frame);
        frame.into()
    }
}

impl Run {
    fn new<F: Framing>(format: Format, compression: Compression, events: &[Arc<Encoded>]) -> Self {
        let bytes = events.iter().map(|event| event.bytes(format).len());
        let mut frames = Vec::with_capacity(bytes.map(|bytes| bytes + F::HEADER_BYTES_MAX).sum());
        for event in events {
            match compression {
                Compression::Refused => F::write(format, event.bytes(format), &mut frames),
                Compression::Agreed => F::write_compressed(format, event, &mut frames),
            }
        }
        Self {
            events: events.to_vec(),
            frames: frames.into(),
        }
    }

    fn is_of(&self, events: &[Arc<Encoded>]) -> bool {
        let same = |(kept, event)| Arc::ptr_eq(kept, event);
        self.events.len() == events.len() && self.events.iter().zip(events).all(same)
    }
}

#[cfg(test)]
mod tests {
    use tidings_wire::{ChannelName, Data, Epoch, Event, User};

    use super::*;

    /// A frame is its object behind a letter.
    struct Lettered;

    impl Framing for Lettered {
        const TRANSPORT: Transport = Transport::WebSocket;
        const HEADER_BYTES_MAX: usize = 1;

        fn write(format: Format, object: &[u8], out: &mut Vec<u8>) {
            out.push(match format {
                Format::Json => b'j',
                Format::Cbor => b'c',
            });
            out.extend_from_slice(object);
        }

        fn write_compressed(_: Format, _: &Encoded, out: &mut Vec<u8>) {
            out.push(b'z');
        }
    }

    fn event(text: &str) -> Arc<Encoded> {
        let event = Event::Signal {
            channel: ChannelName::new("a").unwrap(),
            from: User::new("bob").unwrap(),
            data: Data::from_text(text),
        };
        Arc::new(Encoded::new(event, Epoch::new("e").unwrap()))
    }

    #[test]
    fn the_same_events_are_framed_once_and_others_anew() {
        let mut frames = Frames::<Lettered>::default();
        let (one, two) = (event("1"), event("2"));
        let mut of = |format, events: &[&Arc<Encoded>]| {
            let events: Vec<_> = events.iter().map(|event| (*event).clone()).collect();
            let compressed = frames.of_events(format, Compression::Agreed, &events);
            assert_eq!(compressed, &"z".repeat(events.len()));
            frames
                .of_events(format, Compression::Refused, &events)
                .clone()
        };
        let both = of(Format::Json, &[&one, &two]);
        let cbor = of(Format::Cbor, &[&one, &two]);
        assert_eq!(of(Format::Json, &[&one, &two]).as_ptr(), both.as_ptr());
        assert_eq!(of(Format::Cbor, &[&one, &two]).as_ptr(), cbor.as_ptr());
        let alone = [of(Format::Json, &[&one]), of(Format::Json, &[&two])];
        assert_eq!(alone.concat(), both);
        assert_eq!(&alone[0][1..], one.bytes(Format::Json));
        assert_eq!((alone[0][0], cbor[0]), (b'j', b'c'));
        assert_eq!(of(Format::Json, &[]), "");
    }
}
