//! The packets of a track that viewers still need: those that came since the last keyframe, for viewers that come
//! later, and those that not every viewer has got yet.
//!
//! A viewer is a cursor into the log. So cached and live packets can never mix out of order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::source::Numbers;
use crate::transceiver::ColorSpace;

/// One packet of a track.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) numbers: Numbers,
    pub(crate) marker: bool,
    /// Whether a decoder can start here.
    pub(crate) begins_keyframe: bool,
    /// When it was captured, as well as is known.
    pub(crate) wallclock: Instant,
    pub(crate) arrived: Instant,
    pub(crate) payload: Arc<[u8]>,
    /// How its numbers are colors, if a browser has said so.
    pub(crate) color_space: Option<ColorSpace>,
}

/// What a packet takes beside its payload, roughly.
const OVERHEAD: usize = 128;
/// How many bytes may be kept for viewers that are behind, for a track with a small cache.
const LEAST_HOLD: usize = 1 << 20;

/// Returns how many bytes of memory a packet takes.
fn cost(packet: &Packet) -> usize {
    packet.payload.len() + OVERHEAD
}

/// The packets of a track.
#[derive(Debug)]
pub(crate) struct PacketLog {
    packets: VecDeque<Packet>,
    /// The position of the first packet. Positions count all packets since the track was made.
    first: u64,
    bytes: usize,
    /// The most bytes that are kept for later viewers.
    room: usize,
    /// Where the last keyframe begins, while all packets since then are there.
    keyframe: Option<u64>,
    /// Where the viewers that are up to date are.
    served: u64,
}

impl PacketLog {
    /// Returns an empty log that keeps at most `room` bytes for later viewers.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            first: 0,
            bytes: 0,
            room,
            keyframe: None,
            served: 0,
        }
    }

    /// Adds a packet.
    pub(crate) fn push(&mut self, packet: Packet) {
        if packet.begins_keyframe {
            // Parameter sets and the picture may come in several packets, which share the timestamp.
            let current = self.keyframe.and_then(|at| self.get(at));
            let is_same =
                current.is_some_and(|it| it.numbers.timestamp == packet.numbers.timestamp);
            if !is_same {
                self.keyframe = Some(self.end());
            }
        }
        self.bytes += cost(&packet);
        self.packets.push_back(packet);
    }

    /// Forgets everything that was kept for later viewers, because what it shows is over.
    pub(crate) fn clear(&mut self) {
        self.forget_keyframe();
        self.note_served(None);
    }

    /// Forgets where the last keyframe began, because the stream has begun anew. Viewers that come later wait for
    /// the next keyframe.
    pub(crate) fn forget_keyframe(&mut self) {
        self.keyframe = None;
    }

    /// Returns the position after the last packet.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// Returns where the last keyframe begins, if all packets since then are there.
    pub(crate) fn keyframe(&self) -> Option<u64> {
        self.keyframe
    }

    /// Returns the packet at a position, or `None` if there is none yet, or none any more.
    pub(crate) fn get(&self, position: u64) -> Option<&Packet> {
        let index = position.checked_sub(self.first)?;
        self.packets.get(usize::try_from(index).ok()?)
    }

    /// Returns the position of the first packet.
    pub(crate) fn begin(&self) -> u64 {
        self.first
    }

    /// Returns the position of the first packet that viewers who are up to date have not got.
    pub(crate) fn live(&self) -> u64 {
        self.served
    }

    /// Notes that every viewer that is up to date has got everything, and removes what nobody needs any more.
    /// `behind`: where the last of the viewers is that are slow.
    pub(crate) fn note_served(&mut self, behind: Option<u64>) {
        self.served = self.end();
        if self.bytes_since_keyframe() > self.room {
            self.keyframe = None;
        }
        let behind = behind.filter(|_| self.bytes <= 2 * self.room.max(LEAST_HOLD));
        let needed = self.keyframe.unwrap_or(self.served);
        let needed = needed.min(behind.unwrap_or(needed));
        while self.first < needed {
            let Some(packet) = self.packets.pop_front() else {
                break;
            };
            self.bytes -= cost(&packet);
            self.first += 1;
        }
    }

    /// Returns how many bytes of memory the packets take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn bytes_since_keyframe(&self) -> usize {
        // What lies before the keyframe is removed in the same call, so the sum is right after the next one.
        let Some(keyframe) = self.keyframe else {
            return 0;
        };
        let before = usize::try_from(keyframe.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let before: usize = self.packets.iter().take(before).map(cost).sum();
        self.bytes - before
    }
}
