//! What a turn does with each socket: one read, or the few of a big message; all
//! its events; one write.

use std::io;

use super::entry::Read;
use super::poller::Readiness;
use super::slots::Key;
use super::sockets::Sockets;
use super::timeouts::Due;
use crate::close::Close;
use crate::event::Event;
use crate::tokio::Error;

/// What the application does with the events of a turn.
pub(super) trait Handle<T>: FnMut(&mut Sockets<T>, Key, Result<Event<'_>, Error>) {}

impl<T, F: FnMut(&mut Sockets<T>, Key, Result<Event<'_>, Error>)> Handle<T> for F {}

impl<T> Sockets<T> {
    /// Does what a change of readiness asks for. `buffer` is for what is read, and is free again
    /// afterwards.
    pub(super) fn handle_ready(
        &mut self,
        key: Key,
        readiness: Readiness,
        buffer: &mut [u8],
        handle: &mut impl Handle<T>,
    ) {
        // One that was removed while others of its batch were handled is not found.
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        let was_blocked = entry.blocked;
        entry.handle_readiness(readiness);
        if was_blocked && !entry.blocked {
            // The peer has taken some of what waited.
            self.handle_sign_of_life(key);
            self.write(key);
        }
        self.read(key, buffer, handle);
    }

    /// Reads once, tells the events, and writes. Reads on where that brings the end of a big
    /// message: what has come of it is warm in the caches.
    pub(super) fn read(&mut self, key: Key, buffer: &mut [u8], handle: &mut impl Handle<T>) {
        let mut room = buffer.len();
        for reads in 1..=READS_MAX {
            let unsent_bytes_max = self.unsent_bytes_max;
            let Some(entry) = self.slots.get_mut(key) else {
                return;
            };
            if !entry.wants_to_read(unsent_bytes_max) {
                break;
            }
            if entry.connection.may_inflate() {
                room = room.min(DEFLATED_READ_BYTES_MAX);
            }
            match entry.read(&mut buffer[..room]) {
                Ok(Read::Bytes(bytes)) => {
                    self.handle_sign_of_life(key);
                    self.receive(key, &mut buffer[..bytes], handle);
                }
                Ok(ended) => {
                    if let Some(error) = entry.take_failure() {
                        return self.fail(key, error, handle);
                    }
                    if ended == Read::End
                        && let Some(close) = entry.connection.handle_eof()
                    {
                        self.end(key, Ok(close), handle);
                    }
                    break;
                }
                Err(error) => return self.fail(key, error, handle),
            }
            let rest = self.message_bytes_to_come(key);
            if rest == 0 || (reads == 1 && rest < READ_ON_FROM) {
                break;
            }
            // No further, so that it leaves no beginning of the next to wait and grow cold.
            room = buffer.len().min(rest);
        }
        self.write(key);
    }

    fn message_bytes_to_come(&mut self, key: Key) -> usize {
        let entry = self.slots.get_mut(key);
        entry.map_or(0, |entry| entry.connection.message_bytes_to_come())
    }

    /// Reads from the one that has waited longest among those left over.
    pub(super) fn read_next(&mut self, buffer: &mut [u8], handle: &mut impl Handle<T>) {
        if let Some(key) = self.to_read.pop_front()
            && let Some(entry) = self.slots.get_mut(key)
        {
            entry.listed_to_read = false;
            self.read(key, buffer, handle);
        }
    }

    /// Tells the events of what came with handshakes.
    pub(super) fn tell_read_ahead(&mut self, handle: &mut impl Handle<T>) {
        for (key, mut bytes) in std::mem::take(&mut self.read_ahead) {
            self.receive(key, &mut bytes, handle);
            self.write(key);
        }
    }

    /// Tells the events of what was read.
    fn receive(&mut self, key: Key, mut bytes: &mut [u8], handle: &mut impl Handle<T>) {
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        if let Some(unused) = entry.connection.lend_output(self.spare.take()) {
            self.spare.give_back(unused);
        }
        // It will be written to right after this.
        let was_listed = std::mem::replace(&mut entry.listed_to_write, true);
        while let Some(entry) = self.slots.get_mut(key) {
            match entry.connection.receive(&mut bytes) {
                Ok(None) => {
                    entry.listed_to_write = was_listed;
                    return;
                }
                Ok(Some(close @ Event::Close(_))) => self.end(key, Ok(close), handle),
                Ok(Some(event)) => handle(self, key, Ok(event)),
                Err(fault) => self.end(key, Err(fault.into()), handle),
            }
        }
    }

    /// Tells the end, once.
    fn end(&mut self, key: Key, outcome: Result<Event<'_>, Error>, handle: &mut impl Handle<T>) {
        if self.get_mut(key).is_some() {
            handle(self, key, outcome);
            self.release(key);
        }
    }

    /// Tells that the connection failed. Nothing can be written any more.
    fn fail(&mut self, key: Key, error: io::Error, handle: &mut impl Handle<T>) {
        if let Some(entry) = self.slots.get_mut(key) {
            entry.connection.handle_eof();
            self.end(key, Err(error.into()), handle);
            self.discard(key);
        }
    }

    /// Writes what waits, as far as the socket takes it.
    fn write(&mut self, key: Key) {
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        entry.write(&mut self.spare);
        if entry.tells_when_written && entry.connection.unsent_bytes() == 0 {
            entry.tells_when_written = false;
            self.written.push(key);
        }
        if entry.peer.is_none() && entry.linger() {
            return self.discard(key);
        }
        // The reads of this round may have left something, or a pause is over.
        if !entry.listed_to_read && entry.wants_to_read(self.unsent_bytes_max) {
            entry.listed_to_read = true;
            self.to_read.push_back(key);
        }
    }

    /// Writes to all sockets that something was sent to.
    pub(super) fn flush(&mut self) {
        let mut keys = std::mem::take(&mut self.to_write);
        for key in keys.drain(..) {
            if let Some(entry) = self.slots.get_mut(key) {
                entry.listed_to_write = false;
                self.write(key);
            }
        }
        self.to_write = keys; // keeps its memory
    }

    /// Goes on with the scan for silent sockets; at most `limit` are acted on.
    pub(super) fn scan(&mut self, limit: usize, handle: &mut impl Handle<T>) {
        let mut acted = 0;
        while acted < limit
            && let Some(index) = self.timeouts.next_candidate()
        {
            let Some((key, entry)) = self.slots.at_mut(index) else {
                continue;
            };
            let due = self.timeouts.due(index, entry.standing());
            if due == Due::Nothing {
                continue;
            }
            acted += 1;
            if entry.blocked && !entry.closing && self.takes_more(key) {
                continue;
            }
            match due {
                Due::Ping => self.ping(key),
                _ => self.give_up(key, handle),
            }
        }
    }

    /// Whether the peer has taken some of what waited since. The kernel tells of room only when a
    /// third of its buffer is free, which a slow reader may need minutes for.
    fn takes_more(&mut self, key: Key) -> bool {
        let Some(entry) = self.slots.get_mut(key) else {
            return false;
        };
        let unsent_bytes = entry.connection.unsent_bytes();
        entry.blocked = false;
        self.write(key);
        let entry = self.slots.get(key);
        let takes_more = entry.is_some_and(|entry| entry.connection.unsent_bytes() < unsent_bytes);
        if takes_more {
            self.handle_sign_of_life(key);
        }
        takes_more
    }

    fn ping(&mut self, key: Key) {
        if let Some(entry) = self.slots.get_mut(key) {
            entry.pinged = true;
            // An error means that the connection is closing, and has a deadline.
            let _ = entry.connection.send(Event::Ping((&[]).into()));
            self.write(key);
        }
    }

    /// Ends a connection whose peer is gone.
    fn give_up(&mut self, key: Key, handle: &mut impl Handle<T>) {
        if let Some((code, reason)) = self.silence_close
            && let Some(mut socket) = self.get_mut(key)
            && socket.close(Close::new(code, reason)).is_ok()
        {
            socket.note_silent();
            return; // written at the end of the turn; the deadline of a closing one runs
        }
        // RFC 6455, 7.1.5: no Close came, so the code is 1006.
        let close = self
            .slots
            .get_mut(key)
            .and_then(|entry| entry.connection.handle_eof());
        if let Some(close) = close {
            self.end(key, Ok(close), handle);
        }
        self.discard(key);
    }

    fn handle_sign_of_life(&mut self, key: Key) {
        if let Some(entry) = self.slots.get_mut(key)
            && !entry.closing
        {
            entry.pinged = false;
            self.timeouts.restart(key.index());
        }
    }

    /// Closes the stream and frees the place.
    fn discard(&mut self, key: Key) {
        if let Some(entry) = self.slots.remove(key)
            && entry.peer.is_none()
        {
            self.lingering -= 1;
        }
    }
}

/// How often a socket is read from in a turn, to bring a big message to its end.
///
/// Five bring one of the default's largest size, a mebibyte and its header, that waits whole.
/// With one read a turn, fifty sockets had fifty such messages unfinished at once, and none of
/// them in the caches. To go on with what follows, forty reads in all, brought 1.15 times as many
/// for a CPU-second with sixteen in flight on each; but the last one then waited for 2.2 s and not
/// for 0.56 s.
const READS_MAX: usize = 5;

/// A message of which less is to come after the first read of a turn waits for the next: that read
/// most likely brings many more.
const READ_ON_FROM: usize = 64 * 1024;

/// The most bytes of one read from a peer that may send compressed messages.
///
/// They may decompress to a thousand times as much, which takes two milliseconds for each megabyte, and the
/// others wait for that: no longer than some 30 ms.
const DEFLATED_READ_BYTES_MAX: usize = 16 * 1024;
