//! Dense places with keys that never come to mean something else.
//!
//! A place is used again as soon as it is free, so that sockets lie close together however
//! many have come and gone. Each use has a generation of its own, and a key that was kept
//! too long finds nothing.

/// Names one socket of an [`EventLoop`](super::EventLoop), for as long as its end has not come.
///
/// After that it finds nothing, even when another socket has taken the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    index: u32,
    /// Counts the uses of the place. It would take four billion connections in one place,
    /// while a key is kept, for that key to find a stranger.
    generation: u32,
}

impl Key {
    /// A small number that no other socket of the loop has at the same time: a place in arrays
    /// beside it. It is given to another socket later.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The key as one number, for what keeps numbers and no keys, as `epoll` does.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The key that [`to_bits`](Self::to_bits) made a number of. Any other number finds nothing, or a
    /// socket that was not meant.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// Entries by key.
#[derive(Debug)]
pub(super) struct Slots<E> {
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<E> {
    generation: u32,
    entry: Option<E>,
}

impl<E> Slots<E> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The key that the next [`insert`](Self::insert) will give.
    pub(super) fn next_key(&self) -> Key {
        match self.free.last() {
            Some(&index) => Key {
                index,
                generation: self.slots[index as usize].generation,
            },
            None => Key {
                // No process has as many descriptors as a u32 counts.
                index: self.slots.len() as u32,
                generation: 0,
            },
        }
    }

    pub(super) fn insert(&mut self, entry: E) -> Key {
        let key = self.next_key();
        match self.free.pop() {
            Some(index) => self.slots[index as usize].entry = Some(entry),
            None => self.slots.push(Slot {
                generation: 0,
                entry: Some(entry),
            }),
        }
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&E> {
        let slot = self.slots.get(key.index())?;
        slot.entry
            .as_ref()
            .filter(|_| slot.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut E> {
        let slot = self.slots.get_mut(key.index())?;
        slot.entry
            .as_mut()
            .filter(|_| slot.generation == key.generation)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<E> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(entry)
    }

    /// What is at `index` now.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<(Key, &mut E)> {
        let slot = self.slots.get_mut(index)?;
        let key = Key {
            index: index as u32,
            generation: slot.generation,
        };
        slot.entry.as_mut().map(|entry| (key, entry))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &E)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let key = Key {
                index: index as u32,
                generation: slot.generation,
            };
            slot.entry.as_ref().map(|entry| (key, entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_its_old_key_finds_nothing() {
        let mut slots = Slots::new();
        let (first, second) = (slots.insert('a'), slots.insert('b'));
        assert_eq!(slots.remove(first), Some('a'));
        let third = slots.insert('c');
        assert_eq!(third.index(), first.index());
        assert_eq!((slots.get(first), slots.get(third)), (None, Some(&'c')));
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.get(second), slots.len()), (Some(&'b'), 2));
    }

    #[test]
    fn the_next_key_is_known_before() {
        let mut slots = Slots::new();
        for round in 0..3 {
            let next = slots.next_key();
            let key = slots.insert(round);
            assert_eq!(key, next);
            if round == 1 {
                slots.remove(key);
            }
        }
    }

    #[test]
    fn a_key_survives_the_way_through_epoll() {
        let mut slots = Slots::new();
        let mut key = slots.insert(());
        for _ in 0..3 {
            assert_eq!(Key::from_bits(key.to_bits()), key);
            slots.remove(key);
            key = slots.insert(());
        }
        assert_eq!(slots.at_mut(key.index()), Some((key, &mut ())));
    }
}
