//! What every endpoint over a byte stream shares: one ring that all routes read by cursors of
//! their own, and one bounded queue towards the device.

use std::collections::BTreeMap;

use super::ring::Ring;
use super::{Count, DropReason, Message, Outgoing, Unaccepted};
use crate::ids::RouteId;
use crate::limits;
use crate::util::byte_queue::ByteQueue;

/// The two directions of a byte stream, with its routes. Framing is raw: bytes are cut into
/// messages of at most [`limits::STREAM_MESSAGE`], and messages are written one after the other.
#[derive(Debug)]
pub struct ByteStream {
    ring: Ring,
    /// The absolute offset up to which each route has read.
    cursors: BTreeMap<RouteId, u64>,
    output: ByteQueue,
    binary: bool,
}

impl ByteStream {
    /// A stream without routes. `binary`: the frame type of what goes to the peers.
    pub fn new(binary: bool) -> Self {
        Self {
            ring: Ring::new(limits::RING, limits::STREAM_MESSAGE),
            cursors: BTreeMap::new(),
            output: ByteQueue::new(limits::STREAM_OUTPUT),
            binary,
        }
    }

    /// A new route reads from here on.
    pub fn attach(&mut self, route: RouteId) {
        self.cursors.insert(route, self.ring.end());
    }

    /// Forgets a route's cursor.
    pub fn detach(&mut self, route: RouteId) {
        self.cursors.remove(&route);
    }

    /// Queues a peer's bytes for the device.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Unaccepted> {
        if bytes.len() > limits::MAX_MESSAGE {
            return Err(Unaccepted::Refused(DropReason::TooLarge));
        }
        if self.output.push(bytes) {
            Ok(())
        } else {
            Err(Unaccepted::Full)
        }
    }

    /// Bytes that the device sent.
    pub fn handle_input(&mut self, input: &[u8]) {
        // With nobody there, the bytes still go into the ring: who attaches later may want them.
        self.ring.push(input);
    }

    /// The next piece for a route.
    pub fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let cursor = *self.cursors.get(&route)?;
        match self.piece(cursor) {
            Some([]) => None,
            Some(bytes) => Some(Outgoing::Message(Message {
                binary: self.binary,
                bytes,
            })),
            None => Some(Outgoing::Lagged(Count {
                messages: 0,
                bytes: self.ring.start() - cursor,
            })),
        }
    }

    /// Moves a route's cursor past what [`Self::message`] showed.
    pub fn consume_message(&mut self, route: RouteId) {
        let Some(cursor) = self.cursors.get(&route).copied() else {
            return;
        };
        let next = match self.piece(cursor) {
            Some(bytes) => cursor + bytes.len() as u64,
            None => self.ring.start(),
        };
        self.cursors.insert(route, next);
    }

    /// What a cursor points at; `None` if that has been written over.
    fn piece(&self, cursor: u64) -> Option<&[u8]> {
        let bytes = self.ring.read(cursor, limits::STREAM_MESSAGE)?;
        if self.binary {
            return Some(bytes);
        }
        // A text frame must not end within a character whose rest is still to come.
        match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()),
            Ok(_) | Err(_) => Some(bytes),
        }
    }

    /// What the device is to be sent next.
    pub fn output(&self) -> &[u8] {
        self.output.as_slice()
    }

    /// The device took `n` bytes.
    pub fn consume(&mut self, n: usize) {
        self.output.consume(n);
    }

    /// The device is gone: what was queued for it is lost.
    pub fn forget_output(&mut self) -> Count {
        let bytes = self.output.clear() as u64;
        Count {
            messages: u64::from(bytes > 0),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn drain(stream: &mut ByteStream, route: RouteId) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(Outgoing::Message(message)) = stream.message(route) {
            assert!(message.bytes.len() <= limits::STREAM_MESSAGE);
            all.extend_from_slice(message.bytes);
            stream.consume_message(route);
        }
        all
    }

    #[test]
    fn each_route_reads_by_its_own_cursor_from_where_it_attached() {
        let mut stream = ByteStream::new(true);
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        stream.attach(a);
        stream.handle_input(b"early ");
        stream.attach(b);
        stream.handle_input(&[b'x'; 3000]);
        assert_eq!(drain(&mut stream, a).len(), 3006);
        assert_eq!(drain(&mut stream, b), vec![b'x'; 3000]);
        stream.detach(a);
        assert_eq!(stream.message(a), None);
    }

    #[test]
    fn a_route_that_falls_off_the_tail_learns_how_much_it_lost() {
        let mut stream = ByteStream::new(true);
        let route = Id::from_bits(1);
        stream.attach(route);
        stream.handle_input(&vec![1; limits::RING + 10]);
        assert_eq!(
            stream.message(route),
            Some(Outgoing::Lagged(Count {
                messages: 0,
                bytes: 10
            }))
        );
        stream.consume_message(route);
        assert_eq!(drain(&mut stream, route).len(), limits::RING);
    }

    #[test]
    fn text_is_never_cut_within_a_character() {
        let mut stream = ByteStream::new(false);
        let route = Id::from_bits(1);
        stream.attach(route);
        stream.handle_input("21 °".as_bytes());
        stream.handle_input(&"°".as_bytes()[..1]);
        assert_eq!(drain(&mut stream, route), "21 °".as_bytes());
        stream.handle_input(&"°".as_bytes()[1..]);
        assert_eq!(drain(&mut stream, route), "°".as_bytes());
        stream.handle_input(&[0xff, 0xfe]);
        assert_eq!(
            drain(&mut stream, route),
            [0xff, 0xfe],
            "what is no text at all still passes"
        );
        let long = "°".repeat(limits::RING / 2);
        stream.handle_input(long.as_bytes());
        assert_eq!(drain(&mut stream, route), long.as_bytes());
    }

    #[test]
    fn the_queue_to_the_device_is_bounded_and_a_giant_is_refused() {
        let mut stream = ByteStream::new(true);
        let giant = vec![0; limits::MAX_MESSAGE + 1];
        assert_eq!(
            stream.write(&giant),
            Err(Unaccepted::Refused(DropReason::TooLarge))
        );
        let big = vec![0; limits::MAX_MESSAGE];
        assert_eq!(stream.write(&big), Ok(()));
        assert_eq!(stream.write(&big), Ok(()));
        assert_eq!(stream.write(b"x"), Err(Unaccepted::Full));
        assert_eq!(stream.forget_output().bytes, 2 * limits::MAX_MESSAGE as u64);
        assert_eq!(stream.write(b"x"), Ok(()));
    }
}
