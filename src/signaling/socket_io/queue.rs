//! Packets that wait for a client, which may never fetch them.

use std::collections::VecDeque;

/// The packets that were dropped to make room, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// The number of packets.
    pub packets: u64,
    /// The length of their text, in bytes.
    pub bytes: u64,
}

/// A bounded queue. When it is full, the oldest packets are dropped.
#[derive(Debug)]
pub(super) struct Queue {
    packets: VecDeque<Waiting>,
    bytes: usize,
    most_packets: usize,
    most_bytes: usize,
    dropped: Dropped,
}

#[derive(Debug)]
struct Waiting {
    packet: String,
    worth: Worth,
}

#[derive(Debug, PartialEq, Eq)]
enum Worth {
    /// The connection does not work without the packet. A session has only a few of these.
    Kept,
    /// The packet may be dropped.
    Ordinary,
}

impl Queue {
    pub(super) fn new(most_packets: usize, most_bytes: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            most_packets,
            most_bytes,
            dropped: Dropped::default(),
        }
    }

    /// Appends a packet that the connection needs; it counts, but is never dropped.
    pub(super) fn push_kept(&mut self, packet: String) {
        self.push_as(packet, Worth::Kept);
    }

    /// Appends a packet that the connection needs, unless an equal one waits already.
    pub(super) fn push_once(&mut self, packet: String) {
        if self.packets.iter().all(|it| it.packet != packet) {
            self.push_kept(packet);
        }
    }

    /// Appends a packet that may be dropped, even at once if kept packets take all the room.
    pub(super) fn push(&mut self, packet: String) {
        self.push_as(packet, Worth::Ordinary);
    }

    pub(super) fn front(&self) -> Option<&str> {
        self.packets.front().map(|it| it.packet.as_str())
    }

    pub(super) fn pop(&mut self) -> Option<String> {
        let waiting = self.packets.pop_front()?;
        self.bytes -= waiting.packet.len();
        Some(waiting.packet)
    }

    /// Removes all packets because the client will not fetch them, without counting them as dropped.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn push_as(&mut self, packet: String, worth: Worth) {
        self.bytes += packet.len();
        self.packets.push_back(Waiting { packet, worth });
        while self.packets.len() > self.most_packets || self.bytes > self.most_bytes {
            let mut packets = self.packets.iter();
            let Some(oldest) = packets.position(|it| it.worth == Worth::Ordinary) else {
                return;
            };
            if let Some(waiting) = self.packets.remove(oldest) {
                self.bytes -= waiting.packet.len();
                self.dropped.packets += 1;
                self.dropped.bytes += waiting.packet.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut queue = Queue::new(3, 10);
        queue.push_kept("open".to_owned());
        for packet in ["a", "b", "c"] {
            queue.push(packet.to_owned());
        }
        let dropped = Dropped {
            packets: 1,
            bytes: 1,
        };
        assert_eq!(queue.dropped(), dropped);
        assert_eq!(queue.front(), Some("open"));
        queue.push("ddddd".to_owned());
        assert_eq!(queue.dropped().packets, 2);
        queue.push("eeeee".to_owned());
        assert_eq!(queue.dropped().packets, 4);
        assert_eq!(all(&mut queue), ["open", "eeeee"]);
        assert!(queue.is_empty() && queue.bytes == 0);
    }

    #[test]
    fn kept_ones_stay_even_beyond_the_bounds() {
        let mut queue = Queue::new(1, 4);
        queue.push_kept("open".to_owned());
        queue.push_kept("connect".to_owned());
        queue.push_once("open".to_owned());
        queue.push("event".to_owned());
        assert_eq!(all(&mut queue), ["open", "connect"]);
        assert_eq!(queue.dropped().packets, 1);
    }
}
