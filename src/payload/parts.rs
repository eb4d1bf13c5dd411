//! Reassembly of messages that arrive in parts.
//!
//! PeerJS opens unordered channels by default, so parts may arrive in any order and several messages may be
//! incomplete at the same time.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use super::Bounds;

/// Unfinished messages that were dropped to make room, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// The number of messages. A part that arrives for a dropped message later counts as another message.
    pub messages: u64,
    /// The bytes received of those messages, in packed form.
    pub bytes: u64,
}

impl Dropped {
    fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// Messages with missing parts, the oldest first.
///
/// Memory is allocated as bytes arrive. At most, it is about twice the limit of held bytes.
#[derive(Debug)]
pub(super) struct Parts<Id> {
    bounds: Bounds,
    unfinished: VecDeque<Unfinished<Id>>,
    /// The message that was completed last.
    whole: Vec<u8>,
    /// Memory for the next message.
    spare: Vec<u8>,
    dropped: Dropped,
}

/// A part as the page sent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a, Id> {
    /// The id that the parts of a message have in common.
    pub(super) id: Id,
    /// The index of the part, from 0.
    pub(super) index: u64,
    /// The number of parts of the message.
    pub(super) total: u64,
    pub(super) bytes: &'a [u8],
}

/// The reason why a part was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The part contradicts itself or another part; the message keeps waiting for a valid part.
    Contradiction(&'static str),
    /// The message is too long. The parts received so far were dropped.
    TooLong,
}

#[derive(Debug)]
struct Unfinished<Id> {
    id: Id,
    total: u64,
    /// The parts received without a gap, and their number.
    data: Vec<u8>,
    next: u64,
    /// Parts that arrived before their turn.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
}

/// The extra cost of a part that arrived before its turn, so that many parts of one byte do not take far more
/// memory than is counted.
const EARLY: usize = 64;

impl<Id: PartialEq> Parts<Id> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            unfinished: VecDeque::new(),
            whole: Vec::new(),
            spare: Vec::new(),
            dropped: Dropped::default(),
        }
    }

    /// Takes a part; returns whether it completed the message, which [`Self::whole`] then returns.
    pub(super) fn insert(&mut self, part: Part<'_, Id>) -> Result<bool, Refused> {
        part.check()?;
        let place = self.unfinished.iter().position(|it| it.id == part.id);
        if let Some(known) = place.and_then(|place| self.unfinished.get(place)) {
            known.check(&part)?;
        }
        let known = place.and_then(|place| self.unfinished.remove(place));
        let bytes = known.as_ref().map_or(0, Unfinished::bytes);
        if part.at_least() > self.bounds.message || bytes + part.bytes.len() > self.bounds.message {
            if let Some(known) = known {
                self.dropped.count(known.bytes());
            }
            return Err(Refused::TooLong);
        }
        let mut message = match known {
            Some(known) => known,
            None => Unfinished::new(part.id, part.total, mem::take(&mut self.spare)),
        };
        message.insert(part.index, part.bytes);
        if message.next == message.total {
            self.spare = mem::replace(&mut self.whole, message.data);
            self.spare.clear();
            return Ok(true);
        }
        let mut place = place.unwrap_or(self.unfinished.len());
        while self.held() + message.held() > self.bounds.held
            || self.unfinished.len() >= self.bounds.groups
        {
            let Some(oldest) = self.unfinished.pop_front() else {
                self.dropped.count(message.bytes());
                return Err(Refused::TooLong);
            };
            self.dropped.count(oldest.bytes());
            place = place.saturating_sub(1);
        }
        self.unfinished.insert(place, message);
        Ok(false)
    }

    /// Returns the message that was completed last.
    pub(super) fn whole(&self) -> &[u8] {
        &self.whole
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Returns the number of bytes that the unfinished messages count for together.
    pub(super) fn held(&self) -> usize {
        self.unfinished.iter().map(Unfinished::held).sum()
    }
}

impl<Id> Part<'_, Id> {
    fn check(&self) -> Result<(), Refused> {
        if self.index >= self.total {
            return Err(Refused::Contradiction("there are fewer parts than that"));
        }
        // No page sends an empty part, and remembering empty parts would serve nothing.
        if self.bytes.is_empty() {
            return Err(Refused::Contradiction("a part is empty"));
        }
        Ok(())
    }

    /// Returns the least length of the message: both libraries cut a message into parts of one length, and
    /// only the last part may be shorter.
    fn at_least(&self) -> usize {
        let others = usize::try_from(self.total - 1).unwrap_or(usize::MAX);
        if self.index == self.total - 1 {
            others.saturating_add(self.bytes.len())
        } else {
            self.bytes.len().saturating_mul(others).saturating_add(1)
        }
    }
}

impl<Id> Unfinished<Id> {
    fn new(id: Id, total: u64, room: Vec<u8>) -> Self {
        Self {
            id,
            total,
            data: room,
            next: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
        }
    }

    fn check(&self, part: &Part<'_, Id>) -> Result<(), Refused> {
        if part.total != self.total {
            return Err(Refused::Contradiction("the number of parts has changed"));
        }
        if part.index < self.next || self.early.contains_key(&part.index) {
            return Err(Refused::Contradiction("a part has come twice"));
        }
        Ok(())
    }

    fn insert(&mut self, index: u64, bytes: &[u8]) {
        if index != self.next {
            self.early_bytes += bytes.len();
            self.early.insert(index, bytes.to_vec());
            return;
        }
        self.data.extend_from_slice(bytes);
        self.next += 1;
        while let Some(bytes) = self.early.remove(&self.next) {
            self.early_bytes -= bytes.len();
            self.data.extend_from_slice(&bytes);
            self.next += 1;
        }
    }

    fn bytes(&self) -> usize {
        self.data.len() + self.early_bytes
    }

    fn held(&self) -> usize {
        self.bytes() + EARLY * self.early.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        message: 100,
        held: 400,
        groups: 3,
    };

    fn part(id: u8, index: u64, total: u64, bytes: &[u8]) -> Part<'_, u8> {
        Part {
            id,
            index,
            total,
            bytes,
        }
    }

    fn dropped(parts: &Parts<u8>) -> (u64, u64) {
        (parts.dropped().messages, parts.dropped().bytes)
    }

    #[test]
    fn any_order_gives_the_message() {
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let mut parts = Parts::new(BOUNDS);
        for order in orders {
            let last = order[2];
            for index in order {
                let bytes = [&b"one"[..], b"two", b"3"][index as usize];
                assert_eq!(parts.insert(part(7, index, 3, bytes)), Ok(index == last));
            }
            assert_eq!(parts.whole(), b"onetwo3");
            assert_eq!(parts.held(), 0);
        }
        assert_eq!(dropped(&parts), (0, 0));
    }

    #[test]
    fn messages_may_be_mixed() {
        let mut parts = Parts::new(BOUNDS);
        assert_eq!(parts.insert(part(1, 1, 2, b"b")), Ok(false));
        assert_eq!(parts.insert(part(2, 0, 2, b"c")), Ok(false));
        assert_eq!(parts.insert(part(1, 0, 2, b"a")), Ok(true));
        assert_eq!(parts.whole(), b"ab");
        assert_eq!(parts.insert(part(2, 1, 2, b"d")), Ok(true));
        assert_eq!(parts.whole(), b"cd");
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut parts = Parts::new(BOUNDS);
        for id in 0..3 {
            assert_eq!(parts.insert(part(id, 0, 2, b"begun")), Ok(false));
        }
        assert_eq!(dropped(&parts), (0, 0));
        assert_eq!(parts.insert(part(3, 0, 2, b"begun")), Ok(false));
        assert_eq!(dropped(&parts), (1, 5));
        assert_eq!(parts.insert(part(1, 1, 2, b"!")), Ok(true), "is younger");
        assert_eq!(parts.insert(part(0, 1, 2, b"!")), Ok(false), "is gone");
        assert_eq!(dropped(&parts), (1, 5));
    }

    #[test]
    fn a_part_that_comes_does_not_make_its_message_young() {
        let mut parts = Parts::new(BOUNDS);
        for id in 0..3 {
            assert_eq!(parts.insert(part(id, 0, 3, b"1")), Ok(false));
        }
        assert_eq!(parts.insert(part(0, 1, 3, b"2")), Ok(false));
        assert_eq!(parts.insert(part(3, 0, 3, b"1")), Ok(false));
        assert_eq!(dropped(&parts), (1, 2));
        assert_eq!(parts.insert(part(0, 2, 3, b"3")), Ok(false), "is gone");
    }

    #[test]
    fn tiny_parts_count_for_what_they_cost() {
        let mut parts = Parts::new(BOUNDS);
        for index in 1..=6 {
            assert_eq!(parts.insert(part(1, index, 90, b".")), Ok(false));
        }
        assert_eq!(parts.held(), 6 * 65);
        assert_eq!(parts.insert(part(1, 7, 90, b".")), Err(Refused::TooLong));
        assert_eq!((parts.held(), dropped(&parts)), (0, (1, 7)));
    }

    #[test]
    fn a_part_whose_turn_has_come_counts_for_its_bytes() {
        let mut parts = Parts::new(BOUNDS);
        assert_eq!(parts.insert(part(1, 1, 3, b"bb")), Ok(false));
        assert_eq!(parts.held(), EARLY + 2);
        assert_eq!(parts.insert(part(1, 0, 3, b"aa")), Ok(false));
        assert_eq!(parts.held(), 4);
    }

    #[test]
    fn what_is_too_long_is_refused_as_soon_as_it_shows() {
        let mut parts = Parts::new(BOUNDS);
        let fifty = [0; 50];
        assert_eq!(parts.insert(part(1, 0, 3, &fifty)), Err(Refused::TooLong));
        assert_eq!(parts.insert(part(1, 0, 2, &fifty)), Ok(false));
        assert_eq!(parts.insert(part(1, 1, 2, &[0; 51])), Err(Refused::TooLong));
        assert_eq!(dropped(&parts), (1, 50));
        let many = part(1, u64::MAX - 1, u64::MAX, b".");
        assert_eq!(parts.insert(many), Err(Refused::TooLong));
        assert_eq!(parts.insert(part(1, 0, 2, &fifty)), Ok(false));
        assert_eq!(parts.insert(part(1, 1, 2, &fifty)), Ok(true), "just fits");
        assert_eq!(parts.whole(), [0; 100]);
    }

    #[test]
    fn a_contradiction_changes_nothing() {
        let mut parts = Parts::new(BOUNDS);
        assert_eq!(parts.insert(part(1, 0, 3, b"a")), Ok(false));
        assert_eq!(parts.insert(part(1, 2, 3, b"c")), Ok(false));
        for (index, total, bytes) in [
            (0, 3, &b"x"[..]),
            (2, 3, b"x"),
            (1, 4, b"x"),
            (3, 3, b"x"),
            (0, 0, b"x"),
            (1, 3, b""),
        ] {
            let refused = parts.insert(part(1, index, total, bytes));
            assert!(
                matches!(refused, Err(Refused::Contradiction(_))),
                "{index}/{total}"
            );
        }
        assert_eq!(parts.insert(part(1, 1, 3, b"b")), Ok(true));
        assert_eq!(parts.whole(), b"abc");
    }

    #[test]
    fn memory_is_used_again() {
        let mut parts = Parts::new(BOUNDS);
        let mut room = Vec::new();
        for id in 0..10 {
            for index in 0..2 {
                assert_eq!(parts.insert(part(id, index, 2, &[0; 40])), Ok(index == 1));
            }
            room.push(parts.whole.as_ptr());
        }
        assert_eq!(room[2..4], room[4..6]);
        assert_eq!(room[2..4], room[8..10]);
    }
}
