//! Numbered bytes: messages that carry their sender and their number, and the accounts of what became of
//! them. Loss, duplication, reordering and mixing of bytes are all detected.
//!
//! The three upper bits of each byte name its channel (1 to 6) or the device (7), so that the bytes
//! of several senders can be told apart however they are mixed. The five lower bits are a symbol.

/// The first and the last symbol of a message. All other symbols are smaller.
const START: u8 = 30;
const END: u8 = 31;
/// The digits of a message's number and of its length, base 16.
const NUMBER: usize = 5;
const LENGTH: usize = 4;
/// The shortest message.
pub const SHORTEST: usize = 2 + NUMBER + LENGTH;

/// The sender's number of a device.
pub const DEVICE: u8 = 7;

fn digits(number: usize, count: usize) -> impl Iterator<Item = u8> {
    (0..count)
        .rev()
        .map(move |digit| (number >> (4 * digit) & 15) as u8)
}

/// Returns the filler symbol for a message's number and a position.
fn filler(number: usize, at: usize) -> u8 {
    ((number * 7 + at) % 30) as u8
}

/// Returns the message with this number.
pub fn message(who: u8, number: usize, len: usize) -> Vec<u8> {
    assert!((SHORTEST..65_536).contains(&len) && number < 1 << 20);
    let middle = len - SHORTEST;
    let symbols = std::iter::once(START)
        .chain(digits(number, NUMBER))
        .chain(digits(len, LENGTH))
        .chain((0..middle).map(|at| filler(number, at)))
        .chain([END]);
    symbols.map(|symbol| who << 5 | symbol).collect()
}

/// A piece of the received bytes of one sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A whole message, unchanged: its number and length.
    Whole(usize, usize),
    /// This many bytes of a message whose other bytes were lost.
    Part(usize),
}

/// Reads the bytes of one sender among bytes of any senders.
pub fn read(who: u8, bytes: impl IntoIterator<Item = u8>) -> Vec<Piece> {
    let ours = bytes.into_iter().filter(|byte| byte >> 5 == who);
    let symbols: Vec<u8> = ours.map(|byte| byte & 31).collect();
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < symbols.len() {
        let rest = &symbols[at..];
        let next = rest.iter().skip(1).position(|symbol| *symbol == START);
        let piece = &rest[..next.map_or(rest.len(), |next| next + 1)];
        let number = |from: usize, count: usize| {
            let digits = piece.get(from..from + count)?.iter();
            Some(digits.fold(0, |sum, digit| sum << 4 | usize::from(*digit)))
        };
        let known = (number(1, NUMBER), number(1 + NUMBER, LENGTH));
        let whole = match known {
            (Some(number), Some(len)) if piece.len() == len && len >= SHORTEST => {
                let sent = message(who, number, len);
                let same = sent.iter().zip(piece).all(|(sent, got)| sent & 31 == *got);
                same.then_some(Piece::Whole(number, len))
            }
            _ => None,
        };
        pieces.push(whole.unwrap_or(Piece::Part(piece.len())));
        at += piece.len();
    }
    pieces
}

/// Returns how many bytes these pieces have.
pub fn bytes(pieces: &[Piece]) -> u64 {
    let lens = pieces.iter().map(|piece| match piece {
        Piece::Whole(_, len) | Piece::Part(len) => *len as u64,
    });
    lens.sum()
}

/// Returns the numbers of the whole messages.
pub fn numbers(pieces: &[Piece]) -> Vec<usize> {
    let whole = pieces.iter().filter_map(|piece| match piece {
        Piece::Whole(number, _) => Some(*number),
        Piece::Part(_) => None,
    });
    whole.collect()
}

#[test]
fn whatever_happens_to_bytes_is_seen() {
    let (one, two) = (message(1, 5, 300), message(1, 6, 40));
    let both = [one.clone(), two.clone()].concat();
    let whole = [Piece::Whole(5, 300), Piece::Whole(6, 40)];
    assert_eq!(read(1, both.iter().copied()), whole);
    // Bytes of another sender in between do no harm.
    let mut mixed = both.clone();
    mixed.splice(100..100, message(2, 9, 50));
    assert_eq!(read(1, mixed.iter().copied()), whole);
    assert_eq!(read(2, mixed), [Piece::Whole(9, 50)]);
    // A byte is lost, doubled, changed, or in the wrong place.
    for change in [&[][..], &[both[99], both[99]], &[both[99] ^ 1]] {
        let mut changed = both.clone();
        changed.splice(99..100, change.iter().copied());
        assert_eq!(numbers(&read(1, changed)), [6], "{change:?}");
    }
    let mut swapped = both;
    swapped.swap(120, 121);
    assert_eq!(numbers(&read(1, swapped)), [6]);
    // The beginning of one message, then the other message.
    let cut = [&one[..50], &two].concat();
    assert_eq!(read(1, cut), [Piece::Part(50), Piece::Whole(6, 40)]);
    assert_eq!(numbers(&read(1, [two, one].concat())), [6, 5], "the order");
}
