//! How to speak to a server: what a follower and a publisher say, and what its answers mean.
//!
//! One file a server's protocol; a message itself is known by its mark, whatever is around it, so
//! that only what is no message has to be understood.

mod nchan;
mod plain;
mod pusher;
mod socket_io;
mod tidings;

pub(crate) use nchan::Nchan;
pub(crate) use plain::Plain;
pub(crate) use pusher::Pusher;
pub(crate) use socket_io::SocketIo;
pub(crate) use tidings::Tidings;

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Follows `channel` from now, or from a place that it was at before.
    Follower {
        channel: u32,
        from: Begin<'a>,
    },
    Publisher {
        channel: u32,
    },
}

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin<'a> {
    Now,
    /// From now, and it wants to come back later.
    NowToReturn,
    /// Behind what [`Protocol::keep_place`] kept.
    At(&'a str),
}

/// What a text that is no message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// One text of the greeting has done what it was for.
    Greeted,
    /// A publish was accepted.
    Acknowledged,
    /// Something was refused: nothing measured from here on would mean anything.
    Refused,
    /// It wants this answer, as to a heartbeat.
    Asks(String),
    Nothing,
}

/// An HTTP request that waits for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Sse,
    LongPoll,
}

/// A server's protocol.
pub(crate) trait Protocol {
    /// Target of the handshake's request, and header lines of its own, each with its line end.
    fn handshake(&self, role: Role<'_>) -> (String, &'static str);

    /// Texts to send when the handshake is answered. Each is answered with a text that is
    /// [`Said::Greeted`]; with the last of them the connection is what its role says.
    fn greeting(&self, role: Role<'_>) -> Vec<String>;

    /// How many texts of the server are [`Said::Greeted`] until then.
    fn greetings(&self, role: Role<'_>) -> usize {
        self.greeting(role).len()
    }

    /// What publishes `data`, which needs no escaping. `number` differs from publish to publish.
    fn publish(&self, channel: u32, number: u64, data: &str) -> String;

    /// `channel` is that of the connection's role.
    fn said(&self, text: &[u8], channel: u32) -> Said;

    /// Whether publishes are acknowledged.
    fn acknowledges(&self) -> bool {
        false
    }

    /// Brings `place` forward by a text that a follower was sent. Without an answer of its own a
    /// follower of this protocol cannot come back.
    fn keep_place(&self, _place: &mut String, _text: &[u8]) {}

    /// Whether a follower can come back to its place.
    fn resumes(&self) -> bool {
        false
    }

    /// Target and header lines of a request that waits, if there are such; `cursor` is from the
    /// answer to [`cursor_target`](Self::cursor_target).
    fn held(&self, _held: Held, _cursor: &str) -> Option<(String, &'static str)> {
        None
    }

    /// What to ask for a cursor to wait from, where that is needed.
    fn cursor_target(&self) -> Option<String> {
        None
    }

    /// The cursor in the answer's body.
    fn cursor(&self, _body: &str) -> Option<String> {
        None
    }
}

/// The text in JSON's quotes behind `key`, which is written as it stands, quotes and colon included.
fn quoted<'t>(text: &'t [u8], key: &str) -> Option<&'t str> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, value) = text.split_once(key)?;
    value.split('"').next()
}
