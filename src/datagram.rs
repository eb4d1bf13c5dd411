//! Received and sent datagrams: their addresses and sizes, and the queue in which datagrams wait for the end
//! of a turn.
//!
//! The queue is one growing buffer. Datagrams of one flow are adjacent in it, so a run of equal sizes goes to
//! the kernel as one segmented send (GSO) without another copy.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::ids::SourceId;

/// The kernel's information about received datagrams.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Our address that the datagrams were sent to.
    pub local: SocketAddr,
    /// The sender of the datagrams.
    pub remote: SocketAddr,
    /// The bytes per datagram in the buffer. The last datagram may be shorter. Never 0.
    pub stride: usize,
}

/// One or several datagrams for one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransmitBatch<'a> {
    /// The socket to send on.
    pub socket: SourceId,
    /// Our address to send from. The address is given because the socket is bound to all addresses.
    pub source: Option<IpAddr>,
    /// The destination address.
    pub destination: SocketAddr,
    /// The bytes of all datagrams, one after the other.
    pub contents: &'a [u8],
    /// The bytes per datagram. The last datagram may be shorter.
    pub segment: usize,
}

#[derive(Debug, Clone, Copy)]
struct QueuedDatagram {
    socket: SourceId,
    source: Option<IpAddr>,
    destination: SocketAddr,
    len: usize,
}

impl QueuedDatagram {
    fn same_flow(&self, other: &Self) -> bool {
        self.socket == other.socket
            && self.destination == other.destination
            && self.source == other.source
    }
}

/// The datagrams of one turn of the loop.
#[derive(Debug)]
pub struct TransmitQueue {
    bytes: Vec<u8>,
    entries: VecDeque<QueuedDatagram>,
    /// The offset of the first entry in `bytes`.
    start: usize,
    /// The sockets for ICE, over IPv4 and over IPv6.
    ice: [Option<SourceId>; 2],
    refused: u64,
    /// The datagrams between sessions of this process.
    internal: Internal,
    spare: Internal,
}

/// Returns the address of a session that connects only to another session of this process. This is an unused
/// loopback address, so that str0m accepts it as a candidate and no datagram is sent there.
pub fn internal_address(number: u32) -> SocketAddr {
    // An address of 127.64.0.0/10, and the port of `discard`.
    let address = 0x7f40_0000 | (number & 0x003f_ffff);
    SocketAddr::from((std::net::Ipv4Addr::from_bits(address), 9))
}

fn is_internal(address: SocketAddr) -> bool {
    let IpAddr::V4(v4) = address.ip() else {
        return false;
    };
    address.port() == 9 && v4.to_bits() & 0xffc0_0000 == 0x7f40_0000
}

/// Datagrams between sessions of this process, one after the other.
#[derive(Debug, Default)]
pub struct Internal {
    bytes: Vec<u8>,
    /// The source, the destination and the length of each datagram.
    entries: Vec<(SocketAddr, SocketAddr, usize)>,
}

impl Internal {
    fn push(&mut self, from: SocketAddr, to: SocketAddr, contents: &[u8]) -> bool {
        if self.bytes.len() + contents.len() > crate::limits::INTERNAL {
            return false;
        }
        self.bytes.extend_from_slice(contents);
        self.entries.push((from, to, contents.len()));
        true
    }

    /// Returns the datagrams, each with the address it was sent to and the address it was sent from.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr, &[u8])> {
        let mut start = 0;
        self.entries.iter().map(move |(from, to, len)| {
            let datagram = self.bytes.get(start..start + len).unwrap_or_default();
            start += len;
            (*to, *from, datagram)
        })
    }

    /// Removes all datagrams, which were delivered.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// The largest size of the queue: more than a turn can produce within its limits. Beyond this size datagrams
/// are dropped, which UDP permits.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The size from which on what waits is sent before more is written. A turn may have much for many peers, and who comes
/// first need not wait for the others.
const ENOUGH: usize = 64 * 1024;
/// The most segments of one send. The kernel takes at most 64 segments and 65,507 bytes.
const MAX_SEGMENTS: usize = 64;
const MAX_BATCH: usize = 65_000;

/// The largest size of an acknowledgement: a SACK without gaps (16 bytes) behind the SCTP header (12), in a
/// DTLS 1.2 record with AES-GCM (37). ChaCha20's records are 8 bytes shorter, so with it a message of up to 8
/// bytes is as small as this. SCTP restores the order of such a message.
const ACKNOWLEDGEMENT: usize = 16 + 12 + 37;
/// The content type of records that belong neither to a handshake nor to an alert (RFC 6347 §4.1). All other
/// records keep their order, and so does STUN.
const APPLICATION_DATA: u8 = 23;

impl TransmitQueue {
    /// Returns an empty queue.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: VecDeque::new(),
            start: 0,
            ice: [None; 2],
            refused: 0,
            internal: Internal::default(),
            spare: Internal::default(),
        }
    }

    /// Sets the socket for ICE over the address family of `local`.
    pub fn set_ice_socket(&mut self, local: SocketAddr, socket: SourceId) {
        let [v4, v6] = &mut self.ice;
        *(if local.is_ipv4() { v4 } else { v6 }) = Some(socket);
    }

    /// Queues a datagram of a session, to be sent from its local candidate's address. Returns false, and
    /// counts the datagram, if it had to be dropped.
    pub fn push_ice(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) -> bool {
        if is_internal(local) {
            let taken = is_internal(remote) && self.internal.push(local, remote, contents);
            self.refused += u64::from(!taken);
            return taken;
        }
        let [v4, v6] = self.ice;
        if let Some(socket) = if local.is_ipv4() { v4 } else { v6 } {
            self.push(socket, Some(local.ip()), remote, contents)
        } else {
            self.refused += 1;
            false
        }
    }

    /// Returns whether sessions of this process have sent datagrams to each other.
    pub fn has_internal(&self) -> bool {
        !self.internal.entries.is_empty()
    }

    /// Takes the datagrams between sessions of this process, if there are any.
    pub fn take_internal(&mut self) -> Option<Internal> {
        if self.internal.entries.is_empty() {
            return None;
        }
        let spare = std::mem::take(&mut self.spare);
        Some(std::mem::replace(&mut self.internal, spare))
    }

    /// Gives back the cleared value of [`Self::take_internal`], to be filled again.
    pub fn give_back_internal(&mut self, cleared: Internal) {
        self.spare = cleared;
    }

    /// Queues a datagram. Returns false, and counts the datagram, if it had to be dropped.
    pub fn push(
        &mut self,
        socket: SourceId,
        source: Option<IpAddr>,
        destination: SocketAddr,
        contents: &[u8],
    ) -> bool {
        if self.bytes.len() + contents.len() > MAX_BYTES {
            self.refused += 1;
            return false;
        }
        self.bytes.extend_from_slice(contents);
        self.entries.push_back(QueuedDatagram {
            socket,
            source,
            destination,
            len: contents.len(),
        });
        true
    }

    /// Returns whether what waits should be sent before more is queued.
    pub fn has_enough(&self) -> bool {
        self.bytes.len() - self.start >= ENOUGH
    }

    /// Returns how many datagrams were dropped since the start for lack of a socket or of room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Moves a single acknowledgement behind the one larger datagram to the same peer, so that one system
    /// call sends both. SCTP's acknowledgements do not depend on this order (RFC 9260 §6.2). The case occurs
    /// when a peer's message is answered at once.
    fn put_acknowledgement_behind(&mut self) {
        let mut next = self.entries.iter();
        let (Some(first), Some(second)) = (next.next(), next.next()) else {
            return;
        };
        let alone = next.next().is_none_or(|third| !third.same_flow(first));
        let (short, long) = (first.len, second.len);
        if !alone || short > ACKNOWLEDGEMENT || long <= short || !first.same_flow(second) {
            return;
        }
        if let Some(both) = self.bytes.get_mut(self.start..self.start + short + long)
            && both.first() == Some(&APPLICATION_DATA)
            && both.get(short) == Some(&APPLICATION_DATA)
        {
            both.rotate_left(short);
            self.entries.swap(0, 1);
        }
    }

    /// Removes and returns the next datagrams that fit one system call, and counts them as sent.
    pub fn pop(&mut self) -> Option<TransmitBatch<'_>> {
        self.put_acknowledgement_behind();
        let Some(first) = self.entries.pop_front() else {
            self.bytes.clear();
            self.start = 0;
            return None;
        };
        let mut len = first.len;
        let mut segments = 1;
        while let Some(next) = self.entries.front() {
            let fits = segments < MAX_SEGMENTS && len + next.len <= MAX_BATCH;
            // Only the last segment may be shorter. An empty datagram cannot be a segment.
            if !fits || !next.same_flow(&first) || next.len > first.len || next.len == 0 {
                break;
            }
            len += next.len;
            segments += 1;
            let shorter = next.len < first.len;
            self.entries.pop_front();
            if shorter {
                break;
            }
        }
        let start = self.start;
        self.start += len;
        Some(TransmitBatch {
            socket: first.socket,
            source: first.source,
            destination: first.destination,
            contents: self.bytes.get(start..start + len).unwrap_or_default(),
            segment: first.len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn lengths(queue: &mut TransmitQueue) -> Vec<(usize, usize)> {
        std::iter::from_fn(|| queue.pop().map(|b| (b.contents.len(), b.segment))).collect()
    }

    #[test]
    fn runs_of_equal_size_to_one_peer_become_one_batch() {
        let mut queue = TransmitQueue::new();
        let (socket, a) = (Id::from_bits(0), "127.0.0.1:1".parse().unwrap());
        let b = "127.0.0.1:2".parse().unwrap();
        for len in [100, 100, 60, 100] {
            assert!(queue.push(socket, None, a, &vec![7; len]));
        }
        assert!(queue.push(socket, None, b, &[8; 100]));
        assert!(queue.push(socket, None, b, &[8; 101]));
        assert!(queue.push(socket, None, b, &[]));
        assert_eq!(
            lengths(&mut queue),
            [(260, 100), (100, 100), (100, 100), (101, 101), (0, 0)]
        );
        assert_eq!(lengths(&mut queue), []);
    }

    #[test]
    fn an_acknowledgement_goes_with_the_answer_that_follows_it() {
        let mut queue = TransmitQueue::new();
        let (socket, a) = (Id::from_bits(0), "127.0.0.1:1".parse().unwrap());
        let b = "127.0.0.1:2".parse().unwrap();
        let datagram = |fill, len| {
            let mut bytes = vec![fill; len];
            bytes[0] = if fill < 8 { APPLICATION_DATA } else { fill };
            bytes
        };
        let mut push = |to, fill, len| assert!(queue.push(socket, None, to, &datagram(fill, len)));
        push(a, 1, 65);
        push(a, 2, 140);
        push(b, 3, 65);
        push(b, 4, 66);
        push(b, 5, 67);
        push(a, 6, 66);
        push(a, 7, 140);
        // ChangeCipherSpec and the record that follows it; then data and a handshake.
        push(b, 20, 14);
        push(b, 3, 61);
        push(a, 4, 30);
        push(a, 22, 61);
        let batch = queue.pop().expect("both");
        assert_eq!((batch.segment, batch.destination), (140, a));
        assert_eq!(batch.contents, [datagram(2, 140), datagram(1, 65)].concat());
        // Before several datagrams, or if it is longer than an acknowledgement, a datagram keeps its place.
        let rest: Vec<_> =
            std::iter::from_fn(|| queue.pop().map(|b| b.contents.to_vec())).collect();
        let order = [3, 4, 5, 6, 7, 20, 3, 4, 22].into_iter();
        let expected = order.zip([65, 66, 67, 66, 140, 14, 61, 30, 61]);
        let expected: Vec<_> = expected.map(|(fill, len)| datagram(fill, len)).collect();
        assert_eq!(rest, expected);
    }

    #[test]
    fn batches_hold_at_most_64_segments_and_the_queue_is_bounded() {
        let mut queue = TransmitQueue::new();
        let (socket, a) = (Id::from_bits(0), "127.0.0.1:1".parse().unwrap());
        for _ in 0..65 {
            assert!(queue.push(socket, None, a, &[1; 10]));
        }
        assert_eq!(lengths(&mut queue), [(640, 10), (10, 10)]);
        let fitted = (0..100)
            .filter(|_| queue.push(socket, None, a, &[1; 65_000]))
            .count();
        assert_eq!(fitted, MAX_BYTES / 65_000);
        assert_eq!(queue.refused(), 100 - fitted as u64);
        assert!(!queue.push_ice(a, a, b"x"), "no ICE socket yet");
    }
}
