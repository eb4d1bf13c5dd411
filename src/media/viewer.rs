//! A viewer: a cursor into the packets of a track, and the numbers under which it gets them.
//!
//! The numbers of a viewer have no gaps of our making: where we leave packets out, the numbers go on as if
//! nothing had been there. Gaps of the source stay.

use std::time::{Duration, Instant};

use super::keyframe::temporal_layer;
use super::pace::Pace;
use super::packets::{Packet, PacketLog};
use super::rate::Rate;
use super::window::Window;
use crate::codec::Codec;
use crate::ids::{SessionId, TrackId};
use crate::transceiver::{OutgoingPacket, RtpWriter, TransceiverKey, ViewerReport};

/// How many packets of the past a viewer gets at once, and how often, until it is up to date. A burst of all of
/// them would overflow the buffers of small devices.
const CATCH_UP: usize = 64;
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(5);

/// How old a picture may be when a slow viewer begins to get it. What is older is left out up to a keyframe.
const LATE: Duration = Duration::from_millis(500);
/// How old a picture of an upper temporal layer may be.
const LATE_LAYER: Duration = Duration::from_millis(100);

/// When a viewer that asks for a keyframe may have missed the first packets: its browser takes packets only once
/// it has the answer.
const MISSED_AFTER: Duration = Duration::from_millis(300);
const MISSED_UNTIL: Duration = Duration::from_secs(3);

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

/// The picture whose packets come now.
#[derive(Debug, Clone, Copy)]
struct Frame {
    timestamp: u32,
    is_left_out: bool,
}

/// Counters of a viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ViewerStats {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that the viewer did not get, because they were too old or too long, or because the viewer or its
    /// session did not take them.
    pub(crate) left_out: u64,
}

impl ViewerStats {
    /// Adds the counters of another viewer.
    pub(super) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.left_out += other.left_out;
    }
}

/// What a viewer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViewerState {
    /// Nothing: the source is silent.
    Absent,
    /// Nothing yet: no keyframe has come.
    Waiting,
    /// Everything.
    Playing,
    /// A part of the pictures, because it cannot take all.
    Thinned,
}

impl ViewerState {
    /// Returns the name on the control channel and in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Waiting => "waiting",
            Self::Playing => "playing",
            Self::Thinned => "thinned",
        }
    }
}

/// A viewer of a track.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) session: SessionId,
    pub(crate) section: TransceiverKey,
    pub(crate) track: TrackId,
    stage: Stage,
    /// When its session was connected, which is when it began.
    begun: Option<Instant>,
    /// Whether it has begun a second time, because it had missed the first packets.
    has_rewound: bool,
    cursor: u64,
    mapping: Option<Mapping>,
    /// The next sequence number that the viewer has not seen.
    next: u64,
    /// The numbers that were written, so that none is written twice.
    written: Window,
    /// What is added to the track's timestamps.
    offset: u32,
    /// When the next packets may go out. `None`: the viewer is up to date.
    pub(crate) catch_up_at: Option<Instant>,
    pub(super) pace: Pace,
    frame: Option<Frame>,
    /// What it gets, without headers.
    pub(super) rate: Rate,
    /// The peer's estimate of the bit rate that it can take, in bit/s, and when that came.
    pub(super) estimate: Option<(u64, Instant)>,
    /// What its session was told of it last.
    pub(super) told: Option<ViewerState>,
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
            begun: None,
            has_rewound: false,
            cursor: 0,
            mapping: None,
            next: first,
            written: Window::default(),
            offset,
            catch_up_at: None,
            pace: Pace::default(),
            frame: None,
            rate: Rate::default(),
            estimate: None,
            told: None,
            report: ViewerReport::default(),
            stats: ViewerStats::default(),
        }
    }

    /// Has the viewer begin with the last keyframe of the log, or wait for the next one. For sound it begins with
    /// the next packet. Returns false if it has begun already.
    pub(crate) fn begin(&mut self, now: Instant, log: &PacketLog) -> bool {
        if self.begun.is_some() {
            return false;
        }
        self.begun = Some(now);
        self.cursor = log.keyframe().unwrap_or_else(|| log.end());
        true
    }

    /// Has a viewer that asks for a keyframe begin once more with the last one of the log, if it may have missed
    /// the beginning. Returns whether it does.
    pub(crate) fn rewind(&mut self, now: Instant, log: &PacketLog) -> bool {
        let passed = |begun: Instant| now.saturating_duration_since(begun);
        let is_new = self
            .begun
            .is_some_and(|begun| (MISSED_AFTER..MISSED_UNTIL).contains(&passed(begun)));
        let Some(keyframe) = log.keyframe().filter(|at| is_new && *at < self.cursor) else {
            return false;
        };
        if std::mem::replace(&mut self.has_rewound, true) || self.catch_up_at.is_some() {
            return false;
        }
        self.restart();
        self.cursor = keyframe;
        true
    }

    /// Returns whether the viewer still has no picture because no keyframe has come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    /// Returns whether the viewer gets less than everything, because it is too slow.
    pub(crate) fn is_slow(&self) -> bool {
        self.pace.limit().is_some()
    }

    /// Returns the position of the next packet for the viewer.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Has the viewer wait for a keyframe, because what came before cannot be decoded further. Its numbers go on.
    fn restart(&mut self) {
        self.stage = Stage::Waiting;
        self.mapping = None;
    }

    /// Writes the packets that the viewer has not got: at most [`CATCH_UP`] of the past, and what its pace allows.
    /// Returns false if the session does not take them any more.
    pub(crate) fn serve(
        &mut self,
        now: Instant,
        codec: Codec,
        log: &PacketLog,
        writer: &mut impl RtpWriter,
    ) -> bool {
        if self.begun.is_none() || self.catch_up_at.is_some_and(|at| now < at) {
            return true;
        }
        self.catch_up_at = None;
        if self.cursor < log.begin() {
            // The log went on without this viewer, and begins with a keyframe or with what is new.
            self.stats.left_out += log.begin() - self.cursor;
            self.cursor = log.begin();
            self.restart();
        }
        let live = log.live();
        let mut of_past = 0;
        while let Some(packet) = log.get(self.cursor) {
            let again = match self.is_slow() {
                true if self.leaves_out(now, codec, log, packet) => continue,
                true => self.pace.next_at(now),
                false if self.cursor < live => {
                    of_past += 1;
                    (of_past > CATCH_UP).then(|| now + CATCH_UP_INTERVAL)
                }
                false => None,
            };
            if again.is_some() {
                self.catch_up_at = again;
                return true;
            }
            self.cursor += 1;
            if self.stage == Stage::Waiting {
                if !packet.begins_keyframe {
                    continue;
                }
                self.stage = Stage::Playing;
            }
            if !self.write(now, packet, writer) {
                return false;
            }
        }
        true
    }

    /// Decides for each new picture whether a slow viewer gets it, and moves on if it does not get this packet.
    fn leaves_out(&mut self, now: Instant, codec: Codec, log: &PacketLog, packet: &Packet) -> bool {
        let timestamp = packet.numbers.timestamp;
        let known = self.frame.filter(|frame| frame.timestamp == timestamp);
        let is_left_out = match known {
            Some(frame) => frame.is_left_out,
            None => {
                let age = now.saturating_duration_since(packet.arrived);
                if age > LATE {
                    // The next keyframe may be here already.
                    self.restart();
                    let newer = log.keyframe().filter(|at| *at > self.cursor);
                    if let Some(keyframe) = newer {
                        self.stats.left_out += keyframe - self.cursor;
                        self.cursor = keyframe;
                        return true;
                    }
                }
                let is_upper = || temporal_layer(codec, &packet.payload).is_some_and(|n| n > 0);
                age > LATE_LAYER && age <= LATE && is_upper()
            }
        };
        self.frame = Some(Frame {
            timestamp,
            is_left_out,
        });
        let waits = self.stage == Stage::Waiting && !packet.begins_keyframe;
        if is_left_out || waits {
            self.mapping = None;
            self.stats.left_out += 1;
            self.cursor += 1;
            return true;
        }
        false
    }

    fn write(&mut self, now: Instant, packet: &Packet, writer: &mut impl RtpWriter) -> bool {
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
            color_space: packet.color_space,
        };
        let written = writer.write_rtp(self.section, &outgoing);
        let size = packet.payload.len();
        if written {
            self.stats.packets += 1;
            self.stats.bytes += size as u64;
            self.rate.add(now, size);
            self.pace.spend(size);
        } else {
            self.stats.left_out += 1;
        }
        written
    }
}
