//! What browsers send: its way to a local program, under numbers that stay steady over reconnects.

use std::time::{Duration, Instant};

use super::gaps::Gaps;
use super::rtcp::Sent;
use super::source::Numbers;
use crate::ids::SessionId;
use crate::transceiver::{IncomingPacket, SenderReport, TransceiverKey};

/// The largest jumps of a browser's sequence numbers, and of its timestamps in seconds, that are no new beginning.
const MAX_JUMP: u64 = 3_000;
const MAX_SECONDS: u32 = 10;

/// The stream to a local program.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) ssrc: u32,
    clock_rate: u32,
    /// How the numbers of the present browser become ours.
    mapping: Option<Mapping>,
    /// The highest number that was sent, and when.
    last: Option<(Numbers, Instant)>,
    /// The newest sender report of the present browser.
    report: Option<SenderReport>,
    /// A timestamp that was sent, and when it was captured, once the browser has said so.
    clock: Option<(u32, Instant)>,
    packets: u64,
    octets: u64,
    gaps: Gaps,
}

/// How the numbers of a browser become ours.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    ssrc: u32,
    /// The numbers of its first packet, as it wrote them and as they go on.
    from: Numbers,
    to: Numbers,
}

/// A section of a session that sends to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publisher {
    pub(crate) session: SessionId,
    pub(crate) section: TransceiverKey,
}

impl Output {
    /// Returns a stream that has sent nothing yet.
    pub(crate) fn new(ssrc: u32, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate,
            mapping: None,
            last: None,
            report: None,
            clock: None,
            packets: 0,
            octets: 0,
            gaps: Gaps::default(),
        }
    }

    /// Notes that another browser sends from now on. Its numbers follow those of the one before.
    pub(crate) fn begin(&mut self) {
        self.mapping = None;
        (self.report, self.clock) = (None, None);
    }

    /// Takes the sender report that came before a packet which has just been numbered. `find` returns when a time of the
    /// browser's clock was here. Returns our timestamp of that time with it, if the report is new.
    pub(crate) fn note_report(
        &mut self,
        packet: &IncomingPacket,
        find: impl FnOnce(u64) -> Instant,
    ) -> Option<(u32, Instant)> {
        let report = packet
            .report
            .filter(|report| self.report != Some(*report))?;
        self.report = Some(report);
        let mapping = self.mapping?;
        let off = report.timestamp.wrapping_sub(packet.timestamp);
        // It may be from before a jump of the browser's timestamps.
        if off.cast_signed().unsigned_abs() > self.clock_rate.saturating_mul(MAX_SECONDS) {
            return None;
        }
        let ahead = report.timestamp.wrapping_sub(mapping.from.timestamp);
        let timestamp = mapping.to.timestamp.wrapping_add(ahead);
        self.clock = Some((timestamp, find(report.ntp)));
        self.clock
    }

    /// Returns the numbers under which a packet goes on, or `None` for one from before the first.
    pub(crate) fn number(&mut self, now: Instant, packet: &IncomingPacket) -> Option<Numbers> {
        let known = self
            .mapping
            .filter(|mapping| mapping.ssrc == packet.ssrc && self.follows(now, mapping, packet));
        let mapping = known.unwrap_or_else(|| Mapping {
            ssrc: packet.ssrc,
            from: Numbers {
                sequence: packet.sequence,
                timestamp: packet.timestamp,
            },
            to: self.next(now, packet.timestamp),
        });
        if known.is_none() {
            self.gaps.clear();
            (self.report, self.clock) = (None, None);
        }
        self.mapping = Some(mapping);
        let Mapping { from, to, .. } = mapping;
        let passed = packet.timestamp.wrapping_sub(from.timestamp);
        let numbers = Numbers {
            sequence: to.sequence + packet.sequence.checked_sub(from.sequence)?,
            timestamp: to.timestamp.wrapping_add(passed),
        };
        self.packets += 1;
        self.octets += packet.payload.len() as u64;
        if self
            .last
            .is_none_or(|(last, _)| last.sequence < numbers.sequence)
        {
            self.last = Some((numbers, now));
        }
        Some(numbers)
    }

    /// Returns whether a packet can follow the last one. After a jump the numbers begin anew, because viewers would lose
    /// count of what they have not got.
    fn follows(&self, now: Instant, mapping: &Mapping, packet: &IncomingPacket) -> bool {
        let Some((last, at)) = self.last else {
            return true;
        };
        let Some(ahead) = packet.sequence.checked_sub(mapping.from.sequence) else {
            return true;
        };
        let sequence = mapping.to.sequence + ahead;
        let passed = packet.timestamp.wrapping_sub(mapping.from.timestamp);
        let timestamp = mapping.to.timestamp.wrapping_add(passed);
        let expected = last.timestamp.wrapping_add(self.ticks(now, at));
        let off = timestamp
            .wrapping_sub(expected)
            .cast_signed()
            .unsigned_abs();
        sequence <= last.sequence + MAX_JUMP && off <= self.clock_rate.saturating_mul(MAX_SECONDS)
    }

    /// Notes a packet of the present browser. Returns whether one before it is lost for good.
    pub(crate) fn note_arrival(&mut self, now: Instant, sequence: u64) -> bool {
        self.gaps.note(now, sequence)
    }

    /// Returns what a sender report says of the stream (RFC 3550 §6.4.1). `started`: when its clock began.
    pub(crate) fn sent(&self, now: Instant, started: Instant) -> Option<Sent> {
        let (last, arrived) = self.last?;
        // Until the browser has said when its packets were captured, they were when they came.
        let (timestamp, at) = self.clock.unwrap_or((last.timestamp, arrived));
        let timestamp = timestamp.wrapping_add(self.ticks(now, at));
        Some(sent(now, started, timestamp, self.packets, self.octets))
    }

    /// Returns the numbers of the first packet of a browser.
    fn next(&self, now: Instant, timestamp: u32) -> Numbers {
        let Some((last, at)) = self.last else {
            return Numbers {
                sequence: 0,
                timestamp,
            };
        };
        let ticks = self.ticks(now, at).max(1);
        Numbers {
            sequence: last.sequence + 1,
            timestamp: last.timestamp.wrapping_add(ticks),
        }
    }

    /// Returns how far the timestamp has gone on since some time.
    fn ticks(&self, now: Instant, since: Instant) -> u32 {
        let passed = now.saturating_duration_since(since).as_micros();
        let ticks = passed * u128::from(self.clock_rate) / 1_000_000;
        u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0)
    }
}

/// Returns the elapsed time as senders without a clock give it (RFC 3550 §6.4.1): 32 bits of seconds, 32 of
/// their fractions.
fn ntp_of(elapsed: Duration) -> u64 {
    (elapsed.as_secs() << 32) | ((u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Returns what a sender report says.
fn sent(now: Instant, started: Instant, timestamp: u32, packets: u64, octets: u64) -> Sent {
    let low = |count: u64| u32::try_from(count & u64::from(u32::MAX)).unwrap_or(0);
    Sent {
        ntp: ntp_of(now.saturating_duration_since(started)),
        rtp: timestamp,
        packets: low(packets),
        octets: low(octets),
    }
}
