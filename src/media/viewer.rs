//! A viewer: a cursor into the packets of a track, and the numbers under which it gets them.
//!
//! The numbers of a viewer have no gaps of our making: where we leave packets out, the numbers go on as if
//! nothing had been there. Gaps of the source stay.

use std::time::{Duration, Instant};

use super::packets::{Packet, PacketLog};
use super::window::Window;
use crate::ids::{SessionId, TrackId};
use crate::transceiver::{OutgoingPacket, RtpWriter, TransceiverKey, ViewerReport};

/// How many packets of the past a viewer gets at once, and how often, until it is up to date. A burst of all of
/// them would overflow the buffers of small devices.
const CATCH_UP: usize = 64;
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(5);

/// What a viewer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for a packet at which a decoder can start.
    Waiting,
    /// It gets packets.
    Playing,
}

/// How a viewer's packets follow from the track's.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    /// The sequence number of the first packet as the track counts and as the viewer gets it.
    from: u64,
    to: u64,
}

/// Counters of a viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ViewerStats {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that the viewer did not get, because they were too old or too long, or the session had no room.
    pub(crate) left_out: u64,
}

/// A viewer of a track.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) session: SessionId,
    pub(crate) section: TransceiverKey,
    pub(crate) track: TrackId,
    stage: Stage,
    /// Whether its session has been connected.
    has_begun: bool,
    cursor: u64,
    mapping: Option<Mapping>,
    /// The next sequence number that the viewer has not seen.
    next: u64,
    /// The numbers that were written, so that none is written twice.
    written: Window,
    /// What is added to the track's timestamps.
    offset: u32,
    /// When the next packets of the past may go out. `None`: the viewer is up to date.
    pub(crate) catch_up_at: Option<Instant>,
    /// The peer's estimate of the bit rate that it can take, in bit/s.
    pub(crate) estimate: Option<u64>,
    pub(crate) report: ViewerReport,
    pub(crate) stats: ViewerStats,
}

impl Viewer {
    /// Returns a viewer of a track. `first` is its first sequence number, below 32,768; `offset` is added to the
    /// track's timestamps.
    pub(crate) fn new(
        session: SessionId,
        section: TransceiverKey,
        track: TrackId,
        first: u64,
        offset: u32,
    ) -> Self {
        Self {
            session,
            section,
            track,
            stage: Stage::Waiting,
            has_begun: false,
            cursor: 0,
            mapping: None,
            next: first,
            written: Window::default(),
            offset,
            catch_up_at: None,
            estimate: None,
            report: ViewerReport::default(),
            stats: ViewerStats::default(),
        }
    }

    /// Has the viewer begin with the last keyframe of the log, or wait for the next one. For sound it begins with
    /// the next packet. Returns false if it has begun already.
    pub(crate) fn begin(&mut self, log: &PacketLog) -> bool {
        if std::mem::replace(&mut self.has_begun, true) {
            return false;
        }
        self.cursor = log.keyframe().unwrap_or_else(|| log.end());
        true
    }

    /// Returns whether the viewer still has no picture because no keyframe has come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    /// Has the viewer wait for the next keyframe, because what came before cannot be decoded further.
    pub(crate) fn restart(&mut self, log: &PacketLog) {
        self.stage = Stage::Waiting;
        self.mapping = None;
        self.cursor = self.cursor.max(log.begin());
    }

    /// Writes the packets that the viewer has not got, and at most [`CATCH_UP`] of the past. Returns false if
    /// the session does not take them any more.
    pub(crate) fn serve(
        &mut self,
        now: Instant,
        log: &PacketLog,
        writer: &mut impl RtpWriter,
    ) -> bool {
        if self.catch_up_at.is_some_and(|at| now < at) {
            return true;
        }
        if self.cursor < log.begin() {
            // The log went on without this viewer, and begins with a keyframe or with what is new.
            self.stats.left_out += log.begin() - self.cursor;
            self.cursor = log.begin();
            self.restart(log);
        }
        let live = log.live();
        let mut of_past = 0;
        while let Some(packet) = log.get(self.cursor) {
            if self.cursor < live {
                if of_past == CATCH_UP {
                    self.catch_up_at = Some(now + CATCH_UP_INTERVAL);
                    return true;
                }
                of_past += 1;
            }
            self.cursor += 1;
            if self.stage == Stage::Waiting {
                if !packet.begins_keyframe {
                    continue;
                }
                self.stage = Stage::Playing;
            }
            if !self.write(packet, writer) {
                return false;
            }
        }
        self.catch_up_at = None;
        true
    }

    fn write(&mut self, packet: &Packet, writer: &mut impl RtpWriter) -> bool {
        let next = self.next;
        let mapping = self.mapping.get_or_insert(Mapping {
            from: packet.numbers.sequence,
            to: next,
        });
        // A packet from before the first one would have a number that the viewer has seen already.
        let Some(ahead) = packet.numbers.sequence.checked_sub(mapping.from) else {
            self.stats.left_out += 1;
            return true;
        };
        let sequence = mapping.to + ahead;
        if !self.written.note(sequence) {
            self.stats.left_out += 1;
            return true;
        }
        self.next = next.max(sequence + 1);
        let outgoing = OutgoingPacket {
            sequence,
            timestamp: packet.numbers.timestamp.wrapping_add(self.offset),
            marker: packet.marker,
            wallclock: packet.wallclock,
            payload: &packet.payload,
        };
        let written = writer.write_rtp(self.section, &outgoing);
        if written {
            self.stats.packets += 1;
            self.stats.bytes += packet.payload.len() as u64;
        }
        written
    }
}
