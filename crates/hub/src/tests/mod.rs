//! Tests of the pure part on virtual time, and what they share.

use std::sync::Arc;

use tidings_wire::{ChannelName, Data, Encoded, Epoch, Event, Message, MessageId, User};

/// A message of a channel as an event.
pub(crate) fn message(channel: &str, seq: u64) -> Arc<Encoded> {
    let message = Message {
        channel: ChannelName::new(channel).unwrap(),
        seq,
        prev: 0,
        id: MessageId::new("id").unwrap(),
        at: 0,
        from: User::new("alice").unwrap(),
        data: Data::from_text("hi"),
    };
    let epoch = Epoch::new("e").unwrap();
    Arc::new(Encoded::new(Event::Message(Arc::new(message)), epoch))
}
