//! Places of those who can be spared: when another is needed, whoever has had one longest gives it up.
//!
//! An honest client needs a place for a few round trips, to shake hands, to ask, to take an answer. Somebody who takes
//! places to keep others out keeps each as long as the time for that allows, and can have as many as there are. So
//! the one that gives way is theirs, from whatever address they come.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// See the module. Shared by all shards, cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

/// The places in the order in which they were taken.
#[derive(Default)]
struct Taken {
    /// Whose end is dropped gives way.
    by_age: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    number: u64,
    lost: oneshot::Receiver<()>,
    places: Places,
}

impl Places {
    /// Takes a place. How many there may be is for the caller to see to.
    pub(crate) fn take(&self) -> Place {
        let (end, lost) = oneshot::channel();
        let number = self.with(|taken| {
            taken.next += 1;
            taken.by_age.insert(taken.next, end);
            taken.next
        });
        let places = self.clone();
        Place {
            number,
            lost,
            places,
        }
    }

    /// Takes a place of at most `max`, which is not zero: the oldest gives way if need be.
    pub(crate) fn take_of(&self, max: usize) -> Place {
        if self.taken() >= max {
            self.make_room();
        }
        self.take()
    }

    /// Has whoever has had a place longest give it up; whether there was somebody.
    pub(crate) fn make_room(&self) -> bool {
        let oldest = self.with(|taken| taken.by_age.pop_first());
        // Dropped outside of the lock, for that wakes a task.
        oldest.is_some()
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.with(|taken| taken.by_age.len())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Taken) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Comes when the place is to be given up at once. Not to be waited for again then.
impl Future for Place {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.lost).poll(context).map(drop)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever gives it back need not be woken for that.
        self.lost.close();
        let number = self.number;
        let ended = self.places.with(|taken| taken.by_age.remove(&number));
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_lost(place: &mut Place) -> bool {
        place.now_or_never().is_some()
    }

    #[test]
    fn the_oldest_gives_way_at_the_bound_and_not_below() {
        let places = Places::default();
        let mut first = places.take_of(2);
        let mut second = places.take_of(2);
        assert!(!is_lost(&mut first));
        let mut third = places.take_of(2);
        assert!(is_lost(&mut first) && !is_lost(&mut second));
        assert_eq!(places.taken(), 2);
        // It is on its way out, and its place somebody else's.
        drop(first);
        assert_eq!(places.taken(), 2);
        assert!(places.make_room() && is_lost(&mut second) && !is_lost(&mut third));
    }

    #[test]
    fn who_is_done_gives_its_place_back() {
        let places = Places::default();
        drop(places.take_of(1));
        let mut place = places.take_of(1);
        assert!(!is_lost(&mut place));
        drop(place);
        assert!(!places.make_room());
    }
}
