//! The logs that the engine keeps messages in, and how far each of them goes, is heard or was given.
//!
//! A log is named by its place in [`Engine::epochs`](tidings_engine::Engine::epochs). Most engines have one: what is
//! kept for each log is then a number, in place and without memory of its own.

use std::rc::Rc;

use tidings_wire::{ChannelName, Cursor, Epoch, StreamCursor};

/// Which logs there are, and which one each channel is in.
pub(crate) struct Logs {
    epochs: Box<[Epoch]>,
    of: Box<dyn Fn(&ChannelName) -> usize>,
}

impl Logs {
    /// Those with these identities; `of` says which one a channel is in, for good.
    pub(crate) fn new(epochs: &[Epoch], of: impl Fn(&ChannelName) -> usize + 'static) -> Self {
        Self {
            epochs: epochs.into(),
            of: Box::new(of),
        }
    }

    /// The one that a channel is in.
    pub(crate) fn of(&self, channel: &ChannelName) -> usize {
        match self.epochs.len() {
            1 => 0,
            _ => (self.of)(channel),
        }
    }

    pub(crate) fn epoch(&self, log: usize) -> &Epoch {
        &self.epochs[log]
    }

    /// The cursor of a channel of `log`.
    pub(crate) fn cursor(&self, log: usize, seq: u64) -> Cursor {
        Cursor {
            epoch: self.epochs[log].clone(),
            seq,
        }
    }

    /// The cursor of a stream that is somewhere in each of these logs.
    pub(crate) fn stream_cursor(&self, places: impl Iterator<Item = (usize, u64)>) -> StreamCursor {
        let parts = places.map(|(log, seq)| self.cursor(log, seq)).collect();
        StreamCursor::new(parts)
            .expect("the hub takes no engine whose logs are too many or the same")
    }
}

/// The head of each log, as the shell read them at one time.
#[derive(Clone, Debug)]
pub(crate) enum Heads {
    One(u64),
    Several(Rc<[u64]>),
}

impl Heads {
    /// Those of the logs from the first to the last.
    pub(crate) fn new(mut heads: impl ExactSizeIterator<Item = u64>) -> Self {
        match (heads.len(), heads.next()) {
            (1, Some(head)) => Self::One(head),
            (_, first) => Self::Several(first.into_iter().chain(heads).collect()),
        }
    }

    pub(crate) fn of(&self, log: usize) -> u64 {
        self.all()[log]
    }

    /// By log.
    pub(crate) fn all(&self) -> &[u64] {
        match self {
            Self::One(head) => std::slice::from_ref(head),
            Self::Several(heads) => heads,
        }
    }

    /// With their logs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        self.all().iter().copied().enumerate()
    }
}

/// Where a session is in each log in which it follows something, in the order of the logs; somewhere in one
/// if it follows nothing.
#[derive(Clone, Debug)]
pub(crate) enum Positions {
    One(Place),
    Several(Vec<Place>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    log: u32,
    seq: u64,
}

impl Positions {
    /// In one log.
    pub(crate) fn one(log: usize, seq: u64) -> Self {
        Self::One(Place {
            log: log as u32,
            seq,
        })
    }

    /// How many logs these are.
    pub(crate) fn len(&self) -> usize {
        self.places().len()
    }

    /// The log in this place.
    pub(crate) fn log(&self, place: usize) -> usize {
        self.places()[place].log as usize
    }

    /// With their logs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let places = self.places().iter();
        places.map(|place| (place.log as usize, place.seq))
    }

    /// The one in a log in which something is followed.
    pub(crate) fn of(&self, log: usize) -> u64 {
        match self {
            Self::One(place) => place.seq,
            Self::Several(places) => places[place_of(places, log)].seq,
        }
    }

    /// Moves in a log in which something is followed.
    pub(crate) fn set(&mut self, log: usize, seq: u64) {
        match self {
            Self::One(place) => place.seq = seq,
            Self::Several(places) => {
                let place = place_of(places, log);
                places[place].seq = seq;
            }
        }
    }

    /// Moves where something is followed in one log alone.
    pub(crate) fn set_only(&mut self, seq: u64) {
        self.places_mut()[0].seq = seq;
    }

    /// One more log, unless it is among these.
    pub(crate) fn add(&mut self, log: usize, seq: u64) {
        let log = log as u32;
        let Err(at) = self.places().binary_search_by_key(&log, |place| place.log) else {
            return;
        };
        let mut places = self.places().to_vec();
        places.insert(at, Place { log, seq });
        *self = Self::Several(places);
    }

    /// One log less, unless it is the only one.
    pub(crate) fn remove(&mut self, log: usize) {
        if let Self::Several(places) = self {
            places.retain(|place| place.log as usize != log);
            if let [only] = places[..] {
                *self = Self::One(only);
            }
        }
    }

    fn places(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Several(places) => places,
        }
    }

    fn places_mut(&mut self) -> &mut [Place] {
        match self {
            Self::One(place) => std::slice::from_mut(place),
            Self::Several(places) => places,
        }
    }
}

fn place_of(places: &[Place], log: usize) -> usize {
    let place = places.binary_search_by_key(&log, |place| place.log as usize);
    place.expect("a log has a position while something in it is followed")
}

/// How far each log is heard. Looked at once for each follower of a batch.
pub(crate) enum Watermarks {
    One(u64),
    Several(Box<[u64]>),
}

impl Watermarks {
    /// At these places, by log.
    pub(crate) fn new(heads: &[u64]) -> Self {
        match heads {
            [head] => Self::One(*head),
            _ => Self::Several(heads.into()),
        }
    }

    #[inline]
    pub(crate) fn of(&self, log: usize) -> u64 {
        match self {
            Self::One(watermark) => *watermark,
            Self::Several(watermarks) => watermarks[log],
        }
    }

    pub(crate) fn of_mut(&mut self, log: usize) -> &mut u64 {
        match self {
            Self::One(watermark) => watermark,
            Self::Several(watermarks) => &mut watermarks[log],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(positions: &Positions) -> Vec<(usize, u64)> {
        positions.iter().collect()
    }

    #[test]
    fn positions_are_in_the_order_of_their_logs() {
        let mut positions = Positions::one(5, 50);
        positions.add(7, 70);
        positions.add(2, 20);
        positions.add(7, 99);
        assert_eq!(all(&positions), [(2, 20), (5, 50), (7, 70)]);
        positions.set(5, 51);
        assert_eq!((positions.of(5), positions.of(7)), (51, 70));
        assert_eq!((positions.len(), positions.log(1)), (3, 5));
    }

    #[test]
    fn the_last_position_stays() {
        let mut positions = Positions::one(5, 50);
        positions.add(2, 20);
        positions.remove(9);
        positions.remove(2);
        positions.remove(5);
        assert_eq!(all(&positions), [(5, 50)]);
        positions.set_only(51);
        assert_eq!(all(&positions), [(5, 51)]);
    }

    #[test]
    fn heads_are_by_log() {
        let heads = |heads: &[u64]| Heads::new(heads.iter().copied());
        assert_eq!(heads(&[7]).all(), [7]);
        assert_eq!(heads(&[7, 8, 9]).all(), [7, 8, 9]);
        assert_eq!(heads(&[7, 8]).of(1), 8);
        assert_eq!(heads(&[7, 8]).iter().last(), Some((1, 8)));
    }
}
