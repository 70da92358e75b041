//! The pure part on virtual time.
//!
//! A [`world`] plays shards and an engine without a runtime, with [`transports`] and [`people`] at
//! their ends; [`client`] is what a good client does; [`truth`] knows what was committed; [`delivery`]
//! sends seeded weather over all of them, and [`presence`] watches who is told to come and go. [`bounds`], [`lanes`], [`logs`], [`beyond`], [`behind`] and [`moving`] ask sessions directly, through
//! [`play`].

mod behind;
mod beyond;
mod bounds;
mod client;
mod delivery;
mod lanes;
mod logs;
mod moving;
mod people;
mod play;
mod presence;
mod transports;
mod truth;
mod world;

use std::sync::Arc;

use tidings_wire::{ChannelName, Data, Encoded, Epoch, Event, Message, MessageId, User};

/// A message of a channel as an event.
pub(crate) fn message(channel: &str, seq: u64) -> Arc<Encoded> {
    message_in("e", channel, seq)
}

/// The same in the log `epoch`.
pub(crate) fn message_in(epoch: &str, channel: &str, seq: u64) -> Arc<Encoded> {
    let message = Message {
        channel: ChannelName::new(channel).unwrap(),
        seq,
        prev: 0,
        id: MessageId::new("id").unwrap(),
        at: 0,
        from: User::new("alice").unwrap(),
        data: Data::from_text("hi"),
    };
    let epoch = Epoch::new(epoch).unwrap();
    Arc::new(Encoded::new(Event::Message(Arc::new(message)), epoch))
}
