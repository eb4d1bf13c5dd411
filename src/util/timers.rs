//! An ordered list of deadlines for one component.

use std::hash::Hash;
use std::time::Instant;

use rustc_hash::FxHashMap;

/// Deadlines, at most one per key. A sorted list is fast enough for a thousand of them, and each component has a type of
/// its own: a tree would be a copy of some 10 kB of code for each.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    /// The latest first, so that the next one is taken from the end.
    order: Vec<(Instant, K)>,
    /// The deadline of each key, read several times for each message. A fast hash is safe because the program
    /// makes the keys, so no peer can make them collide.
    deadlines: FxHashMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            deadlines: FxHashMap::default(),
        }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Sets, moves or (with `None`) removes a key's deadline.
    pub(crate) fn set(&mut self, key: K, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.deadlines.insert(key, at),
            None => self.deadlines.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before
            && let Ok(place) = self.place(at, key)
        {
            self.order.remove(place);
        }
        if let Some(at) = deadline
            && let Err(place) = self.place(at, key)
        {
            self.order.insert(place, (at, key));
        }
    }

    /// Returns where a deadline is in the list, or where it belongs.
    fn place(&self, at: Instant, key: K) -> Result<usize, usize> {
        self.order.binary_search_by(|entry| (at, key).cmp(entry))
    }

    /// Returns whether a key has a deadline.
    pub(crate) fn is_set(&self, key: K) -> bool {
        self.deadlines.contains_key(&key)
    }

    /// Returns the earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.last().map(|(at, _)| *at)
    }

    /// Removes and returns one key whose deadline has passed.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.order.pop_if(|(at, _)| *at <= now)?;
        self.deadlines.remove(&key);
        Some(key)
    }
}

/// Returns the earlier of two deadlines.
pub(crate) fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_key_has_one_deadline_and_they_come_in_order() {
        let now = Instant::now();
        let at = |ms| Some(now + Duration::from_millis(ms));
        let mut timers = Timers::default();
        timers.set("drain", at(30));
        timers.set("keep-alive", at(20));
        timers.set("drain", at(10));
        timers.set("reports", at(5));
        timers.set("reports", None);
        assert_eq!(timers.next(), at(10));
        assert_eq!(timers.pop_expired(now), None);
        let later = now + Duration::from_millis(25);
        assert_eq!(timers.pop_expired(later), Some("drain"));
        assert_eq!(timers.pop_expired(later), Some("keep-alive"));
        assert_eq!(timers.pop_expired(later), None);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_set("drain"));
    }
}
