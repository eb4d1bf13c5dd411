//! A slab whose ids carry a generation, so that the id of a removed entry does not find the entry that took
//! its place.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// The id of an entry of a [`Slab`]; `K` only distinguishes kinds of ids.
pub struct Id<K> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Returns the slot, for tables beside the slab (and for a poll token).
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Returns index and generation in one number.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// Inverts [`Self::to_bits`].
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the number"
    )]
    pub fn from_bits(bits: u64) -> Self {
        Self {
            index: bits as u32,
            generation: (bits >> 32) as u32,
            kind: PhantomData,
        }
    }
}

// Derives would require the same traits of `K`, which is never a value.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bits().cmp(&other.to_bits())
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values under generational ids; insertion, look-up and removal are O(1).
#[derive(Debug)]
pub(crate) struct Slab<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    kind: PhantomData<fn() -> K>,
}

impl<K, T> Slab<K, T> {
    /// Returns an empty slab.
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            kind: PhantomData,
        }
    }

    /// Stores a value; its id is valid until [`Self::remove`].
    pub(crate) fn insert(&mut self, value: T) -> Id<K> {
        self.insert_with(|_| value)
    }

    /// Stores what `make` returns, which may need to know its own id.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Id<K>) -> T) -> Id<K> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 slots")
        });
        let slot = self
            .slots
            .get_mut(index as usize)
            .expect("slot of a free index");
        let id = Id {
            index,
            generation: slot.generation,
            kind: PhantomData,
        };
        slot.value = Some(make(id));
        self.len += 1;
        id
    }

    /// Removes and returns a value; its id and all copies of the id are invalid from now on.
    pub(crate) fn remove(&mut self, id: Id<K>) -> Option<T> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.len -= 1;
        Some(value)
    }

    /// Returns the value of a live id, to change it.
    pub(crate) fn get_mut(&mut self, id: Id<K>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation == id.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// Returns the value of a live id.
    pub(crate) fn get(&self, id: Id<K>) -> Option<&T> {
        let slot = self.slots.get(id.index())?;
        if slot.generation == id.generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// Returns how many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns every value with its id, in order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<K>, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let index = u32::try_from(index).ok()?;
            let id = Id {
                index,
                generation: slot.generation,
                kind: PhantomData,
            };
            slot.value.as_ref().map(|value| (id, value))
        })
    }

    /// Returns every value with its id, to change the values.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Id<K>, &mut T)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(index, slot)| {
                let index = u32::try_from(index).ok()?;
                let id = Id {
                    index,
                    generation: slot.generation,
                    kind: PhantomData,
                };
                slot.value.as_mut().map(|value| (id, value))
            })
    }

    /// Returns the ids, collected, for loops that change the slab.
    pub(crate) fn ids(&self) -> Vec<Id<K>> {
        self.iter().map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Kind {}

    #[test]
    fn a_stale_id_misses() {
        let mut slab: Slab<Kind, &str> = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.index(), second.index(), "the slot is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(Id::<Kind>::from_bits(second.to_bits()), second);
        assert_eq!(slab.len(), 1);
    }
}
