//! The numbers of a source's packets, continued over restarts of the source, so that a viewer never notices that
//! another stream has begun.
//!
//! Gaps and a changed order are kept: what was lost before it came here must look lost to the viewers, too.

use std::time::{Duration, Instant};

/// A jump of the sequence number by more than this is a restart (RFC 3550 §A.1, `MAX_DROPOUT`).
const MAX_JUMP: u16 = 3_000;
/// A jump of the timestamp by more than this is a restart.
const MAX_TIME_JUMP: Duration = Duration::from_secs(10);
/// How many sequence numbers behind the newest one are remembered, to find duplicates.
const WINDOW: u64 = 128;

/// The numbers of a packet as the source wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceNumbers {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
}

/// The numbers of a packet on the way to viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The sequence number without wrapping.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
}

/// Why a source began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Restart {
    /// Another SSRC.
    Stream,
    /// A jump of the sequence number.
    Sequence,
    /// A jump of the timestamp.
    Timestamp,
    /// It was silent for long.
    Silence,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// Forward it. `restart` says that viewers need a new picture.
    Take {
        numbers: Numbers,
        restart: Option<Restart>,
    },
    /// Keep it until the next packet shows whether a new stream begins with it.
    Hold,
    /// The packet came before.
    Duplicate,
    /// The packet is of a stream that another one has replaced.
    Replaced,
}

/// A stream that may be about to replace the present one.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    ssrc: u32,
    sequence: u16,
}

/// The stream that is forwarded.
#[derive(Debug)]
struct Present {
    ssrc: u32,
    /// The first sequence number, as the source wrote it and as viewers get it.
    first: (u16, u64),
    /// The newest sequence number, likewise.
    newest: (u16, u64),
    /// Which of the last sequence numbers have come: bit 0 is the newest.
    seen: u128,
    /// What is added to the source's timestamps.
    offset: u32,
    timestamp: u32,
    arrival: Instant,
}

impl Present {
    /// Notes a packet that is `ahead` numbers after the newest. Returns its number.
    fn note_newer(&mut self, raw: u16, ahead: u16, timestamp: u32) -> Result<u64, Numbered> {
        if ahead == 0 {
            return Err(Numbered::Duplicate);
        }
        let sequence = self.newest.1 + u64::from(ahead);
        self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        self.newest = (raw, sequence);
        self.timestamp = timestamp;
        Ok(sequence)
    }

    /// Notes a packet that is `behind` numbers before the newest. Returns its number.
    fn note_older(&mut self, behind: u16) -> Result<u64, Numbered> {
        let age = u64::from(behind);
        let sequence = self.newest.1.checked_sub(age).ok_or(Numbered::Replaced)?;
        // Numbers before the first one belong to the stream before. What is older than the window may be a
        // duplicate, and comes too late for any player.
        if sequence < self.first.1 || age >= WINDOW {
            return Err(Numbered::Replaced);
        }
        let bit = 1_u128 << age;
        if self.seen & bit != 0 {
            return Err(Numbered::Duplicate);
        }
        self.seen |= bit;
        Ok(sequence)
    }
}

/// Continues the numbers of a source.
#[derive(Debug)]
pub(crate) struct Numbering {
    clock_rate: u32,
    silence: Duration,
    present: Option<Present>,
    candidate: Option<Candidate>,
    /// The stream that was replaced last, and when its last packet came.
    replaced: Option<(u32, Instant)>,
}

impl Numbering {
    /// Returns a numbering for a clock of this rate, in Hz. After `silence` a source counts as stopped.
    pub(crate) fn new(clock_rate: u32, silence: Duration) -> Self {
        Self {
            clock_rate,
            silence,
            present: None,
            candidate: None,
            replaced: None,
        }
    }

    /// Returns the source's SSRC, if there is a source.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.present.as_ref().map(|present| present.ssrc)
    }

    /// Returns the highest sequence number of the present stream, with the number of its wraps in the upper half
    /// (RFC 3550 §6.4.1).
    pub(crate) fn highest(&self) -> u32 {
        self.present.as_ref().map_or(0, |present| {
            let since = present.newest.1 - present.first.1;
            let highest = u64::from(present.first.0) + since;
            u32::try_from(highest & u64::from(u32::MAX)).unwrap_or(0)
        })
    }

    /// Returns a timestamp of the source as viewers get it.
    pub(crate) fn timestamp(&self, of_source: u32) -> Option<u32> {
        let present = self.present.as_ref()?;
        Some(of_source.wrapping_add(present.offset))
    }

    /// Returns whether a packet has come lately.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        let last = self.present.as_ref().map(|present| present.arrival);
        last.is_some_and(|last| now.saturating_duration_since(last) < self.silence)
    }

    /// Ends the stream because its source said so. What comes next is a restart.
    pub(crate) fn end(&mut self, now: Instant) {
        if let Some(present) = &mut self.present {
            present.arrival = now.checked_sub(self.silence).unwrap_or(present.arrival);
        }
    }

    /// Numbers a packet.
    pub(crate) fn number(&mut self, now: Instant, packet: SourceNumbers) -> Numbered {
        let Some(present) = &mut self.present else {
            let first = Numbers {
                sequence: 0,
                timestamp: packet.timestamp,
            };
            return self.begin(now, packet, first, None);
        };
        let is_silent = now.saturating_duration_since(present.arrival) >= self.silence;
        if packet.ssrc != present.ssrc {
            if is_silent {
                return self.restart(now, packet, Restart::Stream);
            }
            return self.number_other(now, packet);
        }
        if is_silent {
            return self.restart(now, packet, Restart::Silence);
        }
        let ahead = packet.sequence.wrapping_sub(present.newest.0);
        let behind = present.newest.0.wrapping_sub(packet.sequence);
        if ahead.min(behind) > MAX_JUMP {
            return self.restart(now, packet, Restart::Sequence);
        }
        let timestamp = packet.timestamp.wrapping_add(present.offset);
        let jump = timestamp.wrapping_sub(present.timestamp);
        let jump = jump.min(present.timestamp.wrapping_sub(timestamp));
        let most = MAX_TIME_JUMP.as_secs() * u64::from(self.clock_rate);
        if u64::from(jump) > most {
            return self.restart(now, packet, Restart::Timestamp);
        }
        let found = if ahead <= behind {
            present.note_newer(packet.sequence, ahead, timestamp)
        } else {
            present.note_older(behind)
        };
        match found {
            Ok(sequence) => {
                present.arrival = now;
                let numbers = Numbers {
                    sequence,
                    timestamp,
                };
                Numbered::Take {
                    numbers,
                    restart: None,
                }
            }
            Err(numbered) => numbered,
        }
    }

    /// Decides about a packet of another stream while the present one is alive. Two packets in a row make a new
    /// stream (RFC 3550 §A.1, `MIN_SEQUENTIAL`), so that single packets with odd SSRCs change nothing.
    fn number_other(&mut self, now: Instant, packet: SourceNumbers) -> Numbered {
        if let Some((ssrc, last)) = &mut self.replaced
            && *ssrc == packet.ssrc
        {
            let is_back = now.saturating_duration_since(*last) >= self.silence;
            *last = now;
            if !is_back {
                return Numbered::Replaced;
            }
        }
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        let confirms = self.candidate.is_some_and(|candidate| {
            candidate.ssrc == ssrc && sequence == candidate.sequence.wrapping_add(1)
        });
        if confirms {
            return self.restart(now, packet, Restart::Stream);
        }
        self.candidate = Some(Candidate { ssrc, sequence });
        Numbered::Hold
    }

    /// Moves the stream on by one number, for the packet that was held before the one that began it. Returns the
    /// number of the later packet.
    pub(crate) fn make_room(&mut self) -> u64 {
        self.present.as_mut().map_or(0, |present| {
            present.first.1 += 1;
            present.newest.1 += 1;
            present.newest.1
        })
    }

    /// Begins a stream whose numbers follow those of the stream before it.
    fn restart(&mut self, now: Instant, packet: SourceNumbers, why: Restart) -> Numbered {
        let next = self
            .present
            .as_ref()
            .map_or(0, |present| present.newest.1 + 1);
        let timestamp = self.present.as_ref().map_or(packet.timestamp, |present| {
            let passed = now.saturating_duration_since(present.arrival);
            let ticks = passed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
            let ticks = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
            present.timestamp.wrapping_add(ticks.max(1))
        });
        if why == Restart::Stream
            && let Some(present) = &self.present
        {
            self.replaced = Some((present.ssrc, present.arrival));
        }
        let numbers = Numbers {
            sequence: next,
            timestamp,
        };
        self.begin(now, packet, numbers, Some(why))
    }

    fn begin(
        &mut self,
        now: Instant,
        packet: SourceNumbers,
        numbers: Numbers,
        restart: Option<Restart>,
    ) -> Numbered {
        self.candidate = None;
        self.present = Some(Present {
            ssrc: packet.ssrc,
            first: (packet.sequence, numbers.sequence),
            newest: (packet.sequence, numbers.sequence),
            seen: 1,
            offset: numbers.timestamp.wrapping_sub(packet.timestamp),
            timestamp: numbers.timestamp,
            arrival: now,
        });
        Numbered::Take { numbers, restart }
    }
}

/// Returns whether a time differs from now by less than any delay of a source.
pub(super) fn is_near(at: Instant, now: Instant) -> bool {
    let difference = at.max(now).saturating_duration_since(at.min(now));
    difference < Duration::from_secs(5)
}
