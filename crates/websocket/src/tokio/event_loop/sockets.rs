//! The sockets of a loop, and what can be done with one at any time: send, close, let go.
//!
//! Nothing is written at once unless that is asked for. What is sent waits in the output, and the socket
//! stands on a list of those to write to, once, until the loop comes to it.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream as StdTcpStream;
use std::sync::Arc;

use ::tokio::net::TcpStream;
use bytes::Bytes;
use rustix::net::sockopt::set_tcp_nodelay;

use super::entry::Entry;
use super::poller::Poller;
use super::slots::{Key, Slots};
use super::spare::SpareBuffers;
use super::timeouts::Timeouts;
use crate::close::{Close, CloseCode};
use crate::config::Config;
use crate::connection::Connection;
use crate::error::SendError;
use crate::event::{Event, Fragment};
use crate::message::MessageKind;
use crate::prepared::Prepared;
use crate::tokio::{Parts, WebSocket};

/// The sockets of an [`EventLoop`](super::EventLoop), each with a value of the application's.
#[derive(Debug)]
pub struct Sockets<T> {
    pub(super) slots: Slots<Entry<T>>,
    pub(super) poller: Poller,
    pub(super) timeouts: Timeouts,
    pub(super) spare: SpareBuffers,
    /// Those that have something to write, each once.
    pub(super) to_write: Vec<Key>,
    /// Those that asked to be told of when all was written.
    pub(super) written: Vec<Key>,
    /// Those that may have more to read than one read took, each once.
    pub(super) to_read: VecDeque<Key>,
    /// What came with a handshake.
    pub(super) read_ahead: Vec<(Key, Vec<u8>)>,
    pub(super) lingering: usize,
    /// That of the newest connection, which others most likely share.
    pub(super) config: Arc<Config>,
    pub(super) unsent_bytes_max: usize,
    pub(super) silence_close: Option<(CloseCode, &'static str)>,
}

impl<T> Sockets<T> {
    /// Takes a socket in, after its handshake. From now on its events come from
    /// [`turn`](super::EventLoop::turn), among them those of bytes that were read already.
    ///
    /// Nagle's algorithm is switched off: frames are gathered here, so waiting in the kernel only
    /// costs time.
    ///
    /// # Errors
    ///
    /// What the kernel says, for example that it watches as many descriptors as it may
    /// (`fs.epoll.max_user_watches`); [`io::ErrorKind::NotConnected`] if the WebSocket's end has
    /// come. The socket is closed.
    pub fn insert(&mut self, websocket: WebSocket<TcpStream>, peer: T) -> io::Result<Key> {
        let Parts {
            stream,
            connection,
            read_ahead,
        } = websocket.into_parts();
        if connection.is_closed() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let stream = stream.into_std()?;
        set_tcp_nodelay(&stream, true)?;
        let key = self.attach(Detached { stream, connection }, peer)?;
        if !read_ahead.is_empty() {
            self.read_ahead.push((key, read_ahead));
        }
        Ok(key)
    }

    /// Lets go of a socket that is at rest, for another loop to [`attach`](Self::attach) it: with all that
    /// its connection knows, such as the beginning of a message. The peer notices nothing.
    ///
    /// `None`, and it stays, unless it is open, nothing waits to be written, and it is not about to be
    /// read from.
    pub fn detach(&mut self, key: Key) -> Option<(Detached, T)> {
        let entry = self.slots.get(key)?;
        let was_told = self.read_ahead.iter().all(|(other, _)| *other != key);
        if entry.peer.is_none() || !entry.is_at_rest() || !was_told {
            return None;
        }
        self.poller.remove(&entry.stream).ok()?;
        let Entry {
            stream,
            connection,
            peer,
            ..
        } = self.slots.remove(key)?;
        Some((Detached { stream, connection }, peer?))
    }

    /// Takes in a socket that another loop has [detached](Self::detach).
    ///
    /// # Errors
    ///
    /// What the kernel says, for example that it watches as many descriptors as it may. The socket is
    /// closed.
    pub fn attach(&mut self, detached: Detached, peer: T) -> io::Result<Key> {
        let Detached {
            stream,
            mut connection,
        } = detached;
        connection.share_config(&self.config);
        self.config = connection.config().clone();
        let key = self.slots.next_key();
        self.poller.add(&stream, key)?;
        self.slots.insert(Entry::new(stream, connection, peer));
        self.timeouts.restart(key.index());
        self.handle_sent(key);
        Ok(key)
    }

    /// The socket of that key, until its end was told.
    pub fn get_mut(&mut self, key: Key) -> Option<Socket<'_, T>> {
        self.slots.get(key)?.peer.as_ref()?;
        Some(Socket { sockets: self, key })
    }

    /// Lets a socket go, and gives back what was inserted with it. No end is told.
    ///
    /// The stream is closed at once, without a Close and without what was not yet written;
    /// [close](Socket::close) it instead to end in order. Called when its end is being told, it
    /// takes the value alone: the Close is still written.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.slots.get_mut(key)?;
        if entry.connection.is_closed() {
            return self.release(key);
        }
        self.slots.remove(key)?.peer
    }

    /// How many sockets there are whose end was not told.
    pub fn len(&self) -> usize {
        self.slots.len() - self.lingering
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sockets linger after their end was told: until the last bytes are written and the
    /// peer has closed as well, or [`closing_within`](crate::keepalive::Options::closing_within) has
    /// passed. To end in order, turn until there are none.
    pub fn lingering(&self) -> usize {
        self.lingering
    }

    /// How many bytes were sent over all sockets and are not yet written. It looks at each of them.
    pub fn unsent_bytes(&self) -> usize {
        let entries = self.slots.iter();
        entries
            .map(|(_, entry)| entry.connection.unsent_bytes())
            .sum()
    }

    /// The sockets whose end was not told, and their values.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let entries = self.slots.iter();
        entries.filter_map(|(key, entry)| entry.peer.as_ref().map(|peer| (key, peer)))
    }

    /// Moves the keys of the sockets that [asked](Socket::tell_when_written) for it, and have written
    /// everything since, to the end of `keys`. Take them after each turn: while there are some, a turn
    /// does what there is to do without waiting for more.
    pub fn take_written(&mut self, keys: &mut Vec<Key>) {
        keys.append(&mut self.written);
    }

    /// Takes the value of a socket whose end is told: from now on it is the loop's alone.
    pub(super) fn release(&mut self, key: Key) -> Option<T> {
        let entry = self.slots.get_mut(key)?;
        let peer = entry.peer.take()?;
        self.lingering += 1;
        self.begin_closing(key);
        Some(peer)
    }

    /// Starts the deadline, once.
    fn begin_closing(&mut self, key: Key) {
        if let Some(entry) = self.slots.get_mut(key)
            && !entry.closing
        {
            entry.closing = true;
            self.timeouts.restart(key.index());
        }
    }

    /// Notes that something was sent over the connection.
    fn handle_sent(&mut self, key: Key) {
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        if !entry.listed_to_write && entry.connection.unsent_bytes() > 0 {
            entry.listed_to_write = true;
            self.to_write.push(key);
        }
        if !entry.connection.is_open() {
            self.begin_closing(key);
        }
    }
}

/// A socket between two loops, which may be on two threads. Dropping it closes it.
#[derive(Debug)]
pub struct Detached {
    stream: StdTcpStream,
    connection: Connection,
}

/// One socket, to send to. Whatever is sent is written at the end of the turn, in one write; or
/// when the next turn begins, or by [`flush`](super::EventLoop::flush).
#[derive(Debug)]
pub struct Socket<'s, T> {
    sockets: &'s mut Sockets<T>,
    key: Key,
}

impl<T> Socket<'_, T> {
    /// Its key.
    pub fn key(&self) -> Key {
        self.key
    }

    /// What was inserted with it.
    #[inline] // once for each follower of a batch
    pub fn peer(&mut self) -> &mut T {
        self.entry().peer.as_mut().expect("`get_mut` has seen it")
    }

    /// The stream, to ask for its addresses. Reading and writing are the loop's.
    pub fn stream(&self) -> &StdTcpStream {
        &self.entry_ref().stream
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.entry_ref().connection.is_open()
    }

    /// Whether it was closed by [`silence_close`](crate::keepalive::Options::silence_close): nothing came,
    /// not even an answer to a ping. Its end may tell of a Close that came after all, or of none.
    pub fn was_silent(&self) -> bool {
        self.entry_ref().silent
    }

    pub(super) fn note_silent(&mut self) {
        self.entry().silent = true;
    }

    /// How many bytes were sent and not yet written: what the room for more is measured by.
    pub fn unsent_bytes(&self) -> usize {
        self.entry_ref().connection.unsent_bytes()
    }

    /// Asks for the key to be among those that [`Sockets::take_written`] gives, once, when nothing is
    /// unsent: for whoever sends no more than a peer reads, and goes on when it has read.
    pub fn tell_when_written(&mut self) {
        let (key, entry) = (self.key, self.entry());
        entry.tells_when_written = entry.connection.unsent_bytes() > 0;
        if !entry.tells_when_written {
            self.sockets.written.push(key);
        }
    }

    /// Sends a message or a control frame.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    pub fn send<'e>(&mut self, event: impl Into<Event<'e>>) -> Result<(), SendError> {
        self.with_connection(|connection| connection.send(event))
    }

    /// [`send`](Self::send) for whole server frames that many share; see
    /// [`Connection::send_encoded`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    pub fn send_encoded(&mut self, frames: &Bytes) -> Result<(), SendError> {
        self.with_connection(|connection| connection.send_encoded(frames))
    }

    /// [`send_encoded`](Self::send_encoded), but written at once and from where the frames are, if
    /// nothing else waits to be written: for whoever goes through thousands and sends to each once. What
    /// the socket does not take waits like everything else.
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    #[inline] // once for each follower of a batch
    pub fn write_encoded(&mut self, frames: &Bytes) -> Result<(), SendError> {
        let entry = self.entry();
        if !entry.can_write_at_once() {
            return self.send_encoded(frames);
        }
        entry.connection.check_encoded()?;
        let written = entry.write_bytes(frames);
        if written < frames.len() {
            entry.connection.send_encoded(&frames.slice(written..))?;
            self.sockets.handle_sent(self.key);
        }
        Ok(())
    }

    /// [`send`](Self::send) for a message whose payload others hold as well; see
    /// [`Connection::send_shared`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    pub fn send_shared(&mut self, kind: MessageKind, payload: &Bytes) -> Result<(), SendError> {
        self.with_connection(|connection| connection.send_shared(kind, payload))
    }

    /// [`send`](Self::send) for a message prepared once for many, compressed or not; see
    /// [`Connection::send_prepared`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.with_connection(|connection| connection.send_prepared(message))
    }

    /// Sends one fragment of a message; see [`Connection::send_fragment`].
    ///
    /// # Errors
    ///
    /// A [`SendError`]; nothing was sent.
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.with_connection(|connection| connection.send_fragment(kind, payload, fragment))
    }

    /// Begins the closing handshake. Messages may still come; the end is told when the peer's
    /// Close comes, or [`closing_within`](crate::keepalive::Options::closing_within) has passed.
    ///
    /// # Errors
    ///
    /// As [`Connection::close`]'s.
    pub fn close(&mut self, close: Close<'_>) -> Result<(), SendError> {
        self.with_connection(|connection| connection.close(close))
    }

    fn with_connection(
        &mut self,
        send: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let entry = self.sockets.slots.get_mut(self.key);
        let entry = entry.expect("`get_mut` has seen it");
        if entry.listed_to_write && entry.connection.is_open() {
            let outcome = send(&mut entry.connection);
            if !entry.connection.is_open() {
                self.sockets.begin_closing(self.key);
            }
            return outcome;
        }
        // Memory that others have written from is warm; an idle connection has none of its own.
        let spare = &mut self.sockets.spare;
        if entry.connection.unsent_bytes() == 0
            && let Some(unused) = entry.connection.lend_output(spare.take())
        {
            spare.give_back(unused);
        }
        let outcome = send(&mut entry.connection);
        if entry.connection.unsent_bytes() == 0
            && let Some(unused) = entry.connection.reclaim_output(0)
        {
            spare.give_back(unused);
        }
        self.sockets.handle_sent(self.key);
        outcome
    }

    fn entry(&mut self) -> &mut Entry<T> {
        let entry = self.sockets.slots.get_mut(self.key);
        entry.expect("`get_mut` has seen it")
    }

    fn entry_ref(&self) -> &Entry<T> {
        let entry = self.sockets.slots.get(self.key);
        entry.expect("`get_mut` has seen it")
    }
}
