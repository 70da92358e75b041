//! How far each channel was read: what a reader asks from, and what it has seen already. Pure.

use std::collections::BTreeMap;

use tidings_wire::Cursor;

/// The cursors of all channels that are read.
#[derive(Debug)]
pub(super) struct Place {
    cursors: BTreeMap<String, Option<Cursor>>,
}

/// What has become of the log that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is another one.
    Log,
    /// It ends before what was read of it.
    End,
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
    /// log, which is gone. Who was beyond `end`, the newest `seq` of the log where that is known, goes on from
    /// there: the messages that were read behind it are lost, and their `seq`s given again.
    pub(super) fn begin(
        &mut self,
        channel: Option<&str>,
        cursor: &Cursor,
        end: Option<u64>,
    ) -> Option<Loss> {
        let mut loss = None;
        for (name, known) in &mut self.cursors {
            if channel.is_some_and(|channel| channel != name) {
                continue;
            }
            match known {
                Some(known) if known.epoch == cursor.epoch => {
                    let end = end.unwrap_or(u64::MAX);
                    if known.seq > end {
                        known.seq = end;
                        loss = Some(Loss::End);
                    }
                }
                _ => {
                    if known.is_some() {
                        loss = Some(Loss::Log);
                    }
                    *known = Some(cursor.clone());
                }
            }
        }
        loss
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
        assert_eq!(place.begin(None, &cursor("e-9"), None), None);
        assert_eq!(place.of("a"), Some(&cursor("e-5")), "what is missed comes");
        assert_eq!(place.begin(None, &cursor("f-2"), None), Some(Loss::Log));
        assert_eq!(place.of("a"), Some(&cursor("f-2")));
        assert!(place.take("a", 3));
        let mut fresh = Place::new(&["a".to_owned()], None);
        assert_eq!(fresh.begin(Some("a"), &cursor("e-4"), Some(4)), None);
        assert_eq!(fresh.lowest(), Some(&cursor("e-4")));
    }

    #[test]
    fn what_lies_beyond_the_end_of_the_log_is_lost() {
        let mut place = place();
        place.take("a", 9);
        assert_eq!(place.begin(None, &cursor("e-5"), Some(9)), None);
        assert_eq!(place.begin(None, &cursor("e-5"), Some(8)), Some(Loss::End));
        assert_eq!(place.of("a"), Some(&cursor("e-8")));
        assert_eq!(place.of("b"), Some(&cursor("e-5")), "what is missed comes");
        assert!(place.take("a", 9), "it is another one");
    }
}
