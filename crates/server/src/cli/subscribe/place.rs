//! How far each channel was read: what a reader asks from, and what it has seen already. Pure.

use std::collections::BTreeMap;

use tidings_wire::{Cursor, Epoch};

/// The cursors of all channels that are read.
#[derive(Debug)]
pub(super) struct Place {
    cursors: BTreeMap<String, Option<Cursor>>,
}

impl Place {
    /// Everything from `after` on, or from whatever "now" will be.
    pub(super) fn new(channels: &[String], after: Option<&Cursor>) -> Self {
        let cursors = channels.iter();
        Self {
            cursors: cursors
                .map(|channel| (channel.clone(), after.cloned()))
                .collect(),
        }
    }

    /// The channels.
    pub(super) fn channels(&self) -> impl Iterator<Item = &String> {
        self.cursors.keys()
    }

    /// Where `channel` is to be read from.
    pub(super) fn of(&self, channel: &str) -> Option<&Cursor> {
        self.cursors.get(channel)?.as_ref()
    }

    /// Where all of them are to be read from, in one stream.
    pub(super) fn lowest(&self) -> Option<&Cursor> {
        self.cursors
            .values()
            .flatten()
            .min_by_key(|cursor| cursor.seq)
    }

    /// The server begins at `cursor`: that is "now" for who had none, and for who had one of another
    /// log, which is gone. Gives whether it was.
    pub(super) fn begin(&mut self, channel: Option<&str>, cursor: &Cursor) -> bool {
        let mut gone = false;
        for (name, known) in &mut self.cursors {
            if channel.is_some_and(|channel| channel != name) {
                continue;
            }
            match known {
                Some(known) if known.epoch == cursor.epoch => {}
                _ => {
                    gone |= known.is_some();
                    *known = Some(cursor.clone());
                }
            }
        }
        gone
    }

    /// A message came. Whether it is new; one that was seen comes again after a reconnect.
    pub(super) fn take(&mut self, channel: &str, seq: u64) -> bool {
        match self.cursors.get_mut(channel) {
            Some(Some(cursor)) if cursor.seq < seq => {
                cursor.seq = seq;
                true
            }
            _ => false,
        }
    }

    /// Everything up to `cursor` was given, in all channels.
    pub(super) fn advance(&mut self, cursor: &Cursor) {
        for known in self.cursors.values_mut().flatten() {
            if known.epoch == cursor.epoch && known.seq < cursor.seq {
                known.seq = cursor.seq;
            }
        }
    }

    /// The log that is read, once known.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        let mut known = self.cursors.values().flatten();
        known.next().map(|cursor| &cursor.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    fn place() -> Place {
        Place::new(&["a".to_owned(), "b".to_owned()], Some(&cursor("e-5")))
    }

    #[test]
    fn a_message_is_taken_once_and_only_forwards() {
        let mut place = place();
        assert!(place.take("a", 7));
        assert!(!place.take("a", 7));
        assert!(!place.take("a", 6));
        assert!(place.take("b", 6), "channels do not hide each other's");
        assert!(!place.take("c", 9), "nobody asked for it");
    }

    #[test]
    fn one_stream_begins_where_the_last_channel_is() {
        let mut place = place();
        place.take("a", 9);
        assert_eq!(place.lowest(), Some(&cursor("e-5")));
        place.advance(&cursor("e-8"));
        assert_eq!(place.lowest(), Some(&cursor("e-8")));
        assert_eq!(place.of("a"), Some(&cursor("e-9")));
    }

    #[test]
    fn another_log_begins_anew() {
        let mut place = place();
        assert!(!place.begin(None, &cursor("e-9")));
        assert_eq!(place.of("a"), Some(&cursor("e-5")), "what is missed comes");
        assert!(place.begin(None, &cursor("f-2")));
        assert_eq!(place.of("a"), Some(&cursor("f-2")));
        assert!(place.take("a", 3));
        let mut fresh = Place::new(&["a".to_owned()], None);
        assert!(!fresh.begin(Some("a"), &cursor("e-4")));
        assert_eq!(fresh.lowest(), Some(&cursor("e-4")));
    }
}
