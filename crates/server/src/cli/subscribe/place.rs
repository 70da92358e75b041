//! How far each channel was read: what a reader asks from, and what it has seen already. Pure.

use std::collections::BTreeMap;

use tidings_wire::{CURSOR_PARTS_MAX, Cursor, Epoch, StreamCursor};

/// The cursors of all channels that are read. One that was given from outside may be of several logs, until
/// the server says which one the channel is in.
#[derive(Debug)]
pub(super) struct Place {
    cursors: BTreeMap<String, Option<StreamCursor>>,
}

/// Where the server begins.
#[derive(Debug)]
pub(super) struct Beginning<'a> {
    pub(super) cursor: &'a StreamCursor,
    /// Where its logs end, as far as that is known.
    pub(super) ends: Option<&'a StreamCursor>,
    /// Which log each channel is in, if they are in several.
    pub(super) epochs: Option<&'a BTreeMap<String, Epoch>>,
}

/// What has become of a log that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is another one.
    Log,
    /// It ends before what was read of it.
    End,
}

impl Place {
    /// Everything from `after` on, or from whatever "now" will be.
    pub(super) fn new(channels: &[String], after: Option<&StreamCursor>) -> Self {
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
    pub(super) fn of(&self, channel: &str) -> Option<&StreamCursor> {
        self.cursors.get(channel)?.as_ref()
    }

    /// Where all of them are to be read from, in one stream: in each log from the lowest.
    pub(super) fn lowest(&self) -> Option<StreamCursor> {
        let mut lowest: BTreeMap<&str, &Cursor> = BTreeMap::new();
        for part in self
            .cursors
            .values()
            .flatten()
            .flat_map(StreamCursor::parts)
        {
            let known = lowest.entry(part.epoch.as_str()).or_insert(part);
            if part.seq < known.seq {
                *known = part;
            }
        }
        let parts = lowest.into_values().take(CURSOR_PARTS_MAX).cloned();
        StreamCursor::new(parts.collect()).ok()
    }

    /// The server begins: that is "now" for who had no cursor, and for who had one of another log, which is gone. Who
    /// was beyond the end of the log goes on from there: the messages that were read behind it are lost, and their
    /// `seq`s given again.
    pub(super) fn begin(
        &mut self,
        channel: Option<&str>,
        beginning: &Beginning<'_>,
    ) -> Option<Loss> {
        let mut loss = None;
        for (name, known) in &mut self.cursors {
            if channel.is_some_and(|channel| channel != name) {
                continue;
            }
            let Some(now) = beginning.of(name) else {
                continue; // it is not said which log it is in
            };
            let end = beginning.ends.and_then(|ends| ends.seq(&now.epoch));
            let end = end.unwrap_or(u64::MAX);
            let seq = match known.as_ref().map(|known| known.seq(&now.epoch)) {
                Some(Some(seq)) => {
                    if seq > end {
                        loss = Some(Loss::End);
                    }
                    seq.min(end)
                }
                Some(None) => {
                    loss = Some(Loss::Log);
                    now.seq
                }
                None => now.seq,
            };
            let epoch = now.epoch.clone();
            *known = Some(Cursor { epoch, seq }.into());
        }
        loss
    }

    /// A message came. Whether it is new; one that was seen comes again after a reconnect.
    pub(super) fn take(&mut self, channel: &str, seq: u64) -> bool {
        let Some(Some(known)) = self.cursors.get_mut(channel) else {
            return false;
        };
        let [Cursor { epoch, seq: last }] = known.parts() else {
            return false; // it has not begun
        };
        let is_new = *last < seq;
        if is_new {
            let epoch = epoch.clone();
            known.advance(&epoch, seq);
        }
        is_new
    }

    /// Everything up to `cursor` was given, in all channels.
    pub(super) fn advance(&mut self, cursor: &StreamCursor) {
        for known in self.cursors.values_mut().flatten() {
            for part in cursor.parts() {
                known.advance(&part.epoch, part.seq);
            }
        }
    }
}

impl Beginning<'_> {
    /// "Now" of a channel.
    fn of(&self, channel: &str) -> Option<&Cursor> {
        let mut parts = self.cursor.parts().iter();
        match self.epochs {
            Some(epochs) => {
                let epoch = epochs.get(channel)?;
                parts.find(|part| part.epoch == *epoch)
            }
            None => parts.next().filter(|_| parts.len() == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> StreamCursor {
        text.parse().unwrap()
    }

    /// The server begins at `now`, with logs that end at `ends`.
    fn begin(
        place: &mut Place,
        channel: Option<&str>,
        now: &str,
        ends: Option<&str>,
    ) -> Option<Loss> {
        begin_in(place, channel, now, ends, None)
    }

    fn begin_in(
        place: &mut Place,
        channel: Option<&str>,
        now: &str,
        ends: Option<&str>,
        epochs: Option<&[(&str, &str)]>,
    ) -> Option<Loss> {
        let epochs = epochs.map(|epochs| {
            let epochs = epochs.iter();
            epochs
                .map(|(channel, epoch)| ((*channel).to_owned(), Epoch::new(epoch).unwrap()))
                .collect()
        });
        let (now, ends) = (cursor(now), ends.map(cursor));
        let beginning = Beginning {
            cursor: &now,
            ends: ends.as_ref(),
            epochs: epochs.as_ref(),
        };
        place.begin(channel, &beginning)
    }

    fn place() -> Place {
        Place::new(&["a".to_owned(), "b".to_owned()], Some(&cursor("e-5")))
    }

    #[test]
    fn a_message_is_taken_once_and_only_forwards() {
        let mut place = place();
        assert_eq!(begin(&mut place, None, "e-5", None), None);
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
        assert_eq!(place.lowest(), Some(cursor("e-5")));
        place.advance(&cursor("e-8"));
        assert_eq!(place.lowest(), Some(cursor("e-8")));
        assert_eq!(place.of("a"), Some(&cursor("e-9")));
    }

    #[test]
    fn another_log_begins_anew() {
        let mut place = place();
        assert_eq!(begin(&mut place, None, "e-9", None), None);
        assert_eq!(place.of("a"), Some(&cursor("e-5")), "what is missed comes");
        assert_eq!(begin(&mut place, None, "f-2", None), Some(Loss::Log));
        assert_eq!(place.of("a"), Some(&cursor("f-2")));
        assert!(place.take("a", 3));
        let mut fresh = Place::new(&["a".to_owned()], None);
        assert_eq!(begin(&mut fresh, Some("a"), "e-4", Some("e-4")), None);
        assert_eq!(fresh.lowest(), Some(cursor("e-4")));
    }

    #[test]
    fn what_lies_beyond_the_end_of_the_log_is_lost() {
        let mut place = place();
        place.take("a", 9);
        assert_eq!(begin(&mut place, None, "e-5", Some("e-9")), None);
        assert_eq!(begin(&mut place, None, "e-5", Some("e-8")), Some(Loss::End));
        assert_eq!(place.of("a"), Some(&cursor("e-8")));
        assert_eq!(place.of("b"), Some(&cursor("e-5")), "what is missed comes");
        assert!(place.take("a", 9), "it is another one");
    }

    #[test]
    fn channels_of_several_logs_are_read_from_the_lowest_of_each() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let epochs = [("a", "e"), ("b", "e"), ("c", "f")];
        let mut place = Place::new(&names, Some(&cursor("e-5.f-2.g-1")));
        let mut begin = |now, ends| begin_in(&mut place, None, now, Some(ends), Some(&epochs));
        assert_eq!(begin("e-5.f-2", "e-9.f-2"), None);
        assert!(place.take("a", 7) && place.take("c", 3));
        assert!(!place.take("c", 3) && place.take("b", 6));
        assert_eq!(place.of("c"), Some(&cursor("f-3")));
        assert_eq!(place.lowest(), Some(cursor("e-6.f-3")));
        place.advance(&cursor("e-7.f-4"));
        assert_eq!(place.lowest(), Some(cursor("e-7.f-4")));
        // One log has lost its end, another is a new one.
        let mut begin =
            |now, ends, epochs: &[_]| begin_in(&mut place, None, now, Some(ends), Some(epochs));
        assert_eq!(begin("e-7.f-1", "e-7.f-1", &epochs), Some(Loss::End));
        let epochs = [("a", "h"), ("b", "h"), ("c", "f")];
        assert_eq!(begin("f-1.h-9", "f-1.h-9", &epochs), Some(Loss::Log));
        assert_eq!(place.lowest(), Some(cursor("f-1.h-9")));
    }
}
